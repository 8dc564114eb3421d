"""The student's side: runs a submission's cells inside the sandbox and answers over a pipe.

This file alone is laid into the sandbox. `encode` and `decode` are the language of the pipe, which
the trusted side in `sandbox.py` speaks, too: JSON, and behind it the bytes of arrays. Only plain
values cross it. Nothing that comes over it is unpickled or evaluated.
"""

import contextlib
import io
import json
import math
import os
import re
import struct
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

HEAD = struct.Struct(">IQ")  # lengths of the JSON and of the arrays' bytes
MOST_TEXT, MOST_BYTES = 4 << 20, 128 << 20
DTYPES = {np.dtype(t).str for t in "?bBhHiIlLqQefdFD"}
SHOWN = 4_000  # characters of what a cell prints
LONGEST = 100_000  # characters of a cell
DEFINES = re.compile(r"^(?:def|class) +(\w+)|^(\w+) *=", re.MULTILINE)
ELSEWHERE = "elsewhere: "
PASTED = re.compile(r"(data:image/\w+;base64,)([A-Za-z0-9+/=]{100,})")  # as Colab does
TITLE = "title of the notebook"  # under which its first line is kept
ADVICE = {
    NameError: "cells of your own are not graded: what this one needs belongs into it",
    ModuleNotFoundError: "grading has the course's libraries only",
    EOFError: "nobody is there to answer when a cell is graded",
}


def printable(text: str) -> str:
    """A text that any file can hold and that no terminal obeys: other characters become codes."""
    shown = []
    for character in text:
        if character.isprintable() or character == "\n":
            shown.append(character)
        else:
            shown.append(character.encode("unicode_escape").decode())
    return "".join(shown)


def encode(value: object) -> bytes:
    """A plain value as a message.

    Parameters
    ----------
    value : None, truth values, numbers, strings, arrays, and lists, tuples, dicts of these. What
        numpy makes an array of numbers of is an array: a TensorFlow tensor, too. An iterator, such
        as a function with `yield` returns, is a list.

    Returns
    -------
    the message

    Raises
    ------
    TypeError : another kind of value, or too many bytes
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_flat(value, arrays)).encode()
    raw = b"".join(a.tobytes() for a in arrays)
    if len(text) > MOST_TEXT or len(raw) > MOST_BYTES:
        raise TypeError(
            f"{len(text) + len(raw):,} bytes are too many; at most {MOST_BYTES:,} are taken"
        )
    return HEAD.pack(len(text), len(raw)) + text + raw


def _flat(value: object, arrays: list[np.ndarray], depth: int = 0) -> object:
    """A value as JSON takes it; its arrays go into `arrays`."""
    if depth > 20:
        raise TypeError("lists in lists in lists: more than 20 deep")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_flat(item, arrays, depth + 1) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_flat(x, arrays, depth + 1) for x in pair] for pair in value.items()]}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Iterator):
        return _flat(list(value), arrays, depth)
    return _flat_array(value, arrays, depth)


def _flat_array(value: object, arrays: list[np.ndarray], depth: int) -> object:
    """The same for a number or an array of any library."""
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind in "US":
        return _flat(array.tolist(), arrays, depth + 1)
    little = array.dtype.newbyteorder("<")
    if little.str not in DTYPES and array.dtype.str not in DTYPES:
        raise TypeError(
            f"a {type(value).__name__} is not a number, a text, an array, or a list of these"
        )
    if isinstance(value, np.generic):
        if array.dtype.kind in "?biuf":
            return value.item()
        return _flat(array, arrays, depth + 1)
    shape = array.shape
    arrays.append(np.ascontiguousarray(array.astype(little).reshape(shape)))
    return {"array": [arrays[-1].dtype.str, list(shape)]}


def decode(text: bytes, raw: bytes) -> object:
    """The value of a message. ValueError for whatever `encode` would not have written."""
    try:
        value, used = _deep(json.loads(text), raw, 0)
    except (RecursionError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a plain value: {error}") from None
    if used != len(raw):
        raise ValueError("not a plain value: bytes are left over")
    return value


def _deep(node: object, raw: bytes, at: int) -> tuple[object, int]:
    """The value of a node, and where the bytes of the next array begin."""
    if isinstance(node, list):
        raise ValueError("a bare list")
    if not isinstance(node, dict):
        return node, at
    ((kind, content),) = node.items()
    if kind == "array":
        return _array(content, raw, at)
    if kind not in ("list", "tuple", "dict") or not isinstance(content, list):
        raise ValueError(f"a strange {kind!r:.20}")
    values = []
    for part in content:
        for item in part if kind == "dict" else [part]:
            value, at = _deep(item, raw, at)
            values.append(value)
    if kind == "dict":
        return dict(zip(values[::2], values[1::2], strict=True)), at
    return (values if kind == "list" else tuple(values)), at


def _array(content: object, raw: bytes, at: int) -> tuple[np.ndarray, int]:
    """The array that begins at byte `at`, and where the next one begins."""
    dtype, shape = content
    if dtype not in DTYPES or len(shape) > 16:
        raise ValueError("a strange array")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("a strange array")
    count = math.prod(shape)
    size = count * np.dtype(dtype).itemsize
    if size > len(raw) - at:
        raise ValueError("too few bytes")
    if count == 0:
        return np.zeros(shape, dtype), at
    return np.frombuffer(raw, dtype, count, at).reshape(shape).copy(), at + size


class Printed(io.TextIOBase):
    """Keeps the first characters of what is printed, and forgets the rest."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text[: SHOWN - len(self.text)]
        return len(text)


class Shell:
    """The IPython of a solution cell.

    Code behind `%time` and `%%time` runs; all other magic and `!` do nothing.
    """

    def __init__(self, space: dict[str, object]):
        self.space = space

    def run_line_magic(self, name, line, *_, **__):
        if name == "time":
            run(line, self.space)

    def run_cell_magic(self, name, line, cell):
        if name in ("time", "capture"):
            run(f"\n{cell}", self.space)  # the magic was the first line

    def system(self, command): ...

    def getoutput(self, command):
        return []


def run(source: str, space: dict[str, object]) -> None:
    """Run a cell as a notebook does: what is no Python may be IPython's."""
    try:
        code = compile(source, "<cell>", "exec")
    except SyntaxError as error:
        # It takes half a second, and is seldom needed.
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            code = compile(TransformerManager().transform_cell(source), "<cell>", "exec")
        except SyntaxError:
            raise error from None
    exec(code, space)


def complaint(error: BaseException) -> str:
    """A student's error in two lines: where, what, and what to do about the usual ones."""
    own = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == "<cell>"
    ]
    where = f" (line {own[-1]} of your cell)" if own else ""
    with contextlib.suppress(BaseException):
        if type(error) is SyntaxError and error.filename == "<cell>":
            line = str(error.text or "").strip()[:100]
            return f"SyntaxError: {error.msg} (line {error.lineno} of your cell) {line}"
        if own and type(error) in ADVICE:
            where += f"; {ADVICE[type(error)]}"
        return f"{type(error).__name__}: {str(error)[:500]}{where}"
    return f"an error that cannot be shown{where}"


def serve(receive: Callable[[], dict], send: Callable[[bytes], None]) -> None:
    """Answer requests until the pipe ends: `run` a cell, `call` a name, give a name's `value`.

    `mark` and `forget` are for the course's own tests: back to the names that there were at the
    mark.

    Parameters
    ----------
    receive : gives the next request, or None at the end
    send : takes an answer's bytes
    """
    space: dict[str, object] = {"__name__": "__main__", "display": print}
    shell = Shell(space)
    space["get_ipython"] = lambda: shell
    marked = dict(space)
    while request := receive():
        printed = Printed()
        answer = {}
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                match request["do"]:
                    case "mark":
                        marked = dict(space)
                    case "forget":
                        # The same dictionary: functions of earlier cells look names up in it.
                        space.clear()
                        space.update(marked)
                    case "run":
                        run(request["source"], space)
                    case "call":
                        function = _named(request["name"], space)
                        answer["value"] = function(*request["args"], **request["kwargs"])
                    case _:
                        answer["value"] = _named(request["name"], space)
                encoded = encode(answer | {"printed": printed.text})
        except BaseException as error:  # SystemExit of a cell, too
            encoded = encode({"error": complaint(error), "printed": str(printed.text)})
        send(encoded)


def _named(name: str, space: dict[str, object]) -> object:
    """What the student's cells call so."""
    if name not in space:
        raise NameError(
            f"{name} is not defined: your cell gives it another name, or ended with an error before"
        )
    return space[name]


def limit(most: dict[str, int]) -> None:
    """Set this process's limits for good."""
    import resource

    for name, value in most.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def submitted(path: str, wanted: dict[str, list[str]]) -> dict[str, str]:
    """The sources of a notebook's solution cells.

    Parameters
    ----------
    path : the notebook
    wanted : {id of a solution cell: the names that it defines}

    Returns
    -------
    {nbgrader's id: source}, and under `TITLE` the first line of the notebook. A cell that stands
    there twice is joined in order. A code cell that has no id, because it was made anew or an
    editor dropped its metadata, and defines one of the names `wanted` for an id stands under
    `ELSEWHERE` and this id.

    Raises
    ------
    ValueError : this is no such notebook, or a cell is too long
    """
    cells: dict[str, str] = {}
    for cell in read_cells(path):
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            source = cell["source"]
            if not isinstance(source, str):
                source = "".join(source)
            if cell.get("cell_type") == "markdown":
                source = PASTED.sub(_digest, source)
            cells.setdefault(TITLE, source.lstrip().split("\n", 1)[0][:1000])
            for place in _places(cell, source, wanted):
                cells[place] = f"{cells[place]}\n{source}" if place in cells else source
    if long := [name for name, source in cells.items() if len(source) > LONGEST]:
        raise ValueError(f"a cell of more than {LONGEST:,} characters: {long[0]:.50}; write less")
    return cells


def _digest(pasted: re.Match) -> str:
    """A pasted picture's short stand-in, by which another picture is told from it."""
    return f"{pasted[1]}…{zlib.crc32(pasted[2].encode()):08x}"


def read_cells(path: str | os.PathLike) -> list:
    """The cells of a notebook; ValueError in words for what is no notebook."""
    with Path(path).open(encoding="utf-8-sig") as file:
        try:
            notebook = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"this is no notebook ({str(error)[:100]}); hand in the .ipynb file itself"
            ) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        version = notebook.get("nbformat") if isinstance(notebook, dict) else None
        raise ValueError(
            f"the notebook has no cells (nbformat {version!r:.20}); open it in Jupyter and save it"
            " anew"
        )
    return notebook["cells"]


def _places(cell: dict, source: str, wanted: dict[str, list[str]]) -> list[str]:
    """Under which names a cell is kept; none where it is no solution."""
    about = cell["metadata"].get("nbgrader")
    if about:
        if about["solution"] is True and isinstance(about["grade_id"], str):
            return [about["grade_id"]]
        return []
    if cell["cell_type"] != "code" or len(source) >= LONGEST // 10:
        return []
    found = {word for words in DEFINES.findall(source) for word in words}
    return [ELSEWHERE + name for name, names in wanted.items() if found.intersection(names)]


def main() -> None:
    """Speak over the standard pipes, which nothing else in this process may use."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)

    def receive():
        head = requests.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        text, raw = HEAD.unpack(head)
        return decode(requests.read(text), requests.read(raw))

    def send(message):
        replies.write(message)
        replies.flush()

    first = receive()
    limit(first["limits"])
    if "submission" in first:
        try:
            send(encode({"value": submitted(first["submission"], first["wanted"])}))
        except (ValueError, TypeError, OSError, MemoryError) as error:
            send(encode({"error": str(error)}))
        return
    send(encode({"value": None}))
    sys.path.insert(0, str(Path.cwd()))
    serve(receive, send)


if __name__ == "__main__":
    main()
