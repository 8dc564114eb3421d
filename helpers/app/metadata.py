"""What a picture file tells beside its pixels: kept where it still holds, with what restored it."""

import hashlib
import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from xml.dom import minidom

from PIL import ExifTags, Image, PngImagePlugin

LABEL = "Restored with {} by image-restoration-course"
FROM = " from {}-{}"  # The source: hashes of its content and of its place
RESTORED_BY = re.compile(LABEL.format("([^;]+?)") + r"(?: from ([0-9a-f]{16})-([0-9a-f]{8}))?")

TAG = ExifTags.Base
# What EXIF tells about the shot; its other tags lay out the old file's pixels
SHOT = {TAG.DocumentName, TAG.ImageDescription, TAG.Make, TAG.Model, TAG.Software, TAG.DateTime}
SHOT |= {TAG.XResolution, TAG.YResolution, TAG.ResolutionUnit, TAG.Rating, TAG.RatingPercent}
SHOT |= {TAG.Artist, TAG.HostComputer, TAG.Copyright}
ADOBE_RGB = "R03"  # A camera's word for it, in place of a profile
# What tifffile and ImageJ write as a title: how the old file's pixels are laid out
LAYOUT = re.compile(r'\{"shape": \[|ImageJ=\d')
SHOT |= {TAG.XPTitle, TAG.XPComment, TAG.XPAuthor, TAG.XPKeywords, TAG.XPSubject}

XMP = "XML:com.adobe.xmp"  # PNG's name for it
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>'
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
# IPTC's term for a picture in which an algorithm changed what a camera saw
ALTERED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
LARGEST_XMP = 65_000  # A JPEG holds 65,502 bytes
XMLNS = "http://www.w3.org/2000/xmlns/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
# XMP's names for what lies in the file beside the picture, and is not in the result: the film of a
# motion photo, a gain map for HDR, depth, sound, more XMP
PROMISED = re.compile(
    r"http://ns\.google\.com/photos/(?!1\.0/panorama/)"
    r"|http://ns\.(xiaomi|oplus|oppo|vivo|samsung|huawei|honor)\.com/"
    r"|http://ns\.adobe\.com/(hdr-gain-map/1\.0/|xmp/note/)"
    r"|http://ns\.apple\.com/(HDRGainMap|HDRToneMap|pixeldatainfo|depthData)/"
)
BESIDE = re.compile(rb"MotionPhoto=|MicroVideo=|/hdr-gain-map/|HDRGainMap|:Depth\w*>|:Directory>")
# Its properties that tell how the old file's pixels lie, by the end of their namespaces
STALE = {
    "/tiff/1.0/": r"Orientation|Image(Width|Length)|BitsPerSample|Compression|SamplesPerPixel"
    r"|PhotometricInterpretation|PlanarConfiguration|YCbCr\w+|NativeDigest",
    "/exif/1.0/": r"Pixel[XY]Dimension|NativeDigest",
    "/photoshop/1.0/": r"ColorMode|ICCProfile",
    "/xap/1.0/": r"Thumbnails",
    "/2008-02-29/": r"DigitalSourceType",
}

# Photoshop's blocks in a JPEG or TIFF: IPTC's keywords, caption and rights, and its hash
IPTC, COPYRIGHT, URL, IPTC_HASH = 0x0404, 0x040A, 0x040B, 0x0425
NAME = b"Photoshop 3.0\0"
TIFF_IPTC, TIFF_PHOTOSHOP = 33723, 34377
PNG_IPTC = "Raw profile type iptc"  # ImageMagick's and ExifTool's name for a text of hex digits


class Made(NamedTuple):
    """What a result tells of how it was made; "" where it does not say."""

    label: str = ""
    content: str = ""  # of its source
    place: str = ""


def made(texts: list[str]) -> Made:
    """What restored a picture last, by its texts."""
    found = RESTORED_BY.findall(" ".join(texts))
    return Made(*found[-1]) if found else Made()


def of_picture(file: Image.Image) -> Made:
    """What restored an opened picture last."""
    software = file.info.get("Software") or file.getexif().get(TAG.Software)
    return made([str(software), str(file.info.get("comment"))])


def origin(source: Path, folder: Path) -> tuple[str, str]:
    """Hashes of a file's content, and of its place as seen from its result's folder."""
    with source.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    place = source.resolve()
    try:
        seen = os.path.relpath(place, folder.resolve())
    except ValueError:  # They lie on two drives of Windows
        seen = str(place)
    return content[:16], hashlib.sha256(Path(seen).as_posix().encode()).hexdigest()[:8]


def kept(file: Image.Image, size: tuple[int, int], scale: int, suffix: str, label: str) -> dict:
    """What is still true of the upright enlargement, and `label`, for Pillow's save.

    Parameters
    ----------
    file : PIL.Image.Image
        The opened source.
    size : tuple[int, int]
        Width and height of the result.
    scale : int
        How many times larger it is.
    suffix : str
        The result's, lower-case.
    label : str
        What restored it, as it shall be written.

    Returns
    -------
    dict
        EXIF, XMP, IPTC, comment, texts and DPI, as far as the format holds them. A warning names
        what is left out.
    """
    options = {}
    try:
        exif = _exif(file.getexif(), size)
        colours = {}
        with suppress(Exception):  # Pillow itself writes a wrong place for them into a TIFF
            colours = file.getexif().get_ifd(ExifTags.IFD.Interop)
        if colours and not suffix.startswith(".tif"):
            exif[ExifTags.IFD.Exif][TAG.ExifInteroperabilityOffset] = colours
        elif colours.get(1) == ADOBE_RGB:
            _warn(file, f"that its colours are Adobe RGB cannot be kept in {suffix}")
    except Exception as error:  # Pillow raises errors of every class for a damaged table
        _warn(file, f"its EXIF is damaged ({error}) and left out")
        exif = Image.Exif()
    software = str(exif.get(TAG.Software, "")).strip("\0 ")
    exif[TAG.Software] = f"{software}; {label}" if software else label
    xmp = _xmp(file, scale, suffix)
    blocks = _photoshop(file)
    comments = _comments(file)
    if suffix.startswith(".tif"):
        exif[TAG.XMLPacket] = xmp
        if IPTC in blocks:
            exif[TIFF_IPTC] = blocks.pop(IPTC)
    elif suffix == ".png":
        options["pnginfo"] = _png(file, exif[TAG.Software], xmp, blocks, comments)
        blocks = {}
        comments = []
    else:
        options["xmp"] = xmp
    if suffix in (".jpg", ".jpeg"):
        options["extra"] = _segments(blocks) + b"".join(map(_comment_segment, comments[:-1]))
        options["comment"] = comments[-1] if comments else None
    else:
        _say_lost(file, suffix, IPTC in blocks, bool(comments))
    options["exif"] = exif.tobytes()
    dpi = file.info.get("dpi")
    if dpi and all(0 < d < 65536 for d in dpi):
        options["dpi"] = tuple(float(d) for d in dpi)
    return options


def _comments(file: Image.Image) -> list[bytes]:
    """A picture's comments, of which a JPEG may have several, and Pillow names the last."""
    found = [text for name, text in getattr(file, "applist", []) if name == "COM"]
    found = found or [file.info.get("comment") or b""]
    return [text.encode() if isinstance(text, str) else text for text in found if text]


def _comment_segment(comment: bytes) -> bytes:
    """A JPEG's segment that holds a comment."""
    return b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment


def _warn(file: Image.Image, words: str) -> None:
    warnings.warn(f"{file.filename}: {words}", stacklevel=4)


def _say_lost(file: Image.Image, suffix: str, iptc: bool, comment: bool) -> None:
    """Name what a format cannot hold."""
    lost = ["IPTC"] * iptc + ["comment"] * comment
    if lost:
        _warn(file, f"its {' and '.join(lost)} cannot be kept in {suffix}")


def _exif(old: Image.Exif, size: tuple[int, int]) -> Image.Exif:
    """The tags about the shot, with the new size and the pixels upright."""
    exif = Image.Exif()
    exif[TAG.Orientation] = 1
    for tag in SHOT.intersection(old):
        exif[tag] = old[tag]
    if LAYOUT.match(str(exif.get(TAG.ImageDescription, ""))):
        del exif[TAG.ImageDescription]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        table = dict(old.get_ifd(directory))
        table.pop(TAG.ExifInteroperabilityOffset, None)  # An offset into the old file
        for tag, pixels in zip((TAG.ExifImageWidth, TAG.ExifImageHeight), size, strict=True):
            if tag in table:
                table[tag] = pixels
        if table:
            exif[directory] = table
    if len(exif.tobytes()) > 65000:
        raise ValueError("longer than JPEG allows")
    return exif


# XMP


def _xmp(file: Image.Image, scale: int, suffix: str) -> bytes:
    """An XMP packet with what still holds, and that an algorithm altered the picture."""
    old = file.info.get("xmp") or b""
    if isinstance(old, str):
        old = old.encode()
    new = altered_xmp(old, scale)
    if BESIDE.search(old) or file.info.get("aux") or file.info.get("depth_images"):
        _warn(file, "the film, gain map, depth or sound beside the picture is left out")
    if new is None:
        _warn(file, "its XMP is damaged and left out")
        return altered_xmp(b"", scale)
    if suffix in (".jpg", ".jpeg") and len(new) > LARGEST_XMP:
        _warn(file, f"its XMP is longer than the {LARGEST_XMP:,} bytes of a JPEG and left out")
        return altered_xmp(b"", scale)
    return new


def altered_xmp(old: bytes, scale: int = 1) -> bytes | None:
    """An XMP packet without what no longer holds, and with IPTC's term for an altered picture.

    Parameters
    ----------
    old : bytes
        The source's packet; b"" where it has none.
    scale : int
        How many times larger the picture becomes; a panorama tells its size.

    Returns
    -------
    bytes | None
        The new packet; None where the old one cannot be read.
    """
    old = old.strip(b"\0 \r\n\t") or EMPTY.encode()
    try:
        # No XMP needs a DOCTYPE, which may be a trap; in UTF-16, which no picture may use, the
        # words would hide
        if any(word in old for word in (b"<!DOCTYPE", b"<!ENTITY", b"\0")):
            return None
        document = minidom.parseString(old)
        _drop_stale(document)
        _enlarge_panorama(document, scale)
        (root, *_) = document.getElementsByTagNameNS(RDF, "RDF") or [None]
        if root is None:
            return None
        said = document.createElementNS(RDF, f"{root.prefix}:Description")
        said.setAttribute(f"{root.prefix}:about", "")
        said.setAttribute("xmlns:Iptc4xmpExt", IPTC_EXTENSION)
        said.setAttribute("Iptc4xmpExt:DigitalSourceType", ALTERED)
        root.appendChild(said)
        return "".join(node.toxml() for node in document.childNodes).encode()
    except Exception:  # A parser of XML raises errors of many classes
        return None


def _nodes(document: minidom.Document) -> list:
    """Every element and attribute below a packet's root."""
    found = []
    for element in document.getElementsByTagName("*"):
        if element.parentNode is not document:
            found.append(element)
        found += list((element.attributes or {}).values())
    return found


def _drop_stale(document: minidom.Document) -> None:
    """Take out what promises something that is gone, or describes the old file's pixels."""
    for node in _nodes(document):
        if not _is_stale(node):
            continue
        if node.nodeType == node.ATTRIBUTE_NODE:
            node.ownerElement.removeAttributeNode(node)
        elif node.parentNode is not None:
            node.parentNode.removeChild(node)


def _is_stale(node) -> bool:
    """Whether an element or attribute, or the namespace that it declares, no longer holds."""
    namespace = node.namespaceURI or ""
    if namespace == XMLNS:
        return bool(PROMISED.match(node.nodeValue))
    if PROMISED.match(namespace):
        return True
    return any(
        namespace.endswith(end) and re.fullmatch(names, node.localName)
        for end, names in STALE.items()
    )


def _enlarge_panorama(document: minidom.Document, scale: int) -> None:
    """Multiply the numbers of pixels by which a viewer lays out a panorama."""
    for node in _nodes(document):
        if node.namespaceURI != PANORAMA or not node.localName.endswith("Pixels"):
            continue
        text = node if node.nodeType == node.ATTRIBUTE_NODE else node.firstChild
        text.nodeValue = str(round(scale * float(text.nodeValue)))


# IPTC


def _photoshop(file: Image.Image) -> dict[int, bytes]:
    """Photoshop's blocks that still hold: IPTC, and what goes with it."""
    blocks = {}
    if file.format == "TIFF":
        held = file.tag_v2.get(TIFF_PHOTOSHOP)
        if isinstance(held, bytes):
            blocks = _parse_blocks(held)
        iptc = file.tag_v2.get(TIFF_IPTC)
        if isinstance(iptc, tuple):  # Photoshop says that the bytes are numbers of 32 bits
            order = "little" if file.tag_v2.prefix == b"II" else "big"
            iptc = b"".join(number.to_bytes(4, order) for number in iptc)
        if isinstance(iptc, bytes):
            blocks[IPTC] = iptc
    elif file.format == "PNG":
        blocks = _parse_text(getattr(file, "text", {}).get(PNG_IPTC, ""))
    else:
        parts = [part for name, part in getattr(file, "applist", []) if name == "APP13"]
        parts = [part.removeprefix(NAME) for part in parts if part.startswith(NAME)]
        blocks = _parse_blocks(b"".join(parts))
    return {
        code: blocks[code]
        for code in (IPTC, COPYRIGHT, URL, IPTC_HASH)
        if isinstance(blocks.get(code), bytes)
    }


def _parse_blocks(data: bytes) -> dict[int, bytes]:
    """{number: content} of Photoshop's blocks."""
    blocks = {}
    at = 0
    while data[at : at + 4] == b"8BIM":
        code = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 6
        at += (data[at] + 2) // 2 * 2 if at < len(data) else 0  # The block's name
        length = int.from_bytes(data[at : at + 4], "big")
        blocks[code] = data[at + 4 : at + 4 + length]
        at += 4 + (length + 1) // 2 * 2
    return blocks


def _parse_text(text: str) -> dict[int, bytes]:
    """Photoshop's blocks, or IPTC alone, from a PNG's text of hex digits."""
    lines = text.split("\n")
    try:
        data = bytes.fromhex("".join(lines[3:]))
    except ValueError:
        return {}
    if data.startswith(b"8BIM"):
        return _parse_blocks(data)
    return {IPTC: data} if data else {}


def _packed(blocks: dict[int, bytes]) -> bytes:
    """Photoshop's blocks as they stand in a file."""
    packed = b""
    for code, content in blocks.items():
        head = b"8BIM" + code.to_bytes(2, "big") + b"\0\0" + len(content).to_bytes(4, "big")
        packed += head + content + b"\0" * (len(content) % 2)
    return packed


def _segments(blocks: dict[int, bytes]) -> bytes:
    """Photoshop's blocks as a JPEG's segments, each of at most 65,533 bytes."""
    packed = _packed(blocks)
    segments = b""
    for start in range(0, len(packed), 65_000):
        content = NAME + packed[start : start + 65_000]
        segments += b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
    return segments


def _png(file: Image.Image, software: str, xmp: bytes, blocks: dict, comments: list) -> object:
    """A PNG's texts, with what made it, its XMP and IPTC."""
    texts = PngImagePlugin.PngInfo()
    told = dict(getattr(file, "text", {}))
    if comments:
        told.setdefault("Comment", b"\n".join(comments).decode("utf-8", "replace"))
    for key, text in (told | {"Software": software}).items():
        if key != XMP and not key.startswith("Raw "):
            texts.add_text(key, str(text))
    if blocks:
        data = _packed(blocks).hex()
        lines = [data[at : at + 72] for at in range(0, len(data), 72)]
        texts.add_text(PNG_IPTC, "\n".join(["", "iptc", f"{len(data) // 2:8}", *lines, ""]))
    texts.add_itxt(XMP, xmp.decode("utf-8", "replace"))
    return texts
