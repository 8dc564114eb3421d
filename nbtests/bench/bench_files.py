"""Pictures drawn at random, as the application reads and restores them beside ImageMagick.

    .venv/bin/python nbtests/bench/bench_files.py [--pictures 300] [--seed 0] [--keep FOLDER]

Each seed draws a format, depth, layout, profile, gamma, orientation and alpha. Two questions are
asked of every file. Does `deep.read` give the pixels that ImageMagick gives? And does the result of
`restore` by a network that changes nothing look, to ImageMagick, like its source? A difference that
no warning and no refusal names is silent; the bar is none. ImageMagick is Debian's package
imagemagick, 6.9 or 7.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import quiet  # noqa: E402
from nbtests import profiles  # noqa: E402

with quiet():
    import keras

    from helpers.app import deep, photo

KNOWN = [Path(folder) for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")]
# What numpy does for each of EXIF's orientations: (transposed, mirrored top down, left right)
TURNS = {1: (0, 0, 0), 2: (0, 0, 1), 3: (0, 1, 1), 4: (0, 1, 0)}
TURNS |= {5: (1, 0, 0), 6: (1, 0, 1), 7: (1, 1, 1), 8: (1, 1, 0)}
PHOTOS = [data.chelsea(), data.astronaut(), data.coffee()]
READ = 3.5 / 255  # Two decoders of JPEG and WebP differ by so much in a pixel
# A second coding as JPEG or WebP costs so much on average, in ImageMagick as here: 2.5 where a wide
# profile stretches a mirrored picture of 20 rows
MEAN = 3 / 255


def magick() -> str | None:
    """ImageMagick's command; None where only a program of the same name is found."""
    for folder in [None, *KNOWN]:
        for name in ("magick", "convert"):
            found = shutil.which(name, path=folder and str(folder))
            if not found:
                continue
            done = subprocess.run([found, "-version"], capture_output=True, text=True)
            if "ImageMagick" in done.stdout:
                return found
    return None


def seen(command: str, path: Path, orientation: int, *options: str) -> np.ndarray:
    """What ImageMagick reads of a file, on white, turned by numpy: (h, w, 3) in [0, 1]."""
    call = [command, f"{path}[0]", *options, "-background", "white", "-alpha", "remove"]
    call += ["-alpha", "off", "-colorspace", "sRGB", "-type", "TrueColor", "-depth", "16"]
    done = subprocess.run([*call, "ppm:-"], capture_output=True, check=True)
    pixels = cv2.imdecode(np.frombuffer(done.stdout, np.uint8), cv2.IMREAD_UNCHANGED)
    return turned(pixels[..., ::-1] / 65535, orientation)


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """A picture as EXIF's orientation asks."""
    transposed, down, right = TURNS[orientation]
    if transposed:
        picture = np.swapaxes(picture, 0, 1)
    if down:
        picture = picture[::-1]
    return picture[:, ::-1] if right else picture


# What is drawn


class Drawn:
    """One picture of a seed: its pixels, and what is said of them."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.orientation = int(self.random.choice(8)) + 1
        self.said = [f"orientation {self.orientation}"]
        height, width = self.random.integers(17, 65, 2)
        picture = PHOTOS[self.random.integers(len(PHOTOS))]
        top = self.random.integers(picture.shape[0] - height)
        left = self.random.integers(picture.shape[1] - width)
        crop = picture[top : top + height, left : left + width] / 255
        rough = self.random.random((height, width, 3)) / 255  # Values between those of 8 bits
        self.colours = np.clip(crop + rough, 0, 1)
        self.alpha = np.clip(np.linspace(-0.3, 1.4, width) * np.ones((height, 1)), 0, 1)

    def choose(self, *choices):
        """One of several, noted."""
        chosen = choices[self.random.integers(len(choices))]
        self.said.append(str(chosen))
        return chosen

    def pixels(self, mode: str, depth: int = 8) -> np.ndarray:
        """Whole numbers of so many bits: "L", "LA", "RGB" or "RGBA"."""
        values = self.colours.mean(-1, keepdims=True) if mode.startswith("L") else self.colours
        if mode.endswith("A"):
            values = np.dstack([values, self.alpha])
        numbers = np.rint(values * (2**depth - 1)).astype(np.uint16 if depth > 8 else np.uint8)
        return numbers[..., 0] if numbers.shape[-1] == 1 else numbers

    def profile(self, grey: bool) -> bytes | None:
        """A profile, or none."""
        kind = self.choose("no profile", "no profile", "gamma 1.8", "gamma 2.2")
        if kind == "no profile":
            return None
        gamma = float(kind.split()[1])
        if grey:
            return profiles.grey_profile(gamma)
        return profiles.rgb_profile(profiles.ADOBE, gamma)

    def exif(self) -> Image.Exif:
        exif = Image.Exif()
        exif[0x0112] = self.orientation
        return exif


def jpeg(drawn: Drawn, path: Path) -> None:
    mode = drawn.choose("RGB", "RGB", "L", "CMYK")
    options = {"quality": drawn.choose(60, 85, 95), "progressive": drawn.choose(False, True)}
    if mode == "CMYK":
        image = Image.fromarray(drawn.pixels("RGBA")).convert("RGB").convert("CMYK")
        options["icc_profile"] = profiles.ink_profile(-30, 60)
    else:
        image = Image.fromarray(drawn.pixels(mode))
        options["icc_profile"] = drawn.profile(mode == "L")
    if mode == "RGB":
        options["subsampling"] = drawn.choose(0, 1, 2)
    image.save(path, exif=drawn.exif(), **options)


def png(drawn: Drawn, path: Path) -> None:
    mode = drawn.choose("RGB", "L", "RGBA", "LA", "P", "1")
    texts = PngImagePlugin.PngInfo()
    profile = None
    if drawn.choose("gamma", "a profile") == "gamma":
        gamma = drawn.choose(0, 45455, 100_000, 55_000)
        if gamma:
            texts.add(b"gAMA", gamma.to_bytes(4, "big"))
    else:
        profile = drawn.profile(mode in ("L", "LA", "1"))
    options = {"exif": drawn.exif(), "pnginfo": texts, "icc_profile": profile}
    if mode == "P":
        image = Image.fromarray(drawn.pixels("RGB")).quantize(drawn.choose(2, 4, 16, 255))
        if drawn.choose("opaque", "clear") == "clear":
            options["transparency"] = 0
    elif mode == "1":
        image = Image.fromarray(drawn.pixels("L")).convert("1")
    else:
        image = Image.fromarray(drawn.pixels(mode))
    image.save(path, **options)


def deep_png(drawn: Drawn, path: Path) -> None:
    drawn.orientation = 1
    mode = drawn.choose("RGB", "L", "RGBA")
    pixels = drawn.pixels(mode, 16)
    if mode != "L":
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]
    cv2.imwrite(str(path), pixels)


def tiff(drawn: Drawn, path: Path) -> None:
    kind = drawn.choose("minisblack", "miniswhite", "rgb", "rgb", "rgba", "la")
    depth = drawn.choose(8, 16)
    names = {"rgb": "RGB", "rgba": "RGBA", "la": "LA"}
    pixels = drawn.pixels(names.get(kind, "L"), depth)
    options = {"compression": drawn.choose(None, "zlib"), "byteorder": drawn.choose("<", ">")}
    if drawn.choose("strips", "tiles") == "tiles":
        options["tile"] = (16, 16)
    if kind in ("rgba", "la"):
        options["extrasamples"] = ["unassalpha"]
    # ImageMagick 6 mixes up grey and alpha in planes of their own; test_deep.py has them
    if kind in ("rgb", "rgba") and drawn.choose("contig", "separate") == "separate":
        options["planarconfig"] = "separate"
        pixels = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    photometric = {"rgba": "rgb", "la": "minisblack"}.get(kind, kind)
    profile = drawn.profile(kind in ("minisblack", "miniswhite", "la"))
    tags = [(274, "H", 1, drawn.orientation, True)]
    tifffile.imwrite(
        path, pixels, photometric=photometric, extratags=tags, iccprofile=profile, **options
    )


def pillow_tiff(drawn: Drawn, path: Path) -> None:
    mode = drawn.choose("1", "L", "RGB", "CMYK", "P", "RGBA")
    packed = {"1": "group4", "CMYK": "tiff_lzw"}.get(mode) or drawn.choose("tiff_lzw", "packbits")
    options = {"compression": packed, "exif": drawn.exif()}
    if mode == "CMYK":
        options["icc_profile"] = profiles.ink_profile(-30, 60)
    image = Image.fromarray(drawn.pixels("RGBA" if mode == "RGBA" else "RGB"))
    image.convert(mode).save(path, **options)


def webp(drawn: Drawn, path: Path) -> None:
    mode = drawn.choose("RGB", "RGBA")
    lossless = drawn.choose(False, True)
    Image.fromarray(drawn.pixels(mode)).save(
        path, lossless=lossless, exact=True, icc_profile=drawn.profile(False), exif=drawn.exif()
    )


def plain(drawn: Drawn, path: Path) -> None:
    """Formats that hold pixels and no more."""
    drawn.orientation = 1
    mode = drawn.choose("1", "L", "RGB", *(["P"] if path.suffix != ".ppm" else []))
    Image.fromarray(drawn.pixels("RGB")).convert(mode).save(path)


def avif(drawn: Drawn, path: Path) -> None:
    drawn.orientation = 1  # Readers of AVIF turn it themselves, or do not
    mode = drawn.choose("RGB", "L")  # ImageMagick 6 reads no alpha in AVIF
    Image.fromarray(drawn.pixels(mode)).save(path, quality=95, subsampling="4:4:4")


DRAWING = {
    ".jpg": [jpeg],
    ".png": [png, png, deep_png],
    ".tif": [tiff, tiff, pillow_tiff],
    ".webp": [webp],
    ".bmp": [plain],
    ".gif": [plain],
    ".ppm": [plain],
    ".avif": [avif],
}
CHANCES = [4, 6, 6, 2, 1, 1, 1, 1]


def draw(seed: int, folder: Path) -> tuple[Path, Drawn]:
    """The file of a seed."""
    drawn = Drawn(seed)
    suffixes = np.repeat(list(DRAWING), CHANCES)
    suffix = str(suffixes[drawn.random.integers(len(suffixes))])
    path = folder / f"{seed:04}{suffix}"
    writers = DRAWING[suffix]
    writer = writers[drawn.random.integers(len(writers))]
    writer(drawn, path)
    drawn.said = [writer.__name__, *drawn.said]
    return path, drawn


# What is compared


def unchanging() -> keras.Model:
    """A network of scale 1 that gives what it gets."""
    x = keras.Input((None, None, 3))
    same = keras.layers.Conv2D(
        3, 1, use_bias=False, kernel_initializer=lambda *_, **__: np.eye(3)[None, None]
    )
    return keras.Model(x, same(x), name="unchanging")


class Judge:
    """Compares each file with what ImageMagick makes of it."""

    def __init__(self, command: str, folder: Path):
        self.command = command
        self.folder = folder
        self.model = unchanging()
        self.srgb = folder / "srgb.icc"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        self.srgb.write_bytes(profile.tobytes())

    def read(self, path: Path, drawn: Drawn) -> str:
        """Why the application reads another picture than ImageMagick; "" where it does not."""
        picture = deep.read(path)
        options = []
        if "CMYK" in drawn.said:
            options = ["-profile", str(self.srgb)]
        elif path.suffix == ".png":  # The values themselves: ImageMagick applies gamma to grey
            options = ["-define", "png:ignore-gamma", "-set", "colorspace", "sRGB"]
        expected = seen(self.command, path, drawn.orientation, *options)
        return compared(picture, expected, READ, path.suffix == ".avif")

    def restore(self, path: Path, drawn: Drawn) -> str:
        """Why a result looks unlike its source to ImageMagick; "" where it does not."""
        made, kept, failed = photo.restore_all(self.model, [path], self.folder / "restored")
        if failed:
            raise ValueError(str(failed[0]))
        (result,) = made + kept
        as_srgb = ["-profile", str(self.srgb)]
        before = seen(self.command, path, drawn.orientation, *as_srgb)
        after = seen(self.command, result, 1, *as_srgb)
        coded_again = result.suffix in (".jpg", ".webp") or path.suffix == ".avif"
        return compared(after, before, MEAN if coded_again else READ, coded_again)


def compared(picture: np.ndarray, expected: np.ndarray, limit: float, mean: bool) -> str:
    """What differs by more than a limit, in words; "" where nothing does."""
    if picture.shape != expected.shape:
        return f"{picture.shape} instead of {expected.shape}"
    differences = np.abs(picture - expected)
    difference = differences.mean() if mean else np.quantile(differences, 0.999)
    return f"{255 * difference:.1f} of 255" if difference > limit else ""


def judged(ask, path: Path, drawn: Drawn) -> tuple[str, str]:
    """("same", "said" or "silent", why)."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            why = ask(path, drawn)
        except (ValueError, OSError) as error:
            return "said", str(error)
    words = [str(warning.message) for warning in told if path.name in str(warning.message)]
    if not why:
        return "same", ""
    return ("said", f"{why}; {words[0]}") if words else ("silent", why)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="leave the files there")
    args = parser.parse_args()
    command = magick()
    if command is None:
        print("skipped: ImageMagick is not installed; apt-get install imagemagick")
        return 0
    with tempfile.TemporaryDirectory() as made:
        folder = args.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        judge = Judge(command, folder)
        counts = {}
        for seed in range(args.seed, args.seed + args.pictures):
            path, drawn = draw(seed, folder)
            for ask in (judge.read, judge.restore):
                verdict, why = judged(ask, path, drawn)
                counts[ask.__name__, verdict] = counts.get((ask.__name__, verdict), 0) + 1
                if verdict != "same":
                    print(
                        f"{verdict:<7}{ask.__name__:<8}{path.name} {', '.join(drawn.said)}: {why}"
                    )
    for name in ("read", "restore"):
        found = {how: counts.get((name, how), 0) for how in ("same", "said", "silent")}
        print(f"{name:<8}" + ", ".join(f"{count} {how}" for how, count in found.items()))
    return int(any(how == "silent" for _, how in counts))


if __name__ == "__main__":
    sys.exit(main())
