"""Which pictures of a folder belong together: targets, their low pictures, and results."""

import re
import warnings
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers import images
from helpers.app import deep, photo

# A word in a folder's name tells the side: DIV2K_train_HR, LR_bicubic, GTmod12, LRbicx4 …
FOLDER = re.compile(
    r"(?<![a-z])(?:(?P<high>hr|gt(?:mod\d+)?|ground[ _-]?truth|high[ _-]?res(?:olution)?)"
    r"|(?P<low>lr(?:bic?|bd|dn)?|lq|low[ _-]?res(?:olution)?))(?=x\d|[^a-z]|$)",
    re.IGNORECASE,
)
# … and so does the end of a file's name: 1_HR, 1-hr, 1_LRx4, Canon_001_LR4
FILE = re.compile(
    r"[ ._-](?:(?P<high>hr|gt)|(?P<low>lr(?:bic?|bd|dn)?\d?|lq))(?=(?:[ ._-]?x\d+)?$)",
    re.IGNORECASE,
)
# Words that people also use otherwise: they tell the side only where they make pairs
LOOSE_FOLDER = re.compile(
    r"(?:(?P<high>high|original|target|clean|sharp)|(?P<low>low|input|degraded|noisy|blur(?:ry|red)?))"
    r"s?$",
    re.IGNORECASE,
)
LOOSE_FILE = re.compile(
    r"^(?:(?P<high>hr|gt|high)|(?P<low>lr|lq|low))[ ._-]"
    r"|(?<=\d)(?:(?P<high_end>hr)|(?P<low_end>lr))$"
    r"|[ ._-](?:(?P<high_word>high|original|target|clean)|(?P<low_word>low|input|noisy))$",
    re.IGNORECASE,
)
# The scale of a low picture: X4, 0001x4, and 0001x4m, 0001x4d and 0001x4w1 of DIV2K's harder tracks
TIMES = re.compile(r"[ ._-]?x(\d+)(?:[mdw]\d?)?$", re.IGNORECASE)
STANDARD = re.compile(r"SRF_(\d+)", re.IGNORECASE)  # the scale of both: img_001_SRF_4_HR
STRENGTH = re.compile(r"[_-]\d$")  # of a low picture's damage: 7_4 from 7
SIDES = re.compile(r"[hl]r|high|low|small|large|thumb(?:nail)?|originals?", re.IGNORECASE)
ALIKE = 0.05  # The mean difference of two pictures' small copies, in [0, 1]
RESULT = re.compile(r"_(?:x\d+|restored)$")  # how `restore` names a result beside its source


class Found(NamedTuple):
    """What `look` found in a folder."""

    targets: list[Path]
    low: dict[Path, Path]  # {target: its low picture}; empty where the folder holds no pair
    left_out: dict[str, list[str]]  # {why: names}


class Named(NamedTuple):
    """What the names of a picture and of its folders tell."""

    path: Path
    side: str = ""  # "high" or "low"
    place: tuple[str, ...] = ()  # its folders' names, without the side and the scale
    variant: str = ""  # what follows the side in a folder's name, such as "_bicubic"
    base: str = ""  # its own name, without the side and the scale
    scale: int | None = None


def look(folder: Path, scale: int) -> Found:
    """Find a folder's targets and their low pictures by their names.

    Pairs lie in one folder, as `1_HR.png` and `1_LR.png`, or in two, as `HR/0001.png` and
    `LR_bicubic/X4/0001x4.png`. Where there is no pair, all but the low pictures are targets, and
    what is a smaller copy of a picture of the same name; a copy of the same size in another folder
    is a target, and a warning says so. What `photo.restored_by` knows is no
    target, and neither is `a_x4.png` beside `a.png`.

    Parameters
    ----------
    folder : of pictures
    scale : how many times smaller the low pictures are

    Returns
    -------
    The targets, their low pictures, and the names of what was left out, by reason.

    Raises
    ------
    FileNotFoundError : there is no picture
    ValueError : no picture is a target, or names leave open which pictures belong together.
    """
    photo.say_passed_over(folder)
    paths = images.find(folder, deep.suffixes())
    stems = {path.with_name(path.stem): path for path in paths}
    results = [path for path in paths if _is_result(path, stems)]
    others = sorted(set(paths).difference(results))
    here, elsewhere, low = _sorted(others, folder, stems, scale)
    if not low:
        loosely = _sorted(others, folder, stems, scale, loosely=True)
        if loosely[2]:
            here, elsewhere, low = loosely
    left_out = {
        "without a partner": [],
        "named neither HR nor LR": [],
        "of another scale": [n.path for n in elsewhere],
        "smaller copies of others, by name and look": [] if low else _smaller_copies(here),
        "made by restore": results,
    }
    targets = sorted(low)
    copies = set(left_out["smaller copies of others, by name and look"])
    done = copies.union(low, low.values())
    for n in here:
        if n.path in done:
            continue
        if not low and n.side != "low":
            targets.append(n.path)
        elif n.side:
            left_out["without a partner"].append(n.path)
        else:
            left_out["named neither HR nor LR"].append(n.path)
    if not targets:
        counts = ", ".join(f"{len(found)} {why}" for why, found in left_out.items() if found)
        raise ValueError(
            f"no picture in {folder} is a target: {counts}; add originals, or give their --scale"
        )
    if not low:
        originals = set(targets)
        _say_alike([n for n in here if n.path in originals], folder)
    said = {why: [name_in(folder, p) for p in found] for why, found in left_out.items() if found}
    return Found(targets, low, said)


def name_in(folder: Path, path: Path) -> str:
    """A picture's name with the folders that it lies in."""
    return path.relative_to(folder).as_posix()


def _is_result(path: Path, stems: dict[Path, Path]) -> bool:
    """Tell whether `restore` made a picture: by its label, or by its name beside its source."""
    source = stems.get(path.with_name(RESULT.sub("", path.stem)))
    if RESULT.search(path.stem) and source:
        return not _is_smaller(path, source)
    return bool(photo.restored_by(path))


def _is_smaller(path: Path, other: Path) -> bool:
    """Tell whether one picture is less wide than another; what cannot be opened is not."""
    sizes = _size(path), _size(other)
    return all(sizes) and sizes[0][0] < sizes[1][0]


def _size(path: Path) -> tuple[int, int] | None:
    """A picture's width and height; None where it cannot be opened."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `images.read` decides what is too large
            with Image.open(path) as file:
                return file.size
    except Exception:  # Pillow raises errors of every class; reading will say what is wrong
        return None


def _sorted(
    paths: list[Path], folder: Path, stems: dict[Path, Path], scale: int, loosely: bool = False
) -> tuple[list[Named], list[Named], dict[Path, Path]]:
    """The pictures of this scale, those of another, and {target: its low picture}."""
    named = [_named(path, folder, stems, loosely) for path in paths]
    keys = {(n.place, n.base) for n in named if n.side != "low"}
    named = [_without_scale(n, keys) for n in named]
    here, elsewhere = _by_scale(named, scale)
    return here, elsewhere, _pairs(here)


def _groups(named: list[Named]) -> list[list[Path]]:
    """Pictures that may be targets, by their names."""
    groups = defaultdict(list)
    for n in named:
        if n.side != "low":
            name = SIDES.sub("", TIMES.sub("", n.base)).casefold()
            groups[re.sub(r"[\W_]", "", name)].append(n.path)
    return list(groups.values())


def _say_alike(named: list[Named], folder: Path) -> None:
    """Warn where two folders hold a picture of one name, size and look: they may be pairs."""
    for paths in _groups(named):
        for one, other in combinations(paths, 2):
            apart = one.parent != other.parent and _size(one) == _size(other)
            if apart and _look_alike(one, other):
                both = f"{name_in(folder, one)} and {name_in(folder, other)}"
                warnings.warn(
                    f"{both} look alike, and all pictures are taken as originals; if they are "
                    "pairs, name one folder HR and the other LR",
                    stacklevel=3,
                )
                return


def _smaller_copies(named: list[Named]) -> list[Path]:
    """Pictures that look like one of the same name, and are at most half as wide."""
    found = []
    for paths in _groups(named):
        sizes = {path: size for path in paths if len(paths) > 1 and (size := _size(path))}
        for path, (width, height) in sizes.items():
            for other, (wide, high) in sizes.items():
                alike = 2 * width <= wide and abs(width * high - height * wide) <= wide + high
                if alike and _look_alike(path, other):
                    found.append(path)
                    break
    return found


def _look_alike(path: Path, other: Path) -> bool:
    """Whether small copies of two pictures are nearly equal."""
    try:
        small = [images.resize(deep.read(p), (8, 8), "area") for p in (path, other)]
    except (ValueError, OSError):  # Measuring will say what is wrong
        return False
    return bool(np.abs(small[0] - small[1]).mean() < ALIKE)


def _named(path: Path, folder: Path, stems: dict[Path, Path], loosely: bool) -> Named:
    """Read the names of a picture and of its folders."""
    parts = path.relative_to(folder).parent.parts
    told = FILE.search(path.stem) or (loosely and LOOSE_FILE.search(path.stem)) or None
    side = told.lastgroup.partition("_")[0] if told else ""
    side = side or next((s for part in parts if (s := _side(part, loosely))), "")
    base, tagged = path.stem, ""
    if told and told.start():
        base, tagged = path.stem[: told.start()], path.stem[told.end() :]
    elif told:
        base = path.stem[told.end() :]
    original = stems.get(path.with_name(TIMES.sub("", path.stem)))
    if not side and TIMES.search(path.stem) and original and _is_smaller(path, original):
        side = "low"
    if not side:
        return Named(path, "", parts, "", base)
    place, variant, times = _folders(parts, loosely)
    times = STANDARD.search(base) or TIMES.search(tagged) or times
    return Named(path, side, place, variant, base, int(times[1]) if times else None)


def _told(part: str, loosely: bool) -> re.Match | None:
    """Where a folder's name tells the side."""
    return FOLDER.search(part) or (LOOSE_FOLDER.match(part) if loosely else None)


def _side(part: str, loosely: bool) -> str:
    """The side that a folder's name tells, or nothing."""
    told = _told(part, loosely)
    return told.lastgroup if told else ""


def _folders(parts: tuple[str, ...], loosely: bool) -> tuple[tuple[str, ...], str, re.Match | None]:
    """Take the side and the scale out of folders' names: (place, variant, the scale's match)."""
    place = []
    variant = ""
    times = None
    for part in parts:
        told = _told(part, loosely)
        if told:
            place.append(part[: told.start()])
            variant = part[told.end() :]
            times = TIMES.search(variant) or times
            variant = TIMES.sub("", variant)
        elif TIMES.fullmatch(part):
            times = TIMES.fullmatch(part)
        else:
            place.append(part)
    return tuple(filter(None, place)), variant, times


def _without_scale(named: Named, keys: set) -> Named:
    """Take the scale or strength out of a low picture's name, unless an original has the same."""
    times = TIMES.search(named.base)
    if named.side != "low" or (named.place, named.base) in keys:
        return named
    if times:
        return named._replace(base=named.base[: times.start()], scale=int(times[1]))
    plain = STRENGTH.sub("", named.base)
    return named._replace(base=plain) if (named.place, plain) in keys else named


def _by_scale(named: list[Named], scale: int) -> tuple[list[Named], list[Named]]:
    """Those of this scale and those of another. An original without a low picture fits any."""
    with_low = {(n.place, n.base) for n in named if n.side == "low"}
    here = []
    elsewhere = []
    for n in named:
        alone = n.side != "low" and (n.place, n.base) not in with_low
        side = here if alone or n.scale in (None, scale) else elsewhere
        side.append(n)
    return here, elsewhere


def _pairs(named: list[Named]) -> dict[Path, Path]:
    """{target: its low picture}, by their names; those that tell their side choose first."""
    lows = defaultdict(list)
    for n in named:
        if n.side == "low":
            lows[n.place, n.base].append(n)
    low = {}
    taken = {}
    for target in sorted(named, key=lambda n: n.side != "high"):
        if target.side == "low":
            continue
        own = _candidates(target, lows[target.place, target.base])
        if len(own) > 1:
            raise ValueError(
                f"{target.path} has {len(own)} low pictures, {own[0].path} and {own[1].path}; "
                "name a folder that holds one of them"
            )
        if own and own[0].path in taken and target.side == "high":
            raise ValueError(
                f"{own[0].path} is the low picture of {taken[own[0].path]} and of {target.path}; "
                "name a folder that holds one of them"
            )
        if own and own[0].path not in taken:
            low[target.path] = own[0].path
            taken[own[0].path] = target.path
    return low


def _candidates(target: Named, lows: list[Named]) -> list[Named]:
    """The low pictures that a target's name allows, of the same variant where there is one."""
    same = [n for n in lows if n.variant == target.variant]
    alike = [n for n in lows if not n.variant or n.variant.startswith(target.variant)]
    return same or alike
