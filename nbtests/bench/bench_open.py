"""How often `restore photo.jpg` opens and decodes the file, and through which modules it goes.

    .venv/bin/python nbtests/bench/bench_open.py

The network is one of Keras' own layers, so that what is counted is the way of the file. Not a test:
nothing here is asserted.
"""

import sys
import tempfile
from pathlib import Path

from PIL import ImageFile
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import images, quiet  # noqa: E402

with quiet():
    import keras

    from helpers import tiles
    from helpers.app import photo

HELPERS = str(ROOT / "helpers")


def count(source: Path, to: Path) -> tuple[int, int, set[tuple[str, str]]]:
    """Opens and decodes of `source` while it is restored, and the functions of helpers that ran."""
    x = keras.Input((None, None, 3))
    model = keras.Model(x, keras.layers.UpSampling2D(2, interpolation="bicubic")(x), name="bicubic")
    tiles.geometry(model)  # Measured once for each network; a shipped one's card knows it
    opens = []
    decodes = []
    functions = set()
    listening = True

    def hear(event, args):
        if listening and event == "open" and str(args[0]) == str(source):
            opens.append(args)

    def follow(frame, event, arg):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HELPERS):
            functions.add((Path(code.co_filename).stem, code.co_qualname))

    load = ImageFile.ImageFile.load

    def counted(self):
        if self.tile and getattr(self, "filename", None) == str(source):
            decodes.append(self)
        return load(self)

    sys.addaudithook(hear)  # It cannot be taken away again, hence `listening`
    ImageFile.ImageFile.load = counted
    sys.setprofile(follow)
    try:
        photo.restore_all(model, [source], to)
    finally:
        sys.setprofile(None)
        ImageFile.ImageFile.load = load
        listening = False
    return len(opens), len(decodes), functions


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        source = images.write(Path(folder) / "photo.jpg", images.to_float(data.astronaut()))
        opens, decodes, functions = count(source, Path(folder) / "out")
    modules = sorted({module for module, _ in functions})
    print(
        f"{opens} opened, {decodes} decoded, {len(modules)} modules crossed: {', '.join(modules)}"
    )
    print(f"{len(functions)} functions")
    for module, name in sorted(functions):
        print(f"  {module}.{name}")
