"""One picture file or a folder of them through a network: metadata, portraits, what to use for which damage."""

import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
from PIL import Image, PngImagePlugin
from skimage import measure, restoration
from tqdm.auto import tqdm

from helpers import ROOT, images
from helpers.app import film
from helpers.files import replacing
from helpers.tiles import apply, laid, pieces

AnyPath = str | os.PathLike
MARGIN = 0.4  # of a face's size, around it
# A result keeps its source's format up to the longest side that the format can hold; any other becomes PNG
LARGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383} | dict.fromkeys(
    (".png", ".tif", ".tiff"), 2**31 - 1
)
CAMERA, GPS, INTEROP, WIDTH, HEIGHT, ORIENTATION = 0x8769, 0x8825, 0xA005, 0xA002, 0xA003, 0x0112
# What EXIF tells about the shot, from description to copyright; its other tags lay out the old file's pixels
SHOT = {
    *range(269, 273),
    282,
    283,
    296,
    305,
    306,
    315,
    316,
    18246,
    18249,
    33432,
    *range(40091, 40096),
}
SOFTWARE, XMP, PACKET = 0x0131, 700, "XML:com.adobe.xmp"
LABEL = "Restored with {} by image-restoration-course"
# IPTC's term for a picture in which an algorithm changed what a camera saw, and XMP's properties that no longer hold
ALTERED = b"http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
STALE = rb"(?:tiff:\w+|exif:Pixel\w+|Iptc4xmpExt:DigitalSourceType)"
RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'


def portrait(
    model, picture: np.ndarray, scale: int, size: int | None = None, around=None
) -> np.ndarray:
    """(h, w, 3) float in [0, 1] → (h·scale, w·scale, 3) float32, its faces by `model`, all else by `around`.

    Each of `images.faces` is cropped with a margin of 0.4 of its size on each side, restored, and laid over the picture
    under a mask that is 1 on the face and falls to 0 at the crop's edge, so that no seam is left. `around`, a network
    of the same scale, draws the whole picture; without one, bicubic. A crop larger than `size` pixels is reduced to it
    for `model`, and its result enlarged: for a damage wider than `model` was made for, such as a large face's blur.
    ValueError where no face is found, and what `apply` raises.
    """
    return laid(_faces(model, picture, scale, size, around), picture, scale)


def _faces(model, picture, scale: int, size: int | None = None, around=None) -> Iterator[tuple]:
    """Tiles of the whole picture as (top, left, pixels), then its faces as (top, left, pixels, mask)."""
    found = images.faces(picture)
    if not found:
        raise ValueError(
            "no face found (upright, from the front, a tenth of the short side at least); crop it nearer"
        )
    enlarge = keras.layers.UpSampling2D(scale, interpolation="bicubic")
    yield from pieces(
        around or keras.Sequential([keras.Input((None, None, 3)), enlarge]),
        picture,
        scale,
        256,
        True,
    )
    for box in found:
        top, left, side, _ = images.square_around(box, picture.shape, MARGIN)
        crop = picture[top : top + side, left : left + side]
        small = images.resize(crop, (size, size), "area") if size and side > size else crop
        face = images.resize(apply(model, small, scale), (side * scale, side * scale), "bicubic")
        ends = [
            (n > 0, n + side < whole) for n, whole in zip((top, left), picture.shape, strict=False)
        ]
        mask = np.minimum.outer(
            *(_ramp(side * scale, round(MARGIN * box.height) * scale, *both) for both in ends)
        )
        yield top * scale, left * scale, face, mask


def _ramp(n: int, width: int, first: bool, last: bool) -> np.ndarray:
    """(n,) of ones that rise from 0 over `width` pixels at the first end and fall at the last, where asked."""
    at = np.arange(n, dtype=np.float32)
    rise = np.minimum(at if first else n, at[::-1] if last else n) / max(1, min(width, n / 2))
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(rise, 0, 1))


def suggest(picture: np.ndarray) -> tuple[dict[str, float], str | None, str]:
    """`diagnose` of a picture, the shipped network that they call for, and why: (measures, name, reason).

    A rule of thumb, its limits read off six photographs before and after known damages; you decide. A blur calls for
    `cae_faces` with and without a face: so it gained 1.1 dB, not 0.2, on 260 others, as measured by
    `nbtests/bench/bench_own.py --photos`.
    `face` is the largest face's share of the picture's height. The name is None where its file is not in data/weights.
    """
    found = diagnose(picture)
    found["face"] = max(
        (box.height / picture.shape[0] for box in images.faces(picture)), default=0.0
    )
    noise, blur, jpeg, mosaic, face = found.values()
    rules = (
        (
            mosaic > 3,
            "unet_photos",
            f"it consists of blocks of 4×4 pixels (steps {mosaic:.1f} times as high there)",
        ),
        (noise > 3.5, "rdn_noise_cancel_x2", f"it is noisy (σ {noise:.1f} of 255)"),
        (
            jpeg > 1.2,
            "rdn_noise_cancel_x2",
            f"JPEG left its 8×8 blocks (steps {jpeg:.2f} times as high there)",
        ),
        (
            blur > 0.5,
            "cae_faces",
            f"it is blurred ({blur:.2f} of 1); where that is not enough, reduce it first",
        ),
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
    if moving := film.moves(source):
        suffix = suffix if suffix in film.KEPT else ".mkv"
    with suppress(Exception), _opened(source) as file:  # images.read will say what is wrong
        clear = file.has_transparency_data and not file.mode.startswith("I")
        if not moving and (
            max(file.size) * scale > LARGEST.get(suffix, 0) or (clear and suffix[1] == "j")
        ):
            suffix = ".png"
    return Path(to_folder) / f"{source.stem}_{f'x{scale}' if scale > 1 else 'restored'}{suffix}"


def restore_file(
    model,
    scale: int,
    source: AnyPath,
    to_folder: AnyPath,
    tile: int = 256,
    label: str = "",
    faces: dict | None = None,
) -> Path:
    """Restore a picture, a GIF or a video into `to_folder` as `result_path` says; returns that path.

    JPEG (quality 95), PNG, WebP and TIFF keep their format, anything else becomes PNG, and so does what the
    format cannot hold (transparency in JPEG, the longest sides). Always 8-bit RGB, also from grey or 16 bits,
    with an alpha channel where there was transparency: Pillow's bicubic enlarges it, the network the colours.
    EXIF about the shot is kept, with the pixels turned upright; so are the resolution in DPI, an RGB
    colour profile, PNG's texts and XMP. EXIF's Software says that it was restored and by what (`label`, else the
    network's name; `restored_by` reads it), XMP's DigitalSourceType that an algorithm altered it. With `faces`,
    options of `portrait`, only faces are restored. What moves goes through `film.rewrite`. An older result is
    replaced. Raises ValueError where that would be `source` itself, and what `images.read`, `apply`, `portrait`,
    `film.rewrite` and `images.write` raise.
    """
    source, label = Path(source), LABEL.format(label or model.name)
    target = result_path(source, to_folder, scale)
    if target.exists() and target.samefile(source):
        raise ValueError(f"the result would replace its own source {source}; choose another folder")
    if film.moves(source):
        if faces is not None:
            raise ValueError(
                f"{source} moves, and a portrait stands still; restore it without portrait"
            )
        return film.rewrite(lambda frame: apply(model, frame, scale, tile), source, target, label)
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
    tiles = (
        pieces(model, picture, scale, tile, True)
        if faces is None
        else _faces(model, picture, scale, **faces)
    )
    with replacing(target) as part:
        result = Image.new(
            "RGB", size
        )  # 8 bits from the start: a float picture would take four times as much
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
        result.save(
            encoded, kind, quality=95, compress_level=4, **options
        )  # PNG's 6: twice the time, 1/6 smaller
        part.write_bytes(encoded.getbuffer())
    return target


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", Image.DecompressionBombWarning
        )  # images.read decides what is too large
        return Image.open(path)


def restored_by(path: AnyPath) -> str:
    """The `label` with which `restore_file` last made this picture, GIF or video, else ""."""
    said = []
    with suppress(Exception):  # what cannot be read was not made here
        if Path(path).suffix.lower() in film.SUFFIXES:
            said = film.comments(path)
        else:
            with _opened(Path(path)) as file:
                said = [
                    file.info.get("Software") or file.getexif().get(SOFTWARE),
                    file.info.get("comment"),
                ]
    return "".join(re.findall(LABEL.format("([^;]+?)"), " ".join(map(str, said)))[-1:])


def restore_all(
    model,
    scale: int,
    sources: Iterable[AnyPath],
    to: AnyPath | None = None,
    label: str = "",
    faces: dict | None = None,
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
        within = (
            images.find(source, images.SUFFIXES | film.SUFFIXES) if source.is_dir() else [source]
        )
        root = source if source.is_dir() else source.parent
        again = (
            root.resolve() in (Path(to or root).resolve() / "x").parents
        )  # results would become sources
        within = [path for path in within if path == source or not (again and restored_by(path))]
        found += [(path, Path(to or root) / path.parent.relative_to(root)) for path in within]
    for source, folder in tqdm(found, "restore", unit="file", leave=False, delay=2):
        try:
            target = result_path(source, folder, scale)
            if (other := targets.setdefault(target, source)) != source:
                raise ValueError(f"{source}: its result would replace that of {other}; rename one")
            if (
                target.exists()
                and target.stat().st_mtime > source.stat().st_mtime
                and restored_by(target) == label
            ):
                kept.append(target)
            else:
                made.append(restore_file(model, scale, source, folder, label=label, faces=faces))
        except Exception as error:  # whatever it is, the next file may be good
            named = str(source) in str(error)
            failed.append(
                error if named else ValueError(f"{source}: {str(error) or type(error).__name__}")
            )
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
        texts = {
            k: str(v)
            for k, v in getattr(file, "text", {}).items()
            if k != PACKET and not k.startswith("Raw ")
        }
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
        if table := {
            k: v for k, v in old.get_ifd(tag).items() if k != INTEROP
        }:  # an offset into the old file
            exif[tag] = table | {
                k: n for k, n in zip((WIDTH, HEIGHT), size, strict=True) if k in table
            }
    if len(exif.tobytes()) > 65000:
        raise ValueError("longer than JPEG allows")
    return exif


def _xmp(old: bytes) -> bytes:
    """An XMP packet with what it said and still holds, and that an algorithm altered the picture."""
    old = re.sub(rb"<(%b)>[^<]*</\1>|\s%b=(\"[^\"]*\"|'[^']*')" % (STALE, STALE), b"", old)
    if b"</rdf:RDF>" not in old or len(old) > 60_000:  # a JPEG holds 65,502 bytes
        old = RDF + b"</rdf:RDF></x:xmpmeta>"
    terms = b'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    return old.replace(
        b"</rdf:RDF>", terms + b'Iptc4xmpExt:DigitalSourceType="%b"/></rdf:RDF>' % ALTERED
    )


def diagnose(picture: np.ndarray) -> dict[str, float]:
    """What a picture alone tells of its damage: noise, blur, jpeg and mosaic, of at most its middle 1024×1024 pixels.

    `noise`: σ in steps of 255, by wavelets (Donoho and Johnstone 1994). `blur`: 0 to 1, how little a further blur
    changes (Crété-Roffet et al. 2007). `jpeg` and `mosaic`: how many times higher the steps between neighbours are at
    the borders of 8×8 and of 4×4 blocks, laid from the top left corner, than in their middles; 1 without blocks.
    ValueError for less than 32×32 pixels.
    """
    images.check(picture)
    if min(picture.shape[:2]) < 32:
        raise ValueError(
            f"{picture.shape[0]}×{picture.shape[1]} pixels are too few to judge; give at least 32×32"
        )
    top, left = (max(0, n - 1024) // 16 * 8 for n in picture.shape[:2])
    picture = picture[top : top + 1024, left : left + 1024]
    steps = [np.abs(np.diff(picture, axis=k)).mean(axis=(1 - k, 2)) + 1e-4 for k in (0, 1)]
    ratios = [
        np.mean([s[n - 1 :: n].mean() / s[n // 2 - 1 :: n].mean() for s in steps]) for n in (8, 4)
    ]
    noise = 255 * restoration.estimate_sigma(picture, channel_axis=-1, average_sigmas=True)
    blur = measure.blur_effect(picture, channel_axis=-1)
    return dict(
        zip(("noise", "blur", "jpeg", "mosaic"), map(float, (noise, blur, *ratios)), strict=True)
    )
