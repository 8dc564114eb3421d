"""Executed lessons as students hand them in, honest and not. Nothing is executed here, either."""

import base64
import copy
import csv
import json
import os
import random
import re
import shutil
import time

import pytest

from helpers import ROOT
from instructors import check_lessons, executed

NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
TIMED = NAMES[2:]  # lessons that print how long something took
LESSON = "03_batching"


def committed(name):
    return json.loads((ROOT / f"notebooks/{name}.ipynb").read_text(encoding="utf-8"))


def code(notebook):
    return [
        c for c in notebook["cells"] if c["cell_type"] == "code" and "".join(c["source"]).strip()
    ]


def texts(notebook):
    """Where the notebook's outputs hold text: (dictionary, key)."""
    for cell in code(notebook):
        for output in cell["outputs"]:
            if "text" in output:
                yield cell, output, "text"
            for kind in output.get("data", {}):
                if kind.startswith("text/"):
                    yield cell, output["data"], kind


def rerun(name, seed=0, colab=False):
    """A lesson as another machine has run it: other times, versions and ids, the same results."""
    rng = random.Random(seed)
    notebook = committed(name)

    def slower(match):
        digit = rng.choice([d for d in "123456789" if d != match[1][-1]])
        return match[0].replace(match[1], match[1][:-1] + digit, 1)

    for cell, holder, kind in texts(notebook):
        if "nbval-check-output" in cell["metadata"].get("tags", []):
            continue
        text = "".join(holder[kind])
        text = executed.MEASURED.sub(slower, text)
        if "s/picture" in text:
            text = re.sub(r"(0\.\d{4})(?= *$)", slower, text, flags=re.MULTILINE)
        text = text.replace("tensorflow 2.21.0", f"tensorflow 2.{rng.randint(10, 20)}.0")
        holder[kind] = text.splitlines(keepends=True)
    if colab:
        as_colab(notebook)
    return notebook


def as_colab(notebook):
    notebook["metadata"]["colab"] = {"provenance": []}
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"colab{number}"
        cell["metadata"]["colab"] = {"base_uri": "https://localhost:8080/"}
        cell["source"] = [line.replace("\n", "\r\n") for line in cell["source"]]


def hand_in(folder, student, name, notebook):
    path = folder / student / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def check(tmp_path, notebook, name=LESSON):
    return executed.check(hand_in(tmp_path, "ada", name, notebook), name)


def kinds(checked):
    """What was found and counts, by kind: the cells."""
    found = {}
    for finding in checked.findings:
        if finding.kind in executed.COUNTS:
            found.setdefault(finding.kind, []).append(finding.cell)
    return found


def renumber(notebook):
    """As if all of its cells had been run in one go."""
    for number, cell in enumerate(code(notebook), start=1):
        renumber_cell(cell, number)


def renumber_cell(cell, number):
    cell["execution_count"] = number
    for output in cell["outputs"]:
        if output["output_type"] == "execute_result":
            output["execution_count"] = number


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_lessons_are_full(name):
    checked = executed.check(ROOT / f"notebooks/{name}.ipynb", name, copies=False)
    assert (checked.result, checked.findings) == ("full", [])
    assert checked.ran == checked.of == len(code(committed(name)))


@pytest.mark.parametrize("colab", [False, True], ids=["laptop", "Colab"])
@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_that_ran_elsewhere_is_full(tmp_path, name, colab):
    checked = check(tmp_path, rerun(name, 1, colab), name)
    assert (checked.lesson, checked.result, kinds(checked)) == (name, "full", {})
    if not colab or name != "01_download":
        assert any("ran elsewhere" in finding.words for finding in checked.findings)


@pytest.mark.parametrize("name", TIMED)
def test_the_committed_copy_handed_in_as_it_is_gets_nothing(tmp_path, name):
    notebook = committed(name)
    as_colab(notebook)
    checked = check(tmp_path, notebook, name)
    assert (checked.result, kinds(checked)) == ("none", {"copied": [None]})


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TIMED])
def test_a_copy_of_a_lesson_without_times_is_doubted(tmp_path, name):
    checked = check(tmp_path, committed(name), name)
    assert checked.result == "full"
    assert [f.kind for f in checked.findings] == [executed.DOUBT]


def test_ten_students_five_of_whom_tampered(tmp_path, capsys):
    folder = tmp_path / "handed_in"
    honest = random.Random(7).sample(NAMES, 5)
    for number, name in enumerate(honest):
        hand_in(folder, f"honest{number}", name, rerun(name, number, colab=number % 2 == 0))

    skipped = rerun(LESSON, 11)
    for cell in code(skipped)[9:12]:
        cell["execution_count"] = None
        cell["outputs"] = []
    for number, cell in enumerate(code(skipped)[12:], start=10):
        renumber_cell(cell, number)
    hand_in(folder, "skipped", LESSON, skipped)

    pasted = rerun("04_deconv_cnn", 12)
    for mine, theirs in list(zip(code(pasted), code(committed("04_deconv_cnn")), strict=True))[25:]:
        mine["outputs"] = theirs["outputs"]
        mine["execution_count"] = None
    hand_in(folder, "pasted", "04_deconv_cnn", pasted)

    changed = rerun("06_espcn", 13)
    code(changed)[8]["source"] = ["print('much shorter')"]
    code(changed)[8]["outputs"] = []
    hand_in(folder, "changed", "06_espcn", changed)

    hand_in(folder, "versions", "05_unet", rerun("05_unet", 14))
    wrong = rerun("05_unet", 15)
    compared = next(c for c in code(wrong) if c["metadata"].get("tags") == ["nbval-check-output"])
    compared["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "42\n"}]
    hand_in(folder, "output", "05_unet", wrong)

    hand_in(folder, "another", "08_cyclegan", rerun("09_rdn", 16))

    to = tmp_path / "grades"
    assert check_lessons.main([str(folder), "--to", str(to)]) == 0
    rows = {row["student"]: row for row in csv_rows(to / "lessons.csv")}
    results = {student: row["result"] for student, row in rows.items()}
    assert results == {f"honest{n}": "full" for n in range(5)} | {
        "versions": "full",
        "skipped": "partial",
        "pasted": "partial",
        "changed": "partial",
        "output": "partial",
        "another": "none",
    }
    assert rows["skipped"]["reasons"] == "not run: cells 10 to 12"
    assert "outputs of another run: cells 27 to 43" in rows["pasted"]["reasons"]
    assert rows["changed"]["reasons"].startswith("changed: cell 9")
    assert "another output" in rows["output"]["reasons"]
    assert "this is lesson 09_rdn" in rows["another"]["reasons"]
    assert "6 full, 4 partial, 1 none" in capsys.readouterr().out


def csv_rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_lesson_invites_to_change_costs_nothing(tmp_path, name):
    notebook = rerun(name, 3)
    free = [c for c in code(notebook) if executed.FREE & set(c["metadata"].get("tags", []))]
    assert free
    for cell in free:
        cell["source"] = [*cell["source"], "\nmine = 1"]
    below = code(notebook)[code(notebook).index(free[0]) + 1 :]
    for cell in below:
        if "nbval-check-output" in cell["metadata"].get("tags", []):
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "mine\n"}]
    checked = check(tmp_path, notebook, name)
    assert (checked.result, kinds(checked)) == ("full", {})
    assert len([f for f in checked.findings if "invites" in f.words]) == len(free)


@pytest.mark.parametrize("name", NAMES)
def test_prose_that_gives_a_cell_to_the_reader_has_such_a_cell(name):
    cells = committed(name)["cells"]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    given = re.findall(r"(?:cells?|function)\s+(?:is|are) yours", prose)
    tagged = [c for c in cells if "yours" in c["metadata"].get("tags", [])]
    assert len(tagged) >= len(given)


def test_a_cell_of_yours_may_be_run_again_at_any_time(tmp_path):
    notebook = rerun("06_espcn")
    cells = code(notebook)
    place = next(k for k, c in enumerate(cells) if "yours" in c["metadata"].get("tags", []))
    renumber_cell(cells[place], 90)
    assert check(tmp_path, notebook, "06_espcn").result == "full"
    for number, cell in enumerate(cells[place + 1 :], start=91):  # and all below it, too
        renumber_cell(cell, number)
    assert check(tmp_path, notebook, "06_espcn").result == "full"


@pytest.mark.parametrize(
    "source",
    [
        'PROFILE = "smoke"\nSEED = 0',
        "import os\nPROFILE = os.environ.get('COURSE_PROFILE', 'smoke')",
    ],
)
def test_the_shortest_profile_is_not_the_lesson(tmp_path, source):
    notebook = rerun(LESSON)
    code(notebook)[0]["source"] = [source]
    assert kinds(check(tmp_path, notebook)) == {"changed": [1]}
    code(notebook)[0]["source"] = [source.replace("smoke", "full")]
    assert check(tmp_path, notebook).result == "full"


@pytest.mark.parametrize(
    "source", ["%env COURSE_PROFILE=smoke", "os.environ['COURSE_PROFILE'] = 'smoke'"]
)
def test_the_shortest_profile_is_found_in_a_cell_of_their_own(tmp_path, source):
    notebook = rerun(LESSON)
    own = {"cell_type": "code", "id": "own", "metadata": {}, "outputs": [], "source": source}
    notebook["cells"].insert(0, own)
    renumber(notebook)
    assert kinds(check(tmp_path, notebook)) == {"changed": [None]}


def test_a_cell_that_says_smoke_is_named(tmp_path):
    notebook = rerun(LESSON)
    code(notebook)[-1]["outputs"].append(
        {"output_type": "stream", "name": "stdout", "text": "smoke: nothing is claimed\n"}
    )
    assert kinds(check(tmp_path, notebook)) == {"output": [len(code(notebook))]}


def test_comments_and_cells_of_their_own_cost_nothing(tmp_path):
    notebook = rerun(LESSON)
    code(notebook)[4]["source"].insert(0, "# I see: the batch comes first\n")
    own = copy.deepcopy(code(notebook)[6])
    own["source"] = ["print(6 * 7)"]
    own["id"] = "own"
    own["outputs"] = [{"output_type": "error", "ename": "KeyError", "evalue": "x"}]
    notebook["cells"].insert(notebook["cells"].index(code(notebook)[8]), own)
    renumber(notebook)
    checked = check(tmp_path, notebook)
    assert (checked.result, kinds(checked)) == ("full", {})
    assert any("1 cell of their own" in finding.words for finding in checked.findings)


def test_a_copy_from_another_address_is_the_same_lesson(tmp_path):
    notebook = rerun(LESSON)
    for cell in code(notebook):
        source = "".join(cell["source"])
        cell["source"] = re.sub(r"github\.com/[\w.-]+/[\w.-]+", "github.com/a-b/c.d", source)
    assert "github.com/a-b/c.d" in code(notebook)[1]["source"]
    assert check(tmp_path, notebook).result == "full"


def test_changed_cells_are_found_by_their_place_where_ids_were_renumbered(tmp_path):
    notebook = rerun(LESSON, colab=True)
    for place in (7, 8, 20):
        code(notebook)[place]["source"].append("\nprint(6 * 7)")
    code(notebook)[25]["source"] = ["pass"]
    assert kinds(check(tmp_path, notebook)) == {"changed": [8, 9, 21], "missing": [26]}


def two_sessions(cells):
    for number, cell in enumerate(cells[15:], start=1):
        renumber_cell(cell, number)


def again_at_the_end(cells):
    renumber_cell(cells[12], 31)


def began_late(cells):
    for number, cell in enumerate(cells, start=8):
        renumber_cell(cell, number)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (two_sessions, r"cell 16: \[1\] stands below \[15\]"),
        (again_at_the_end, r"cell 13: \[31\] follows \[12\]"),
        (began_late, r"cell 1: \[8\] follows the beginning"),
    ],
)
def test_a_run_in_pieces_is_named(tmp_path, spoil, words):
    notebook = rerun(LESSON)
    spoil(code(notebook))
    checked = check(tmp_path, notebook)
    assert (checked.result, list(kinds(checked))) == ("partial", ["order"])
    assert re.search(words, checked.findings[0].words)


def test_missing_moved_changed_and_failed_cells_are_named(tmp_path):
    notebook = rerun(LESSON)
    cells = code(notebook)
    notebook["cells"].remove(cells[4])
    notebook["cells"].remove(cells[9])
    notebook["cells"].append(cells[9])
    cells[13]["source"] = [*cells[13]["source"], "\nsomething_else()"]
    cells[17]["outputs"] = [{"output_type": "error", "ename": "OSError", "evalue": "no disk"}]
    renumber(notebook)
    checked = check(tmp_path, notebook)
    assert kinds(checked) == {"missing": [5], "moved": [10], "changed": [14], "error": [18]}
    assert any("OSError: no disk" in finding.words for finding in checked.findings)


def test_a_run_that_an_error_cut_off_is_none_or_partial(tmp_path):
    for at, result in ((10, "none"), (25, "partial")):
        notebook = rerun(LESSON)
        cells = code(notebook)
        cells[at]["outputs"] = [{"output_type": "error", "ename": "ValueError", "evalue": ""}]
        for cell in cells[at + 1 :]:
            cell["execution_count"] = None
            cell["outputs"] = []
        checked = check(tmp_path, notebook)
        assert (checked.result, checked.ran) == (result, at + 1)
        assert kinds(checked)["skipped"] == list(range(at + 2, len(cells) + 1))


def test_a_lost_picture_or_text_is_named(tmp_path):
    notebook = rerun(LESSON)
    for cell in code(notebook)[2:]:
        if not cell["metadata"].get("tags"):
            cell["outputs"] = []
    checked = check(tmp_path, notebook)
    expected = [
        number
        for number, cell in enumerate(code(committed(LESSON)), start=1)
        if number > 2 and cell["outputs"] and not cell["metadata"].get("tags")
    ]
    assert kinds(checked) == {"output": expected}


def test_pasted_times_are_found_in_a_cell_with_a_number(tmp_path):
    notebook = rerun(LESSON, 5)
    code(notebook)[19]["outputs"] = code(committed(LESSON))[19]["outputs"]
    assert kinds(check(tmp_path, notebook)) == {"copied": [20]}


def test_two_students_with_one_run_are_named(tmp_path):
    for student, seed in {"ada": 1, "bo": 2, "cy": 1}.items():
        hand_in(tmp_path, student, LESSON, rerun(LESSON, seed))
    rows, _ = check_lessons.check_folder(tmp_path)
    doubts = {row.student: row.reasons for row in rows if row.reasons}
    assert set(doubts) == {"ada", "cy"}
    assert "its times are those of cy" in doubts["ada"]


def test_times_are_found_in_tables_and_in_sentences():
    table = "four pictures   PSNR   s/picture\nbicubic   28.1   0.0043\nours  29   1,204\nbest 30"
    assert executed.measured(table) == ["0.0043", "1,204", "30"]
    text = "147 steps in 12.5 s, 1,250 pairs/s and 80 ms\n3 pictures, s 9, v1.5 s/x"
    assert executed.measured(text) == ["12.5", "1,250", "80"]
    assert executed.digits(["0.0043", "1,204", "0.0000"]) == 6


def test_a_long_line_takes_no_time():
    start = time.perf_counter()
    for line in ("1" * 10**6, "1," * 10**6 + "x", "1 " * 10**6, "1 a" * 10**6, "9.9" * 10**6):
        executed.measured(f"s/picture\n{line}x")
    assert time.perf_counter() - start < 10


def test_a_result_of_another_run_is_found(tmp_path):
    name = "04_deconv_cnn"
    notebook = rerun(name, 5)
    cells = code(notebook)
    shown = [k for k, c in enumerate(cells) if c["outputs"][-1:] and is_result(c["outputs"][-1])]
    cells[shown[1]]["outputs"][-1]["execution_count"] = 99
    assert kinds(check(tmp_path, notebook, name)) == {"pasted": [shown[1] + 1]}


def is_result(output):
    return output["output_type"] == "execute_result"


def test_a_picture_of_another_matplotlib_is_found(tmp_path):
    notebook = rerun("02_crop_and_pyramid")
    pictures = [
        (number, output["data"])
        for number, cell in enumerate(code(notebook), start=1)
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    for _, data in pictures[:-2]:
        drawn = base64.b64decode("".join(data["image/png"]))
        drawn = re.sub(rb"Matplotlib version\d+\.\d+", b"Matplotlib version3.10", drawn, count=1)
        data["image/png"] = base64.b64encode(drawn).decode()
    checked = check(tmp_path, notebook, "02_crop_and_pyramid")
    assert kinds(checked) == {"copied": [number for number, _ in pictures[-2:]]}


@pytest.mark.parametrize(
    "file",
    ["Copy of {}", "{} (1)", "Kopie von {}(2)", "{}-checkpoint", "Untitled7", "homework", "final"],
)
def test_a_lesson_is_recognised_under_any_name(tmp_path, file):
    hand_in(tmp_path, "ada", file.format(LESSON), rerun(LESSON, colab=True))
    rows, left_out = check_lessons.check_folder(tmp_path)
    assert [(row.lesson, row.checked.result) for row in rows] == [(LESSON, "full")]
    assert not left_out


def test_of_two_copies_the_better_counts(tmp_path):
    hand_in(tmp_path, "ada", LESSON, committed(LESSON))
    hand_in(tmp_path, "ada", f"{LESSON} (1)", rerun(LESSON))
    rows, left_out = check_lessons.check_folder(tmp_path)
    assert [row.checked.result for row in rows] == ["full"]
    assert "is the same lesson and counts" in left_out[0]


def exercises_instead(path):
    shutil.copy(ROOT / f"notebooks/exercises/{LESSON}.ipynb", path)


def nested(path):
    path.write_text('{"cells": ' + "[" * 200_000, encoding="utf-8")


STRANGE = {
    "{": "this is no notebook",
    "": "this is no notebook",
    "<!doctype html><title>Sign in</title>": "this is no notebook",
    "[]": "has no cells",
    '{"cells": {}}': "has no cells",
    '{"nbformat": 3, "worksheets": []}': "has no cells",
    '{"cells": []}': "no lesson of the course",
    '{"cells": [1, null, {"cell_type": "code", "source": 7}, {"source": ["# 03"]}]}': "no lesson",
    '{"cells": [{"cell_type": "code", "source": "import this", "outputs": 3}]}': "no lesson",
    b"\xff\xfe\x00broken": "this is no notebook",
    nested: "this is no notebook",
    exercises_instead: "these are exercises",
}


@pytest.mark.parametrize("content", STRANGE, ids=range(len(STRANGE)))
@pytest.mark.parametrize("name", [LESSON, "whatever"])
def test_what_is_no_lesson_is_said_and_costs_nobody_else(tmp_path, capsys, content, name):
    folder = tmp_path / "handed_in"
    hand_in(folder, "zoe", LESSON, rerun(LESSON))
    path = folder / "ada" / f"{name}.ipynb"
    path.parent.mkdir()
    if callable(content):
        content(path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    status = check_lessons.main([str(folder), "--to", str(tmp_path / "grades")])
    rows = csv_rows(tmp_path / "grades/lessons.csv")
    assert [row["result"] for row in rows] == ["none", "full"]
    assert STRANGE[content] in rows[0]["reasons"]
    assert status == int("not read" in rows[0]["reasons"])
    assert STRANGE[content] in capsys.readouterr().out


def malformed():
    """A lesson whose cells hold what no notebook holds."""
    notebook = rerun(LESSON)
    odd = [None, 1, "x", [], {}, [None], {"output_type": "stream", "text": 3}, "\ud800"]
    for cell, value in zip(code(notebook), odd * 9, strict=False):
        cell["outputs"] = [value, {"output_type": "display_data", "data": value}]
        cell["execution_count"] = value
        cell["metadata"] = value
        cell["id"] = value
    return notebook


def test_malformed_cells_break_nothing(tmp_path):
    checked = check(tmp_path, malformed())
    assert (checked.lesson, checked.result, checked.ran) == (LESSON, "none", 5)


def test_a_fault_of_the_check_itself_costs_one_notebook(tmp_path, monkeypatch):
    hand_in(tmp_path, "ada", LESSON, rerun(LESSON))
    hand_in(tmp_path, "bo", LESSON, rerun(LESSON, 1))
    whole = executed.check

    def broken(path, *rest):
        if "ada" in path.parts:
            raise TypeError("what is this")
        return whole(path, *rest)

    monkeypatch.setattr(executed, "check", broken)
    rows, _ = check_lessons.check_folder(tmp_path)
    assert [row.checked.result for row in rows] == ["none", "full"]
    assert "the check itself broke down: TypeError: what is this" in rows[0].reasons


def test_empty_and_missing_folders_are_said(tmp_path, capsys):
    folder = tmp_path / "handed_in"
    assert check_lessons.main([str(folder)]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert check_lessons.main([""]) == 2
    assert "make check-lessons SUBMISSIONS=folder" in capsys.readouterr().err
    (folder / "idle").mkdir(parents=True)
    assert check_lessons.main([str(folder)]) == 2
    assert "idle: no notebook in it" in capsys.readouterr().err
    hand_in(folder, "ada", LESSON, rerun(LESSON))
    (folder / "ada/report.pdf").write_bytes(b"%PDF")
    assert check_lessons.main([str(folder), "--to", str(tmp_path / "grades")]) == 1
    assert "left out: idle: no notebook in it" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids these names")
def test_strange_characters_harm_neither_tables_nor_pages(tmp_path, capsys):
    folder = tmp_path / "handed_in"
    notebook = rerun(LESSON)
    words = "<script>alert(1)</script>\x1b]0;owned\x07\ud800"
    code(notebook)[5]["source"] = [f"raise Exception({words!r})"]
    code(notebook)[5]["outputs"] = [{"output_type": "error", "ename": words, "evalue": words}]
    for student in ("=1+1", "<i>김민수", "-x\x1b[2J"):
        hand_in(folder, student, LESSON, notebook)
    old_windows = os.fsdecode("김민수".encode("cp949"))
    hand_in(folder, old_windows, LESSON, notebook)
    to = tmp_path / "grades"
    assert check_lessons.main([str(folder), "--to", str(to)]) == 0
    rows = csv_rows(to / "lessons.csv")
    assert {row["student"] for row in rows} == {"'=1+1", "<i>김민수", "'-x\\x1b[2J", "김민수"}
    page = (to / "lessons.html").read_text(encoding="utf-8")
    for text in (page, (to / "lessons.csv").read_text(encoding="utf-8-sig")):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "\x1b" not in capsys.readouterr().out
    assert "<script" not in page
    assert "<i>김민수" not in page
    assert "script-src" not in page
    assert "default-src 'none'" in page


def test_the_page_names_every_finding(tmp_path):
    notebook = rerun(LESSON)
    notebook["cells"].remove(code(notebook)[4])
    code(notebook)[7]["source"] = ["open('grades.csv')"]
    hand_in(tmp_path / "handed_in", "ada", LESSON, notebook)
    (tmp_path / "handed_in/<i>bo").mkdir()
    rows, left_out = check_lessons.check_folder(tmp_path / "handed_in")
    check_lessons.write(rows, left_out, tmp_path)
    page = (tmp_path / "lessons.html").read_text(encoding="utf-8")
    assert "Cell 5 is missing" in page
    assert "&lt;i&gt;bo: no notebook in it" in page
    assert "open(&#x27;grades.csv&#x27;)" in page
    for finding in rows[0].checked.findings:
        assert finding.words[5:] in page


def test_the_results_stand_in_grades_csv(tmp_path, capsys):
    folder = tmp_path / "handed_in"
    for student in ("=ada", "bo"):
        hand_in(folder, student, LESSON, rerun(LESSON))
    to = tmp_path / "grades"
    to.mkdir()
    table = f'student,lesson,total,notes\n\'=ada,{LESSON},9,"a, b"\ncy,{LESSON},4,\n'
    (to / "grades.csv").write_text(table, encoding="utf-8-sig")
    for _ in range(2):
        assert check_lessons.main([str(folder), "--to", str(to)]) == 0
        rows = csv_rows(to / "grades.csv")
        assert [list(row.values()) for row in rows] == [
            ["'=ada", LESSON, "9", "a, b", "full"],
            ["cy", LESSON, "4", "", ""],
        ]
        assert list(rows[0])[-1] == "lesson run"
    assert "1 of the lessons have no exercises graded there" in capsys.readouterr().out
    (to / "grades.csv").write_text("name;points\n", encoding="utf-8")
    assert check_lessons.main([str(folder), "--to", str(to)]) == 0
    assert (to / "grades.csv").read_text(encoding="utf-8") == "name;points\n"
