"""Colour profiles drawn by code, as ICC.1:2001-04 (version 2.4) lays them out."""

import struct

import numpy as np

WHITE = (0.9642, 1, 0.8249)  # D50, to which every profile refers
# Red, green and blue of two sets of primaries, as XYZ under D50
SRGB = [(0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
ADOBE = [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)]


def _tag(kind: bytes, content: bytes) -> bytes:
    return kind + bytes(4) + content


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(65536 * number)) for number in numbers)


def _curve(gamma: float) -> bytes:
    return _tag(b"curv", struct.pack(">IH", 1, round(256 * gamma)))


def _profile(space: bytes, tags: dict, kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    """A profile that holds these tags, beside those that every profile needs."""
    described = _tag(b"desc", struct.pack(">I", 2) + b"x\0" + bytes(78))
    tags = {b"desc": described, b"cprt": _tag(b"text", b"none\0"), **tags}
    tags[b"wtpt"] = _tag(b"XYZ ", _fixed(*WHITE))
    at = 128 + 4 + 12 * len(tags)
    table = b""
    body = b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI", at + len(body), bytes(4), 0x02400000) + kind + space + connection
    head += bytes(12) + b"acsp" + bytes(28) + _fixed(*WHITE)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def grey_profile(gamma: float) -> bytes:
    """Grey of a gamma."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def rgb_profile(primaries: list, gamma: float) -> bytes:
    """RGB of three primaries and one gamma."""
    tags = {}
    for colour, xyz in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags[colour + b"XYZ"] = _tag(b"XYZ ", _fixed(*xyz))
        tags[colour + b"TRC"] = _curve(gamma)
    return _profile(b"RGB ", tags)


def ink_profile(cyan: int = 0, magenta: int = 0) -> bytes:
    """Four inks: a table of 2⁴ corners in Lab, in which each ink takes 25 of white's 100.

    `cyan` and `magenta` are what these two add to a on white; 0 leaves both grey. The darker, the
    less: a black that is not grey would be moved to black by Little CMS, as no real ink needs.
    """
    linear = struct.pack(">HH", 0, 65535)
    entries = b""
    for corner in np.ndindex(2, 2, 2, 2):
        lightness = 100 - 25 * sum(corner)
        a = (cyan * corner[0] + magenta * corner[1]) * lightness / 100
        lab = (round(lightness / 100 * 65280), round((128 + a) * 256), 32768)
        entries += struct.pack(">HHH", *lab)
    head = struct.pack(">BBBB", 4, 3, 2, 0) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = head + struct.pack(">HH", 2, 2) + linear * 4 + entries + linear * 3
    return _profile(b"CMYK", {b"A2B0": _tag(b"mft2", table)}, b"prtr", b"Lab ")
