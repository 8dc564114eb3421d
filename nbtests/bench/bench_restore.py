"""How long, and with how much memory, `restore` takes for a large picture, beside Pillow and ONNX
Runtime.

    .venv/bin/pip install onnx onnxruntime
    .venv/bin/python nbtests/bench/bench_restore.py [--megapixels 12]
    .venv/bin/python nbtests/bench/bench_restore.py --megapixels 48 --with unet_photos \\
        --methods restore

Each method runs in a process of its own, so that its peak memory is its own; the times are of the
same run. Not a test: nothing here is asserted.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import images, quiet  # noqa: E402

NAME = "espcn_photos_x4"
TILE, RADIUS = 256, 6


def onnx_network():
    """The same network and numbers as an ONNX graph, ready to run."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    with quiet():
        from helpers import training
    model, _ = training.load_weights(NAME)
    arrays, nodes, x = [], [], "lr"
    for name in ("conv1", "conv2", "conv3", "conv4", "subpixel"):
        kernel, bias = model.get_layer(name).get_weights()
        arrays.append(numpy_helper.from_array(kernel.transpose(3, 2, 0, 1).copy(), f"{name}.k"))
        arrays.append(numpy_helper.from_array(bias, f"{name}.b"))
        pads = [kernel.shape[0] // 2] * 4
        nodes.append(helper.make_node("Conv", [x, f"{name}.k", f"{name}.b"], [name], pads=pads))
        x = name
        if name != "subpixel":
            nodes.append(helper.make_node("LeakyRelu", [x], [f"{name}.a"], alpha=0.2))
            x = f"{name}.a"
    nodes.append(helper.make_node("DepthToSpace", [x], ["correction"], blocksize=4, mode="DCR"))
    arrays.append(numpy_helper.from_array(np.array([1, 1, 4, 4], np.float32), "scales"))
    cubic = {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}
    nodes.append(helper.make_node("Resize", ["lr", "", "scales"], ["enlarged"], **cubic))
    nodes.append(helper.make_node("Add", ["enlarged", "correction"], ["sr"]))
    shape = [1, 3, "h", "w"]
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in {"lr": shape, "sr": [1, 3, "H", "W"]}.items()
    ]
    graph = helper.make_graph(nodes, NAME, ends[:1], ends[1:], arrays)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(lr):
        return session.run(None, {"lr": lr.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)

    small = images.to_float(data.chelsea()[:64, :96])
    difference = np.abs(run(small) - np.asarray(model(small[None]))[0]).max()
    print(f"ONNX against Keras, largest difference {difference:.1e}")
    return run


def measure(method: str, picture: Path, name: str) -> None:
    """Run one method in this process and print its seconds and peak memory."""
    if method == "pillow":
        from PIL import Image

        start = time.perf_counter()
        with Image.open(picture) as file:
            file.resize((file.width * 4, file.height * 4), Image.Resampling.BICUBIC).save(
                picture.with_name("pillow.png"), compress_level=4
            )
    elif method == "restore":
        with quiet():
            from helpers import tiles, training
            from helpers.app import photo
        model, _ = training.load_weights(name)
        start = time.perf_counter()
        photo.restore_file(model, picture, picture.parent)
    elif method == "network":
        with quiet():
            from helpers import tiles, training
            from helpers.app import photo
        model, _ = training.load_weights(name)
        lr = images.read(picture)
        start = time.perf_counter()
        for _ in tiles.pieces(model, lr, TILE):
            pass
    else:
        run, lr = onnx_network(), images.read(picture)
        start = time.perf_counter()
        for top in range(0, lr.shape[0], TILE):
            for left in range(0, lr.shape[1], TILE):
                above, before = max(top - RADIUS, 0), max(left - RADIUS, 0)
                run(lr[above : top + TILE + RADIUS, before : left + TILE + RADIUS])
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{method:<10}{seconds:8.1f} s{peak:8.2f} GB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument(
        "--with", dest="name", default=NAME, help="weights; pillow and onnx know the default alone"
    )
    parser.add_argument("--methods", nargs="+", default=["pillow", "restore", "network", "onnx"])
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], Path(args.measure[1]), args.name)
    else:
        side = (args.megapixels * 1e6 / 12) ** 0.5
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "large.jpg"
            astronaut = images.to_float(data.astronaut())[:384]
            images.write(
                picture, images.resize(astronaut, (round(3 * side), round(4 * side)), "bicubic")
            )
            for (
                method
            ) in args.methods:  # pillow and restore file to file, the others the network only
                command = [
                    sys.executable,
                    __file__,
                    "--with",
                    args.name,
                    "--measure",
                    method,
                    str(picture),
                ]
                subprocess.run(command, check=True)
