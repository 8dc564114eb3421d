"""Grading submissions that fight back.

They get no points that they did not earn, do the others no harm, and leave the grades untouched.
"""

import contextlib
import copy
import csv
import hashlib
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from platform import machine
from types import SimpleNamespace

import hypothesis
import hypothesis.strategies as st
import nbformat
import numpy as np
import psutil
import pytest

from helpers import ROOT
from instructors import exercises, grade, sandbox
from instructors.worker import HEAD, decode, encode

LESSON = "02_crop_and_pyramid"
FULL = 15  # points by machine
# The exercises that hostile cells stand in the place of, and their points
SLOTS = {"print_crop": 3, "psnr": 3, "pyramid": 4}
NUMBERS = {"print_crop": 2, "psnr": 3, "pyramid": 4}
PSNR = SLOTS["psnr"]
SECONDS = 6
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="on Windows grading is done in WSL"),
    pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"),
]
needs_sandbox = pytest.mark.skipif(
    sandbox.bubblewrap() is None, reason="bubblewrap is not installed, or does not work here"
)

# Three of them are handed in together, each in the place of an exercise, which gets nothing for it.
# The first and the last exercise are right.
CELLS = {
    "endless cell": "while True:\n    pass",
    "endless function": "def psnr(truth, picture):\n    while True:\n        pass",
    "deaf to signals": """
import signal, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
""",
    "memory hog": "hoard = []\nwhile True:\n    hoard.append(bytearray(1 << 26))",
    "memory hog of many": """
import os, time
for _ in range(40):
    if os.fork() == 0:
        hoard = bytearray(os.urandom(1 << 20)) * 200
        time.sleep(60)
time.sleep(60)
""",
    "exit": "import os\nos._exit(0)",
    "exit in a function": "import os\ndef psnr(truth, picture):\n    os._exit(0)",
    "polite exit": "raise SystemExit('passed')",
    "interrupt": "raise KeyboardInterrupt",
    "kill everything": "import os, signal\nos.kill(-1, signal.SIGKILL)",
    "kill the parent": """
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
os.kill(1, signal.SIGKILL)
""",
    "closed pipes": "import os\nos.closerange(0, 200)",
    "segmentation fault": "import ctypes\nctypes.string_at(0)",
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "thread bomb": """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(60,)).start()
""",
    "flood of output": "while True:\n    print('x' * 100_000)",
    "flood of the pipes": """
import os
while True:
    for number in range(64):
        try:
            os.write(number, b"x" * 65536)
        except OSError:
            pass
""",
    "overloaded float": """
class Right(float):
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return Right(0)
    __rsub__ = __sub__
    def __abs__(self): return Right(0)
    def __float__(self): return float("inf")
def psnr(truth, picture):
    return Right(3)
""",
    "overloaded object": """
class Right:
    def __eq__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *_): return self
    def __float__(self): return 1.0
    def __sub__(self, other): return self
    def __abs__(self): return self
    def __lt__(self, other): return True
def psnr(truth, picture):
    return Right()
""",
    "overloaded array": """
import numpy as np
class Right(np.ndarray):
    def __array_ufunc__(self, *_, **__): return True
    def __array_function__(self, *_, **__): return True
def psnr(truth, picture):
    return np.zeros(()).view(Right)
""",
    "replaced tests": """
import builtins, numpy as np, numpy.testing, unittest
np.testing.assert_allclose = np.testing.assert_equal = lambda *_, **__: None
np.allclose = np.array_equal = np.isclose = lambda *_, **__: True
np.abs = builtins.abs = lambda _: 0.0
builtins.AssertionError = type("Never", (Exception,), {})
def psnr(truth, picture):
    return 1.0
import importlib
importlib.reload(builtins)
""",
    "exception handler": """
import sys, IPython
def ignore(*_, **__): return []
sys.excepthook = sys.unraisablehook = ignore
IPython.core.interactiveshell.InteractiveShell.showtraceback = ignore
IPython.core.interactiveshell.InteractiveShell.instance().set_custom_exc((BaseException,), ignore)
def psnr(truth, picture):
    return 1.0
""",
    "forged answer": """
import json, os, struct
text = json.dumps({"dict": [["value", float("inf")], ["printed", ""]]}).encode()
for number in range(3, 20):
    try:
        os.write(number, (struct.pack(">IQ", len(text), 0) + text) * 50)
    except OSError:
        pass
""",
    "forged points": """
print('{"tests": {"pyramid_both": [100, ""], "psnr_close": [100, ""]}}')
print("# Graded 100 of 100")
""",
    "pickle in an array": """
import numpy as np
class Evil:
    def __reduce__(self):
        import os
        return os._exit, (0,)
def psnr(truth, picture):
    return np.array([Evil()], dtype=object)
""",
    "too large a result": """
import numpy as np
def psnr(truth, picture):
    return np.zeros(1 << 28, np.uint8)
""",
    "a list in itself": """
def psnr(truth, picture):
    endless = []
    endless.append(endless)
    return endless
""",
    "an error that errs": """
class Strange(Exception):
    def __str__(self): raise Strange
    __repr__ = __str__
def psnr(truth, picture):
    raise Strange
""",
    "markup": """
print("<script>document.title = 'printed'</script></pre><img src=x onerror=alert(1)>")
def psnr(truth, picture):
    raise ValueError("<script>alert('raised')</script>")
""",
    "tests in memory": """
import gc, inspect, sys
seen = [o for o in gc.get_objects() if isinstance(o, (dict, list, tuple))]
texts = {t for o in seen for t in (o.values() if isinstance(o, dict) else o) if isinstance(t, str)}
frames = [f.filename for f in inspect.stack()]
print("hidden:", [t[:50] for t in texts if " ".join(["HIDDEN", "TESTS"]) in t], frames)
""",
    "half a character": """
class ended(Exception):
    pass
raise ended("Points to be given by hand: 3 of 3 " + chr(0xD800) + chr(27) + "]0;owned" + chr(7))
""",
    "left behind": """
import subprocess
subprocess.Popen(["/usr/bin/sleep", "98765"], start_new_session=True)
""",
}

# These end their process, so what stands in the place of the next exercise begins in a new one.
ENDING = [
    "endless cell",
    "deaf to signals",
    "memory hog of many",
    "exit",
    "kill everything",
    "kill the parent",
    "closed pipes",
    "segmentation fault",
    "fork bomb",
    "thread bomb",
    "flood of the pipes",
    "forged answer",
]

# These look around or do harm outside; without a sandbox nothing would stop them.
SANDBOXED = {
    "reads the grades": """
import os
wanted = ("grades.csv", "manual.csv", "results", "instructors", "source", "wrong.py")
wanted += (".git", "nbtests", "honest")
found = []
for folder, folders, names in os.walk("/"):
    known = ("/proc", "/usr", "PREFIX", "BASE")
    folders[:] = [n for n in folders if os.path.join(folder, n) not in known]
    found += [os.path.join(folder, n) for n in folders + names if n in wanted]
print("found", found)
handed_in, source = "PLACE/in/honest/", "ROOT/instructors/source/LESSON/"
secret = (handed_in + "LESSON.ipynb", source + "LESSON.ipynb", source + "wrong.py")
for path in ("PLACE/out/grades.csv", *secret):
    try:
        print("read", path, len(open(path).read()))
    except OSError as error:
        print(error.strerror)
""",
    "opens a socket": """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET, ("192.0.2.1", 80)),
                        (socket.AF_UNIX, "\\0grading-test")):
    try:
        with socket.socket(family) as s:
            s.settimeout(1)
            s.connect(address)
            print("connected", address)
    except OSError as error:
        print("no way", type(error).__name__)
""",
    "writes into the course": """
import helpers, pathlib, sys
data = helpers.ROOT / "data"
for path in (helpers.__file__, helpers.ROOT / "pyproject.toml", sys.executable, "/worker.py",
             data / "weights/espcn_photos_x4.md", data / "raw/sample/chelsea.png"):
    for way in ("write_bytes(b'')", "unlink()", "rename('/tmp/x')", "chmod(0o777)"):
        try:
            eval("pathlib.Path(path)." + way)
            print("did it", path, way)
        except OSError:
            pass
""",
    "fills the disk": """
import os
for folder in ("/tmp", "/dev/shm", "/var/tmp", "/course/data/prepared", "/course", "/", "/home"):
    for n in range(100):
        try:
            with open(f"{folder}/{n}", "wb") as file:
                while True:
                    file.write(bytes(1 << 22))
        except OSError as error:
            pass
print("written", sum(os.stat(f"{f}/{n}").st_size for f in ("/tmp", "/dev/shm") for n in range(100)
                     if os.path.exists(f"{f}/{n}")))
""",
    "climbs out": """
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
print("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), "ptrace", libc.ptrace(16, 1, 0, 0))
print("memfd", libc.memfd_create(b"x", 0))
print("setuid", libc.setuid(0), "chroot", libc.chroot(b"/tmp"), "user", os.getuid() != 0)
child = libc.syscall(CLONE, 0x10000000 | 17, 0, 0, 0, 0)  # a user's namespace of its own
if child == 0:
    os._exit(0)
print("namespace", child, "file system", libc.syscall(430, b"tmpfs", 0))
print("processes", sorted(int(p) for p in os.listdir("/proc") if p.isdigit())[-1] < 5000)
""",
}


def notebook(cells):
    """The student edition with these solution cells."""
    made = nbformat.read(exercises.STUDENT / f"{LESSON}.ipynb", as_version=4)
    for cell in made.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution") and about.grade_id in cells:
            cell.source = cells[about.grade_id]
    return made


def honest():
    source = nbformat.read(exercises.source(LESSON), as_version=4)
    graded = [c for c in source.cells if c.metadata.get("nbgrader", {}).get("solution")]
    return {c.metadata.nbgrader.grade_id: c.source for c in graded}


def by_threes(cells):
    """Where each hostile cell is handed in: {its name: (student, exercise's cell)}."""
    ending = [name for name in ENDING if name in cells]
    functions = [name for name, code in cells.items() if "def psnr" in code]
    others = [name for name in cells if name not in ending and name not in functions]
    others.sort(key=lambda name: name not in SANDBOXED)  # beside functions that leave Python whole
    places = {}
    for number, three in enumerate(itertools.zip_longest(ending, functions, others)):
        for slot, name in zip(SLOTS, three, strict=True):
            if name is not None:
                places[name] = (f"hostile {number}", slot)
    return places


def hand_in(folder, name, content):
    place = folder / name / f"{LESSON}.ipynb"
    place.parent.mkdir(parents=True)
    if isinstance(content, bytes):
        place.write_bytes(content)
    else:
        nbformat.write(content, place)
    return place


def files(folder):
    """Notebooks that are not as they should be, as bytes, and the points that they have earned."""
    good = nbformat.writes(notebook(honest())).encode()
    three = nbformat.writes(nbformat.convert(notebook(honest()), 3), version=3).encode()
    twice = notebook(honest())
    for cell in list(twice.cells):
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "psnr":
            first = copy.deepcopy(cell)
            first.source = "def psnr(truth, picture):\n    return 0"
            twice.cells.insert(twice.cells.index(cell), first)
            first.id = "copied"
    loud = notebook(honest())
    loud.cells[1].outputs = [nbformat.v4.new_output("stream", text="x" * 100_000_000)]
    tampered = notebook(honest() | {"psnr": "def psnr(truth, picture):\n    return 1.0"})
    for cell in tampered.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade") and not about.get("solution"):
            cell.source, about["points"] = "pass", 1000
    bare = notebook(honest() | {"psnr": "def psnr(truth, picture):\n    return 1.0"})
    bare.cells = [c for c in bare.cells if c.metadata.get("nbgrader", {}).get("solution")]
    lost = notebook(honest())
    lost.cells = [c for c in lost.cells if c.metadata.get("nbgrader", {}).get("grade_id") != "psnr"]
    elsewhere, stripped = (
        notebook({k: v for k, v in honest().items() if k != "psnr"}),
        notebook(honest()),
    )
    elsewhere.cells.append(
        nbformat.v4.new_code_cell(honest()["psnr"])
    )  # its own cell as it was handed out
    for cell in stripped.cells:
        cell.metadata.pop("nbgrader", None)
    timed = {k: f"%%time\n{v}" for k, v in honest().items() if k in ("pyramid", "leaked")}
    magic = notebook(
        honest()
        | timed
        | {"psnr": f"%matplotlib inline\n!pip install x\ndamage.blur?\n{honest()['psnr']}"}
    )
    solution = {"nbgrader": {"solution": True, "grade_id": "psnr"}}
    half = notebook(honest())
    half.cells.append(nbformat.v4.new_code_cell("#" * 100_001, metadata=copy.deepcopy(solution)))
    half.cells[-1].metadata["nbgrader"]["grade_id"] = "half\ud800"
    strange = [
        1,
        None,
        {"metadata": []},
        {"metadata": solution, "source": {"a": 1}},
        {"metadata": solution, "source": 7},
    ]
    return {
        "not json": (b"PK\x03\x04 a zip renamed", 0),
        "empty file": (b"", 0),
        "format 3": (three, 0),
        "a number": (b"42", 0),
        "strange cells": (json.dumps({"cells": strange}).encode(), 0),
        "deep": (b'{"cells": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 0),
        "swelling": (b'{"cells": [' + b"[]," * 60_000_000 + b"[]]}", 0),
        "cell twice": (nbformat.writes(twice).encode(), FULL),
        "loud": (nbformat.writes(loud).encode(), FULL),
        "tests edited": (nbformat.writes(tampered).encode(), FULL - PSNR),
        "tests deleted": (nbformat.writes(bare).encode(), FULL - PSNR),
        "solution deleted": (nbformat.writes(lost).encode(), FULL - PSNR),
        "byte order mark": (b"\xef\xbb\xbf" + good, FULL),
        "magic": (nbformat.writes(magic).encode(), FULL),
        "written elsewhere": (nbformat.writes(elsewhere).encode(), FULL),
        "metadata dropped": (nbformat.writes(stripped).encode(), FULL),
        "half an id": (json.dumps(half).encode(), 0),
        "the lesson": ((ROOT / "notebooks" / f"{LESSON}.ipynb").read_bytes(), 0),
        "another lesson": (exercises.source("03_batching").read_bytes(), 0),
    }


def run(folder, to, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "instructors.grade", str(folder), "--to", str(to), *arguments]
    return subprocess.run(
        call, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=900
    )


def table(to):
    with (to / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def printed(term, name):
    """What the hostile cell printed, as it is kept."""
    student, slot = term.places[name]
    kept = (term.to / "results" / student / f"{LESSON}.json").read_text(encoding="utf-8")
    marks = json.loads(kept)["marks"]
    return next((mark["printed"] for mark in marks if mark["number"] == NUMBERS[slot]), "")


def hand_in_by_hand(folder):
    """What else stands in a folder of submissions: links, pipes, other names, nothing at all."""
    (folder / "linked").mkdir()
    (folder / "linked" / f"{LESSON}.ipynb").symlink_to(exercises.source(LESSON))
    (folder / "linked too").symlink_to(folder / "honest")
    (folder / "piped").mkdir()
    os.mkfifo(folder / "piped" / f"{LESSON}.ipynb")
    (folder / "lost.ipynb").write_text("{}")
    hand_in(folder, "misnamed", b"{}").rename(folder / "misnamed" / "02 (1).ipynb")
    renamed = folder / "renamed" / f"Copy of {LESSON} (1).IPYNB"
    hand_in(folder, "renamed", notebook(honest())).rename(renamed)
    (folder / "zoe honest" / f"{LESSON} (2).ipynb").write_text("{}")
    hand_in(folder, os.fsdecode("김민수".encode("cp949")), notebook(honest()))
    (folder / "zipped").mkdir()
    (folder / "zipped" / f"{LESSON}.zip").write_bytes(b"PK")


def hostile_cells(root, port):
    """The cells that can be let loose here, by name."""
    if not sandbox.bubblewrap():
        unstopped = {"kill everything", "kill the parent", "fork bomb", "memory hog of many"}
        unstopped |= {"left behind"}
        return {name: code for name, code in CELLS.items() if name not in unstopped}
    here = {"PREFIX": sys.prefix, "BASE": sys.base_prefix, "PLACE": root, "ROOT": ROOT}
    here |= {"LESSON": LESSON, "PORT": port, "CLONE": 220 if machine() == "aarch64" else 56}
    cells = dict(CELLS)
    for name, code in SANDBOXED.items():
        for word, value in here.items():
            code = code.replace(word, str(value))
        cells[name] = code
    return cells


@pytest.fixture(scope="module")
def listener():
    """A socket that nobody should reach, and whoever reached it."""
    called = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen():
            with contextlib.suppress(OSError):  # closed
                while True:
                    called.append(server.accept())

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], called


@pytest.fixture(scope="module")
def term(tmp_path_factory, listener):
    """All hand in at once: two honest students, one graded by hand already, and the others."""
    root = tmp_path_factory.mktemp("term")
    folder, to = root / "in", root / "out"
    port, called = listener
    explained = {"blur_explained": "Twenty pixels instead of five."}
    hand_in(folder, "honest", notebook(honest() | explained))
    hand_in(folder, "zoe honest", notebook(honest()))
    to.mkdir()
    row = f"honest,{LESSON},blur_explained,2,1.5,well seen,00000000"
    (to / "manual.csv").write_text(
        f"student,lesson,exercise,of,points,comment,answer\n{row}\n"
        "gone,06_espcn,broken_picture,3,2,left the course,11111111\n",
        encoding="utf-8",
    )
    cells = hostile_cells(root, port)
    places = by_threes(cells)
    hostile = {}
    for name, (student, slot) in places.items():
        hostile.setdefault(student, {})[slot] = cells[name]
    expected = {"renamed": FULL, "김민수": FULL}
    for student, three in hostile.items():
        hand_in(folder, student, notebook(honest() | three))
        expected[student] = FULL - sum(SLOTS[slot] for slot in three)
    for name, (content, points) in files(folder).items():
        hand_in(folder, name, content)
        expected[name] = points
    answered = {"blur_explained": "<script>alert('answered')</script>"}
    hand_in(folder, "<b>bold & =1+1", notebook(answered))
    hand_in_by_hand(folder)
    before = {path: path.read_bytes() for path in sorted((ROOT / "helpers").glob("*.py"))}
    done = run(folder, to, f"--seconds={SECONDS}", "--memory=1.5", "--jobs=2")
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(
        folder=folder,
        to=to,
        done=done,
        rows=table(to),
        expected=expected,
        called=called,
        before=before,
        places=places,
    )


def test_nobody_gets_points_unearned_and_nobody_loses_what_is_earned(term):
    given = {name: float(term.rows[name]["machine"]) for name in term.expected}
    assert given == {name: float(points) for name, points in term.expected.items()}
    for name, (student, slot) in term.places.items():
        assert term.rows[student][f"exercise {NUMBERS[slot]}"] == "0", name


def test_the_others_are_graded_and_points_by_hand_kept(term):
    assert (term.rows["honest"]["machine"], term.rows["honest"]["total"]) == ("15", "16.5")
    assert term.rows["zoe honest"]["machine"] == "15"
    assert "changed after it was graded by hand" in term.rows["honest"]["notes"]
    manual = (term.to / "manual.csv").read_text(encoding="utf-8").splitlines()
    seen = "well seen,00000000,Twenty pixels instead of five."
    assert f"honest,{LESSON},blur_explained,2,1.5,{seen}" in manual
    assert "gone,06_espcn,broken_picture,3,2,left the course,11111111," in manual


@pytest.mark.parametrize(
    "name, words",
    {
        "endless cell": f"exercise 2 ended: it took longer than {SECONDS} seconds",
        "endless function": f"exercise 3 ended: it took longer than {SECONDS} seconds",
        "exit": "exercise 2 ended: the process ended by itself",
        "not json": "no notebook",
        "format 3": "nbformat 3",
        "solution deleted": "exercise 3 its cell is missing",
        "a number": "no cells",
        "another lesson": "none of the lesson's cells",
        "the lesson": "this is a lesson and not its exercises",
        "half an id": "more than 100,000 characters: half\\ud800",
        "written elsewhere": "exercise 3 stood in another cell",
        "metadata dropped": "the cell of blur_explained is missing",
    }.items(),
)
def test_the_notes_say_what_happened(term, name, words):
    student, _ = term.places.get(name, (name, None))
    assert words in term.rows[student]["notes"]


def test_a_student_puts_no_words_and_no_escapes_into_the_grades(term):
    student, _ = term.places["half a character"]
    assert "Points to be given" not in term.rows[student]["notes"]
    written = (term.to / "grades.csv").read_text(encoding="utf-8-sig") + term.done.stdout
    assert written.replace("\n", "").replace("\r", "").isprintable()


def test_a_worker_that_was_changed_holds_the_grader_no_longer_than_an_exercise(tmp_path):
    slow = "import sys, time\nsys.modules['__main__'].run = lambda *_: time.sleep(1000)"
    path = hand_in(tmp_path, "eve", notebook(honest() | {"pyramid": slow}))
    submission = grade.Submission("eve", LESSON, path)
    sandboxed = sandbox.bubblewrap() is not None
    result = grade.grade(submission, sandboxed=sandboxed, seconds=3, memory=2 << 30)
    assert "exercise 5 ended: it took longer than 3 seconds" in result["notes"]


def test_a_missing_sandbox_is_told_and_a_working_one_is_not(term):
    assert ("WARNING" in term.done.stderr) == (sandbox.bubblewrap() is None)


def test_what_is_left_out_is_named(term):
    out = [line for line in term.done.stdout.splitlines() if line.startswith("left out: ")]
    for place, reason in (
        ("linked/", "a link"),
        ("piped/", "not a file"),
        ("lost.ipynb", "expected"),
        ("misnamed/", "no such lesson"),
        ("zoe honest/", f"{LESSON}.ipynb is taken"),
        ("zipped", "no notebook in it"),
        ("linked too", "a link"),
    ):
        assert [line for line in out if f"{place}" in line and reason in line], (place, out)
    assert not {"linked", "linked too", "piped", "misnamed"} & set(term.rows)


def test_no_script_of_a_student_runs_in_the_feedback(term):
    pages = [*(term.to / "feedback").rglob("*.html"), term.to / "manual.html"]
    assert len(pages) == len(term.rows) + 1
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        ours = page.name == "manual.html"  # whose policy names the one script by its hash
        assert text.count("<script") == ours
        assert text.count("script-src 'sha256-") == ours
        assert "onerror" not in text.replace("&lt;img src=x onerror", "")
    student, _ = term.places["markup"]
    text = (term.to / "feedback" / student / f"{LESSON}.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(&#x27;raised&#x27;)" in text
    assert "&lt;script&gt;document.title" in text
    bold = (term.to / "feedback" / "<b>bold & =1+1" / f"{LESSON}.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;bold &amp;" in bold
    assert "&lt;script&gt;alert(&#x27;answered" in bold
    assert "&lt;script&gt;alert(&#x27;answered" in (term.to / "manual.html").read_text(
        encoding="utf-8"
    )


def test_no_hidden_test_can_be_seen(term):
    assert printed(term, "tests in memory").startswith("hidden: [] ")


def test_nothing_goes_on_afterwards(term):
    commands = []
    for process in psutil.process_iter():
        try:
            commands.append(process.cmdline())
        except psutil.Error:
            continue
    assert not [command for command in commands if "98765" in command]


@needs_sandbox
def test_nothing_outside_can_be_read(term):
    said = printed(term, "reads the grades")
    assert said.splitlines() == ["found []"] + ["No such file or directory"] * 4


@needs_sandbox
def test_no_network(term):
    assert not term.called
    assert printed(term, "opens a socket").count("no way") == 3


@needs_sandbox
def test_nothing_outside_can_be_written(term):
    assert printed(term, "writes into the course") == ""
    assert {path: path.read_bytes() for path in term.before} == term.before
    assert 0 < int(printed(term, "fills the disk").split()[1]) <= 2 * sandbox.DISK


@needs_sandbox
def test_no_way_up(term):
    said = printed(term, "climbs out").split()
    forbidden = "--disable-userns" in sandbox.bubblewrap()
    namespace = "-1" if forbidden else said[said.index("namespace") + 1]
    assert said == [
        "mount",
        "-1",
        "ptrace",
        "-1",
        "memfd",
        "-1",
        "setuid",
        "-1",
        "chroot",
        "-1",
        "user",
        "True",
        "namespace",
        namespace,
        "file",
        "system",
        "-1",
        "processes",
        "True",
    ]


def test_a_second_run_keeps_what_was_graded(term):
    before = {path: path.read_bytes() for path in (term.to / "results").rglob("*.json")}
    times = {path: path.stat().st_mtime_ns for path in before}
    done = run(term.folder, term.to, f"--seconds={SECONDS}", "--memory=1.5")
    assert done.returncode == 0, done.stderr
    assert times == {path: path.stat().st_mtime_ns for path in before}
    assert table(term.to) == term.rows


# by hand


def test_points_by_hand_are_merged_and_mistakes_are_named(tmp_path, capsys):
    folder, to = tmp_path / "in", tmp_path / "out"
    hand_in(folder, "ada", notebook({"blur_explained": "It is an alias."}))
    assert grade.main([str(folder), "--to", str(to)]) == 0
    assert table(to)["ada"]["waiting"] == "2"
    manual = to / "manual.csv"
    blank = manual.read_text(encoding="utf-8-sig")
    assert manual.read_bytes().startswith(
        b"\xef\xbb\xbf"
    )  # or a spreadsheet misreads names, and saves them so
    for points, words in (
        ("2.5", "from 0 to 2"),
        ("-1", "from 0 to 2"),
        ("good", "from 0 to 2"),
        ("nan", "from 0 to 2"),
    ):
        manual.write_text(blank.replace(",2,,,", f",2,{points},,"), encoding="utf-8")
        assert grade.main([str(folder), "--to", str(to)]) == 2
        said = capsys.readouterr().err
        assert f"{manual}, line 2" in said
        assert words in said
    header, row = blank.splitlines()
    for content, words in (
        (f"{header}\n{row.replace(',2,,,', ',200,100,,')}", "from 0 to 2"),
        (f"{header}\n{row.replace(',2,,,', ',2,1,well, nearly,')}", "in quotes"),
        (
            f"{header}\n{row.replace(',2,,,', ',2,1,,')}\n{row.replace(',2,,,', ',2,2,,')}",
            "a second time",
        ),
        (f"{header}\n{row.replace(',2,,,', ',2,1,좋다,')}".encode("cp949"), "CSV UTF-8"),
        (row, "first line"),
    ):
        manual.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert grade.main([str(folder), "--to", str(to)]) == 2
        assert words in capsys.readouterr().err, content
    gone = row.replace("ada", "김 민수").replace(",2,,,", ",2,1,,")
    manual.write_text(
        f"{header}\n,,,,,,\n{row}\n{row.replace(',2,,,', ',2,2,,')}\n{row}\n{gone}\n".replace(
            ",", "\t"
        ),
        encoding="utf-8",
    )
    assert grade.main([str(folder), "--to", str(to)]) == 0
    assert "not here, 1 in all" in capsys.readouterr().out
    assert table(to)["ada"]["by hand"] == "2"
    assert manual.read_text(encoding="utf-8-sig").splitlines()[1:] == [
        row.replace(",2,,,", ",2,2,,"),
        gone,
    ]
    filled = blank.replace(",2,,,", ',2,"1,5","half, so far",').replace("\n", "\r\n")
    manual.write_bytes(b"\xef\xbb\xbf" + filled.replace(",2,", ";2;").encode())  # no table any more
    assert grade.main([str(folder), "--to", str(to)]) == 2
    with io.StringIO(
        newline=""
    ) as semicolons:  # as spreadsheets write it where the comma is for decimals
        csv.writer(semicolons, delimiter=";").writerows(csv.reader(filled.splitlines()))
        manual.write_bytes(b"\xef\xbb\xbf" + semicolons.getvalue().encode())
    assert grade.main([str(folder), "--to", str(to)]) == 0
    row = table(to)["ada"]
    assert (row["by hand"], row["waiting"], row["total"]) == ("1.5", "0", "1.5")
    assert "half, so far" in (to / "feedback" / "ada" / f"{LESSON}.html").read_text(
        encoding="utf-8"
    )


def test_without_a_folder_it_asks_for_one(capsys):
    assert grade.main([""]) == 2
    assert "make grade SUBMISSIONS=folder" in capsys.readouterr().err


@needs_sandbox
def test_a_sandbox_that_does_not_start_is_no_students_fault(tmp_path, capsys, monkeypatch):
    hand_in(tmp_path / "in", "honest", notebook(honest()))
    monkeypatch.setattr(sandbox, "WORKER", tmp_path / "gone.py")
    assert grade.main([str(tmp_path / "in"), "--to", str(tmp_path / "out")]) == 2
    assert "does not start here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "layout, words",
    [("nothing", "no submission"), ("flat", "<student>/<lesson>.ipynb"), (None, "no folder")],
)
def test_a_folder_laid_out_otherwise_is_explained(tmp_path, capsys, layout, words):
    if layout:
        (tmp_path / "in").mkdir()
    if layout == "flat":
        (tmp_path / "in" / f"ada_{LESSON}.ipynb").write_text("{}")
    assert grade.main([str(tmp_path / "in"), "--to", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert f"ada/{exercises.names()[0]}.ipynb" in said
    assert not (tmp_path / "out").exists()


def test_without_a_sandbox_it_warns_and_grades_the_same(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grade, "bubblewrap", lambda: None)
    hand_in(tmp_path / "in", "honest", notebook(honest()))
    hand_in(tmp_path / "in", "endless", notebook(honest() | {"psnr": CELLS["endless function"]}))
    hand_in(tmp_path / "in", "exit", notebook(honest() | {"psnr": CELLS["exit"]}))
    assert grade.main([str(tmp_path / "in"), "--to", str(tmp_path / "out"), "--seconds=6"]) == 0
    said = capsys.readouterr().err
    assert "WARNING: bubblewrap" in said
    assert "read and change every file" in said
    assert {name: row["machine"] for name, row in table(tmp_path / "out").items()} == {
        "honest": "15",
        "endless": "12",
        "exit": "12",
    }


# the sandbox


@pytest.mark.parametrize(
    "processor, sha256",
    [
        ("x86_64", "88a0bbf0f5bcb88545d2c633cc8777e7882d874cd49929210b081d1cf2aadd17"),
        ("aarch64", "07124f8157953e75e66d0ab1fcc56c012cac7c2809f31601872ca76bd830a237"),
    ],
)
def test_the_filter_of_calls_is_this_program(monkeypatch, processor, sha256):
    """The bytes that the kernel gets."""
    monkeypatch.setattr(sandbox.platform, "machine", lambda: processor)
    program = sandbox.call_filter()
    assert len(program) == 8 * (5 + len(sandbox.REFUSED[processor]) + 2)
    assert hashlib.sha256(program).hexdigest() == sha256


def test_an_unknown_processor_has_no_filter(monkeypatch):
    monkeypatch.setattr(sandbox.platform, "machine", lambda: "riscv64")
    assert sandbox.call_filter() == b""


# the pipe


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "text",
        [1, (2, "x")],
        {"a": [1]},
        {1: np.arange(3)},
        np.zeros((0, 4)),
        np.eye(3) > 0,
    ],
)
def test_plain_values_come_back_as_they_went(value):
    message = encode(value)
    text, raw = HEAD.unpack(message[: HEAD.size])
    back = decode(message[HEAD.size : HEAD.size + text], message[HEAD.size + text :])
    assert raw == len(message) - HEAD.size - text
    np.testing.assert_equal(back, value)
    assert type(back) is type(value)


def test_what_a_generator_gives_is_a_list():
    assert decode(encode(n * n for n in range(4))[HEAD.size :], b"") == [0, 1, 4, 9]


@pytest.mark.parametrize(
    "value", [object(), print, {1, 2}, np.array([object()]), [[[print]]], b"bytes"]
)
def test_other_things_are_refused(value):
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize(
    "text, raw",
    [
        (b"[1]", b""),
        (b'{"array": ["|O", [1]]}', bytes(8)),
        (b'{"array": ["<f8", [2]]}', bytes(8)),
        (b'{"array": ["<f8", [-1]]}', bytes(8)),
        (b'{"array": ["<f8", [1e9, 1e9]]}', b""),
        (b'{"array": ["<f8", [true]]}', bytes(8)),
        (b'{"array": ["<f8", [1]]}', bytes(16)),
        (b'{"dict": [[{"list": []}, 1]]}', b""),
        (b'{"dict": [[1]]}', b""),
        (b'{"eval": "1"}', b""),
        (b'{"list": [], "tuple": []}', b""),
        (b"[" * 100_000, b""),
        (b"1" * 10_000, b""),
        (b"\xff", b""),
        (b"", b""),
    ],
)
def test_what_is_no_message_is_refused(text, raw):
    with pytest.raises(ValueError):
        decode(text, raw)


@hypothesis.given(text=st.binary(max_size=60), raw=st.binary(max_size=20))
def test_noise_is_refused_or_plain(text, raw):
    with contextlib.suppress(ValueError):
        encode(decode(text, raw))  # what came through is plain
