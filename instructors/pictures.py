"""The pictures of a submission that belong to a question, safe to show on a page."""

import base64
import io
import re
import warnings
from pathlib import Path

from PIL import Image

from instructors.executed import LARGEST
from instructors.worker import read_cells

MOST_BYTES = 3 << 20  # of one picture
MOST_PIXELS = 4096 * 4096
MOST = 6  # pictures of one answer
KINDS = {"image/png": "PNG", "image/jpeg": "JPEG"}
EMBEDDED = re.compile(r"data:(image/\w+);base64,([A-Za-z0-9+/=]{100,})")
NUMBER = re.compile(r"## (\d{1,2}) ·")


def data_uri(kind: str, encoded: object) -> str:
    """A picture as a `data:` URI; nothing where it is not what it says, or too large.

    Parameters
    ----------
    kind : "image/png" or "image/jpeg"
    encoded : base64, as a notebook holds it
    """
    if kind not in KINDS or not isinstance(encoded, str) or len(encoded) > 2 * MOST_BYTES:
        return ""
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
        if len(raw) > MOST_BYTES:
            return ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about many pixels; they are counted here
            with Image.open(io.BytesIO(raw), formats=[KINDS[kind]]) as image:
                width, height = image.size
                image.verify()
    except Exception:  # a broken picture may raise anything in Pillow
        return ""
    if width * height > MOST_PIXELS:
        return ""
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def of_answers(path: Path, wanted: dict[str, int]) -> tuple[dict[str, list[str]], str]:
    """The pictures of each answer: what its exercise drew, then what was pasted into it.

    Parameters
    ----------
    path : the notebook that was handed in
    wanted : {id of the answer's cell: number of its exercise}

    Returns
    -------
    `data:` URIs by the cell's id, and why there are none where the notebook cannot be read
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("the notebook is too large to look for pictures in it")
        cells = read_cells(path)
    except (ValueError, OSError) as error:
        return {}, str(error)
    return _found(cells, wanted), ""


def _found(cells: list, wanted: dict[str, int]) -> dict[str, list[str]]:
    """The pictures of each answer in a notebook's cells, whatever these hold."""
    drawn: dict[int, list[str]] = {}
    pasted: dict[str, list[str]] = {}
    number = 0
    for cell in cells:
        if not isinstance(cell, dict):
            continue
        source = _joined(cell.get("source"))
        if cell.get("cell_type") == "markdown" and (heading := NUMBER.match(source)):
            number = int(heading[1])
        if cell.get("cell_type") == "code":
            drawn.setdefault(number, []).extend(_outputs(cell))
        about = _dictionary(_dictionary(cell.get("metadata")).get("nbgrader"))
        name = about.get("grade_id")
        if isinstance(name, str) and name in wanted:
            pasted.setdefault(name, []).extend(_pasted(cell, source))
    found = {}
    for name, exercise in wanted.items():
        pictures = [*pasted.get(name, []), *drawn.get(exercise, [])]
        found[name] = pictures[:MOST]
    return found


def _joined(source: object) -> str:
    """A cell's text, which a notebook may hold line by line."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _dictionary(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _safe_ones(bundle: object) -> list[str]:
    """The pictures of one output or attachment: {kind: base64}."""
    bundle = _dictionary(bundle)
    made = [data_uri(kind, _joined(bundle[kind])) for kind in KINDS if kind in bundle]
    return [uri for uri in made if uri][:1]


def _outputs(cell: dict) -> list[str]:
    """What a cell drew."""
    outputs = cell.get("outputs")
    found = []
    for output in outputs[:50] if isinstance(outputs, list) else []:
        found += _safe_ones(_dictionary(output).get("data"))
    return found


def _pasted(cell: dict, source: str) -> list[str]:
    """Pictures pasted into an answer: Jupyter attaches them, Colab writes them into the text."""
    found = []
    for bundle in list(_dictionary(cell.get("attachments")).values())[:MOST]:
        found += _safe_ones(bundle)
    for kind, encoded in EMBEDDED.findall(source)[:MOST]:
        found.append(data_uri(kind, encoded))
    return [uri for uri in found if uri]
