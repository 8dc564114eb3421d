"""A trained network on a picture of any size, in tiles without seams, on its faces, on files and on folders."""

import io
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import product
from pathlib import Path

import keras
import numpy as np
from PIL import Image, PngImagePlugin
from tqdm.auto import tqdm

from helpers import ROOT, images, metrics, replacing, video
from helpers.layers import SubpixelConv2D

AnyPath = str | os.PathLike

# By name, because `x + y` in a graph is an operation of the same name as the layer
POINTWISE = {"InputLayer", "Add", "Subtract", "Multiply", "TrueDivide", "Average", "Maximum", "Minimum", "Concatenate"}
POINTWISE |= {"Activation", "ReLU", "Relu", "LeakyReLU", "LeakyRelu", "PReLU", "Sigmoid", "Tanh", "Softmax", "Clip"}
POINTWISE |= {"Identity", "Rescaling", "BatchNormalization", "Dropout", "SpatialDropout2D", "GaussianNoise"}
WHOLE = {"GroupNormalization", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten", "Dense"}
WHOLE |= {"Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"}
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
MOST_WHOLE = 600_000  # pixels that a network with instance normalisation may see at once, in 3 GB
MARGIN = 0.4  # of a face's size, around it
REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}

# A result keeps its source's format up to the longest side that the format can hold; any other becomes PNG
LARGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383} | dict.fromkeys((".png", ".tif", ".tiff"), 2**31 - 1)
CAMERA, GPS, INTEROP, WIDTH, HEIGHT, ORIENTATION = 0x8769, 0x8825, 0xA005, 0xA002, 0xA003, 0x0112
# What EXIF tells about the shot, from description to copyright; its other tags lay out the old file's pixels
SHOT = {*range(269, 273), 282, 283, 296, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
SOFTWARE, XMP, PACKET = 0x0131, 700, "XML:com.adobe.xmp"
LABEL = "Restored with {} by image-restoration-course"
# IPTC's term for a picture in which an algorithm changed what a camera saw, and XMP's properties that no longer hold
ALTERED = b"http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
STALE = rb"(?:tiff:\w+|exif:Pixel\w+|Iptc4xmpExt:DigitalSourceType)"
RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'


def receptive_radius(model: keras.Model) -> int:
    """How many input pixels around a pixel its output depends on, at most; computed from the layers.

    The longest path through a functional or Sequential network: half a kernel for each convolution (what
    follows an enlargement or a pooling counts at its own resolution), 2 pixels for a bicubic enlargement, one
    less than its size for a pooling. `espcn`: 6, `cae`: 60, `unet`: 108.
    Raises ValueError for a layer that looks at the whole picture (group normalisation, global pooling, dense,
    attention), and for strides, padding other than "same" and layers unknown here, not supported yet.
    """
    return math.ceil(_reach(model)[0])


def _reach(model: keras.Model, start=(Fraction(0), Fraction(1), 1)) -> tuple[Fraction, Fraction, int]:
    """How far a network looks, in input pixels, how many times it enlarges, and the grid on which it pools."""
    graph = getattr(model, "_functional", None) or model  # a Sequential network holds its graph inside
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(f"the layers of {model.name} cannot be followed; build it as keras.Model(inputs, outputs)")
    known = {id(x): start for x in graph.inputs}
    for _, nodes in sorted(graph._nodes_by_depth.items(), reverse=True):  # from the input to the output
        for node in nodes:
            if not node.is_input:
                before = [known[id(x)] for x in node.input_tensors]
                (reach, enlarged, _), grid = max(before), math.lcm(*(grid for *_, grid in before))
                if isinstance(node.operation, keras.Model):
                    after = _reach(node.operation, (reach, enlarged, grid))
                else:
                    further, times = _step(node.operation)
                    reach, enlarged = reach + further / enlarged, enlarged * times
                    after = reach, enlarged, math.lcm(grid, enlarged.denominator)
                known |= {id(y): after for y in node.outputs}
    return known[id(graph.outputs[0])]


def _step(layer) -> tuple[Fraction, int | Fraction]:
    """How far one layer looks, in pixels of its input, and how many times it enlarges."""
    kind = type(layer).__name__
    if kind in POINTWISE and getattr(layer, "axis", -1) in (-1, 3):
        return Fraction(0), 1
    if isinstance(layer, keras.layers.UpSampling2D) and layer.size[0] == layer.size[1]:
        return Fraction(REACH[layer.interpolation]), layer.size[0]
    if isinstance(layer, POOLINGS) and tuple(layer.pool_size) == tuple(layer.strides) == 2 * layer.pool_size[:1]:
        return Fraction(layer.pool_size[0] - 1), Fraction(1, layer.pool_size[0])
    if isinstance(layer, CONVOLUTIONS) and layer.padding == "same" and set(layer.strides) == {1}:
        return Fraction(math.ceil(_span(layer) / 2)), layer.scale if isinstance(layer, SubpixelConv2D) else 1
    if isinstance(layer, keras.layers.Conv2DTranspose) and layer.padding == "same" and len(set(layer.strides)) == 1:
        return Fraction(_span(layer), layer.strides[0]), layer.strides[0]  # it steps at its output's resolution
    if kind in WHOLE:
        raise ValueError(
            f"layer {layer.name} ({kind}) looks at the whole picture, so tiles would differ from it; "
            "call the network on the whole picture"
        )
    raise ValueError(
        f"layer {layer.name} ({kind}) cannot be tiled yet: only layers that work pixel by pixel, enlargements, "
        'poolings of separate squares, and convolutions with stride 1 and padding "same"; '
        "call the network on the whole picture"
    )


def _span(convolution) -> int:
    """From a kernel's first pixel to its last, on its longer side."""
    return max((k - 1) * d for k, d in zip(convolution.kernel_size, convolution.dilation_rate, strict=True))


def apply(
    model: keras.Model, picture: np.ndarray, scale: int, tile: int = 256, progress: bool | None = None
) -> np.ndarray:
    """(h, w, 3) float in [0, 1] → (h·scale, w·scale, 3) float32, clipped to [0, 1], as on the whole picture.

    The network sees `tile` × `tile` input pixels at a time, with its receptive radius around them, so that
    memory is bounded by the result and one tile's activations. A network with instance normalisation sees the whole
    picture, of at most `MOST_WHOLE` pixels. For a network that pools, tiles begin where its
    squares do, and the picture is mirrored below and on the right until its sides divide (by 8 for `cae`, by 16
    for `unet`). (At scale 3, UpSampling2D itself rounds positions past a few thousand pixels by 0.001; there the
    tiles are the exact ones.) `progress` draws a bar when it takes longer than 2 seconds. Raises ValueError where
    `receptive_radius` does, and for a network that takes or gives something else than RGB of any size, or
    enlarges by another factor than `scale`; and for more pixels than a network may see at once.
    """
    return _laid(_tiles(model, picture, scale, tile, progress), picture, scale)


def _laid(tiles: Iterator[tuple], picture: np.ndarray, scale: int) -> np.ndarray:
    """Tiles as (top, left, pixels), or with a mask beside, laid over one another."""
    images.check(picture)
    whole = np.zeros((picture.shape[0] * scale, picture.shape[1] * scale, 3), np.float32)
    for top, left, sr, *mask in tiles:
        part = whole[top : top + sr.shape[0], left : left + sr.shape[1]]
        part[:] = part + mask[0][..., None] * (sr - part) if mask else sr
    return whole


def _tiles(model, picture, scale: int, tile: int, progress) -> Iterator[tuple[int, int, np.ndarray]]:
    """The result's tiles as (top, left, pixels)."""
    if tile < 1:
        raise ValueError(f"a tile of {tile} pixels; use at least 1")
    height, width = picture.shape[:2]
    if any(isinstance(layer, keras.layers.GroupNormalization) for layer in model.layers):
        if height * width > MOST_WHOLE:
            raise ValueError(
                f"{model.name} must see the whole picture at once, and {width}×{height} is more than "
                f"{MOST_WHOLE / 1e6:g} megapixels; reduce the picture first"
            )
        strides = [x.strides[0] for x in model.layers if type(x) is keras.layers.Conv2D]
        reach, enlarged, grid, tile = 0, scale, math.prod(strides), max(height, width)
    else:
        reach, enlarged, grid = _reach(model)
    if not model.input_shape[1:] == model.output_shape[1:] == (None, None, 3):
        raise ValueError(
            f"{model.name} turns {model.input_shape} into {model.output_shape}; "
            "expected RGB of any size, which is keras.Input((None, None, 3))"
        )
    if enlarged != scale:
        raise ValueError(f"{model.name} enlarges {enlarged} times, not {scale}")
    radius = math.ceil(reach)
    if height % grid or width % grid:
        picture = np.pad(picture, ((0, -height % grid), (0, -width % grid), (0, 0)), "symmetric")
    corners = list(product(range(0, height, tile), range(0, width, tile)))
    for top, left in tqdm(corners, "restore", delay=2, leave=False, unit="tile", disable=not progress):
        # At the picture's own border nothing is added: there the network pads as it does on the whole
        above, before = (max(0, x - radius) // grid * grid for x in (top, left))
        below, behind = (-(-(x + tile + radius) // grid) * grid for x in (top, left))
        lr = picture[above:below, before:behind]
        # Called directly: compiled for any size, UpSampling2D fails on bicubic, and it gains only a tenth
        sr = keras.ops.convert_to_numpy(model(np.asarray(lr[None], np.float32), training=False))[0]
        sr = sr[(top - above) * scale :, (left - before) * scale :]
        sr = sr[: min(tile, height - top) * scale, : min(tile, width - left) * scale]
        yield top * scale, left * scale, np.clip(sr.astype(np.float32), 0, 1)


def portrait(model, picture: np.ndarray, scale: int, size: int | None = None, around=None) -> np.ndarray:
    """(h, w, 3) float in [0, 1] → (h·scale, w·scale, 3) float32, its faces by `model`, all else by `around`.

    Each of `images.faces` is cropped with a margin of 0.4 of its size on each side, restored, and laid over the picture
    under a mask that is 1 on the face and falls to 0 at the crop's edge, so that no seam is left. `around`, a network
    of the same scale, draws the whole picture; without one, bicubic. A crop larger than `size` pixels is reduced to it
    for `model`, and its result enlarged: for a damage wider than `model` was made for, such as a large face's blur.
    ValueError where no face is found, and what `apply` raises.
    """
    return _laid(_faces(model, picture, scale, size, around), picture, scale)


def _faces(model, picture, scale: int, size: int | None = None, around=None) -> Iterator[tuple]:
    """Tiles of the whole picture as (top, left, pixels), then its faces as (top, left, pixels, mask)."""
    found = images.faces(picture)
    if not found:
        raise ValueError("no face found (upright, from the front, a tenth of the short side at least); crop it nearer")
    enlarge = keras.layers.UpSampling2D(scale, interpolation="bicubic")
    yield from _tiles(around or keras.Sequential([keras.Input((None, None, 3)), enlarge]), picture, scale, 256, True)
    for box in found:
        top, left, side, _ = images.square_around(box, picture.shape, MARGIN)
        crop = picture[top : top + side, left : left + side]
        small = images.resize(crop, (size, size), "area") if size and side > size else crop
        face = images.resize(apply(model, small, scale), (side * scale, side * scale), "bicubic")
        ends = [(n > 0, n + side < whole) for n, whole in zip((top, left), picture.shape, strict=False)]
        mask = np.minimum.outer(*(_ramp(side * scale, round(MARGIN * box.height) * scale, *both) for both in ends))
        yield top * scale, left * scale, face, mask


def _ramp(n: int, width: int, first: bool, last: bool) -> np.ndarray:
    """(n,) of ones that rise from 0 over `width` pixels at the first end and fall at the last, where asked."""
    at = np.arange(n, dtype=np.float32)
    rise = np.minimum(at if first else n, at[::-1] if last else n) / max(1, min(width, n / 2))
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(rise, 0, 1))


def suggest(picture: np.ndarray) -> tuple[dict[str, float], str | None, str]:
    """`metrics.damages` of a picture, the shipped network that they call for, and why: (measures, name, reason).

    A rule of thumb, its limits read off six photographs before and after known damages; you decide. A blur calls for
    `cae_faces` with and without a face: so it gained 1.1 dB, not 0.2, on 260 others (`nbtests/bench_own.py --photos`).
    `face` is the largest face's share of the picture's height. The name is None where its file is not in data/weights.
    """
    found = metrics.damages(picture)
    found["face"] = max((box.height / picture.shape[0] for box in images.faces(picture)), default=0.0)
    noise, blur, jpeg, mosaic, face = found.values()
    rules = (
        (mosaic > 3, "unet_photos", f"it consists of blocks of 4×4 pixels (steps {mosaic:.1f} times as high there)"),
        (noise > 3.5, "rdn_noise_cancel_x2", f"it is noisy (σ {noise:.1f} of 255)"),
        (jpeg > 1.2, "rdn_noise_cancel_x2", f"JPEG left its 8×8 blocks (steps {jpeg:.2f} times as high there)"),
        (blur > 0.5, "cae_faces", f"it is blurred ({blur:.2f} of 1); where that is not enough, reduce it first"),
        (face > 0.4, "espcn_faces_x4", "it is a crisp portrait, and may only be too small"),
        (True, "espcn_photos_x4", "it shows no damage, and may only be too small"),
    )
    _, name, why = next(rule for rule in rules if rule[0])
    if name and not (ROOT / "data" / "weights" / f"{name}.safetensors").exists():
        name, why = None, f"{why}, and {name}, made for that, is not in data/weights"
    return found, name, why


def result_path(source: AnyPath, to_folder: AnyPath, scale: int) -> Path:
    """Where `restore_file` puts the result: `<stem>_x<scale>` or, at scale 1, `<stem>_restored`, in `to_folder`."""
    source = Path(source)
    suffix = source.suffix.lower()
    if moving := video.moves(source):
        suffix = suffix if suffix in video.KEPT else ".mkv"
    with suppress(Exception), _opened(source) as file:  # images.read will say what is wrong
        clear = file.has_transparency_data and not file.mode.startswith("I")
        if not moving and (max(file.size) * scale > LARGEST.get(suffix, 0) or (clear and suffix[1] == "j")):
            suffix = ".png"
    return Path(to_folder) / f"{source.stem}_{f'x{scale}' if scale > 1 else 'restored'}{suffix}"


def restore_file(
    model, scale: int, source: AnyPath, to_folder: AnyPath, tile: int = 256, label: str = "", faces: dict | None = None
) -> Path:
    """Restore a picture, a GIF or a video into `to_folder` as `result_path` says; returns that path.

    JPEG (quality 95), PNG, WebP and TIFF keep their format, anything else becomes PNG, and so does what the
    format cannot hold (transparency in JPEG, the longest sides). Always 8-bit RGB, also from grey or 16 bits,
    with an alpha channel where there was transparency: Pillow's bicubic enlarges it, the network the colours.
    EXIF about the shot is kept, with the pixels turned upright; so are the resolution in DPI, an RGB
    colour profile, PNG's texts and XMP. EXIF's Software says that it was restored and by what (`label`, else the
    network's name; `restored_by` reads it), XMP's DigitalSourceType that an algorithm altered it. With `faces`,
    options of `portrait`, only faces are restored. What moves goes through `video.rewrite`. An older result is
    replaced. Raises ValueError where that would be `source` itself, and what `images.read`, `apply`, `portrait`,
    `video.rewrite` and `images.write` raise.
    """
    source, label = Path(source), LABEL.format(label or model.name)
    target = result_path(source, to_folder, scale)
    if target.exists() and target.samefile(source):
        raise ValueError(f"the result would replace its own source {source}; choose another folder")
    if video.moves(source):
        if faces is not None:
            raise ValueError(f"{source} moves, and a portrait stands still; restore it without portrait")
        return video.rewrite(lambda frame: apply(model, frame, scale, tile), source, target, label)
    picture = images.read(source)
    size = picture.shape[1] * scale, picture.shape[0] * scale
    alpha = None
    with _opened(source) as file:
        file.load()
        if file.has_transparency_data and not file.mode.startswith("I"):
            rgba = images.upright(np.asarray(file.convert("RGBA")), images.orientation(file))
            alpha = Image.fromarray(rgba[..., 3])
            # Laid on white, as images.read gives them, half transparent pixels would have the wrong colour
            picture = images.bleed(images.to_float(rgba[..., :3]), rgba[..., 3] == 0)
        options = _metadata(file, size, target.suffix, label)
    tiles = _tiles(model, picture, scale, tile, True) if faces is None else _faces(model, picture, scale, **faces)
    with replacing(target) as part:
        result = Image.new("RGB", size)  # 8 bits from the start: a float picture would take four times as much
        try:
            for top, left, *drawn in tiles:
                sr, *mask = (Image.fromarray(images.to_uint8(x)) for x in drawn)
                result.paste(sr, (left, top), *mask)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
        del picture, tiles
        if alpha:
            result.putalpha(alpha.resize(size, Image.Resampling.BICUBIC))
        encoded = io.BytesIO()  # Pillow's own writers do not notice a full disk
        kind = Image.registered_extensions()[target.suffix]
        result.save(encoded, kind, quality=95, compress_level=4, **options)  # PNG's 6: twice the time, 1/6 smaller
        part.write_bytes(encoded.getbuffer())
    return target


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # images.read decides what is too large
        return Image.open(path)


def restored_by(path: AnyPath) -> str:
    """The `label` with which `restore_file` last made this picture, GIF or video, else ""."""
    said = []
    with suppress(Exception):  # what cannot be read was not made here
        if Path(path).suffix.lower() in video.SUFFIXES:
            said = video.comments(path)
        else:
            with _opened(Path(path)) as file:
                said = [file.info.get("Software") or file.getexif().get(SOFTWARE), file.info.get("comment")]
    return "".join(re.findall(LABEL.format("([^;]+?)"), " ".join(map(str, said)))[-1:])


def restore_all(
    model, scale: int, sources: Iterable[AnyPath], to: AnyPath | None = None, label: str = "", faces: dict | None = None
) -> tuple[list[Path], list[Path], list[Exception]]:
    """`restore_file` of each file, and of each picture, GIF and video in each folder, with a bar.

    A result goes beside its source, or into `to`, which mirrors a folder's tree. One that is newer than its source
    and was `restored_by` the same `label` is kept; so a stopped run can be repeated. Where results go
    into the folder that they come from, those in it are passed over. Returns the paths made, the paths kept, and an
    exception for each file that failed; none stops the others. FileNotFoundError, before anything is done, for an
    empty folder.
    """
    label, found, made, kept, failed, targets = label or model.name, [], [], [], [], {}
    for source in map(Path, sources):
        within = images.find(source, images.SUFFIXES | video.SUFFIXES) if source.is_dir() else [source]
        root = source if source.is_dir() else source.parent
        again = root.resolve() in (Path(to or root).resolve() / "x").parents  # results would become sources
        within = [path for path in within if path == source or not (again and restored_by(path))]
        found += [(path, Path(to or root) / path.parent.relative_to(root)) for path in within]
    for source, folder in tqdm(found, "restore", unit="file", leave=False, delay=2):
        try:
            target = result_path(source, folder, scale)
            if (other := targets.setdefault(target, source)) != source:
                raise ValueError(f"{source}: its result would replace that of {other}; rename one")
            if target.exists() and target.stat().st_mtime > source.stat().st_mtime and restored_by(target) == label:
                kept.append(target)
            else:
                made.append(restore_file(model, scale, source, folder, label=label, faces=faces))
        except Exception as error:  # whatever it is, the next file may be good
            named = str(source) in str(error)
            failed.append(error if named else ValueError(f"{source}: {str(error) or type(error).__name__}"))
    return made, kept, failed


def _metadata(file: Image.Image, size: tuple[int, int], suffix: str, label: str) -> dict:
    """What of a picture file's metadata is still true of its upright enlargement, and `label`, for Pillow's save."""
    options = {}
    try:
        exif = _exif(file.getexif(), size)
    except Exception as error:  # Pillow trips over damaged tables in many ways
        warnings.warn(f"{file.filename}: its EXIF is damaged ({error}) and left out", stacklevel=3)
        exif = Image.Exif()
    exif[SOFTWARE] = "; ".join(filter(None, [str(exif.get(SOFTWARE, "")).strip("\0 "), label]))
    xmp = _xmp(file.info.get("xmp") or b"")
    if suffix.startswith(".tif"):
        exif[XMP] = xmp
    elif suffix == ".png":
        texts = {k: str(v) for k, v in getattr(file, "text", {}).items() if k != PACKET and not k.startswith("Raw ")}
        options["pnginfo"] = PngImagePlugin.PngInfo()
        for key, text in (texts | {"Software": exif[SOFTWARE]}).items():
            options["pnginfo"].add_text(key, text)
        options["pnginfo"].add_itxt(PACKET, xmp.decode("utf-8", "replace"))
    else:
        options["xmp"] = xmp
    options["exif"] = exif.tobytes()
    if file.mode in ("RGB", "RGBA", "P") and (profile := file.info.get("icc_profile")):
        options["icc_profile"] = profile
    dpi = file.info.get("dpi")
    if dpi and all(0 < d < 65536 for d in dpi):
        options["dpi"] = tuple(float(d) for d in dpi)
    return options


def _exif(old: Image.Exif, size: tuple[int, int]) -> Image.Exif:
    """The tags about the shot, with the new size and the pixels upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    for tag in SHOT.intersection(old):
        exif[tag] = old[tag]
    for tag in (CAMERA, GPS):
        if table := {k: v for k, v in old.get_ifd(tag).items() if k != INTEROP}:  # an offset into the old file
            exif[tag] = table | {k: n for k, n in zip((WIDTH, HEIGHT), size, strict=True) if k in table}
    if len(exif.tobytes()) > 65000:
        raise ValueError("longer than JPEG allows")
    return exif


def _xmp(old: bytes) -> bytes:
    """An XMP packet with what it said and still holds, and that an algorithm altered the picture."""
    old = re.sub(rb"<(%b)>[^<]*</\1>|\s%b=(\"[^\"]*\"|'[^']*')" % (STALE, STALE), b"", old)
    if b"</rdf:RDF>" not in old or len(old) > 60_000:  # a JPEG holds 65,502 bytes
        old = RDF + b"</rdf:RDF></x:xmpmeta>"
    terms = b'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    return old.replace(b"</rdf:RDF>", terms + b'Iptc4xmpExt:DigitalSourceType="%b"/></rdf:RDF>' % ALTERED)
