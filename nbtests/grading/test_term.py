"""Due dates, roster, gradebook, overrides, regrades, statistics: what becomes of the points."""

import csv
import json
import os
import random
import statistics
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

import pytest

from instructors import exercises, grade, gradebook, regrades, statistics_page, term
from instructors.grade import Options, Submission
from instructors.term import Late

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="on Windows grading is done in WSL"),
    pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"),
]
NAMES = exercises.names()
LESSON, OTHER = NAMES[1], NAMES[2]
NASTY = ['Doe, "Jane"', "김민수", "=cmd|' /C calc'!A0", "O'Neil; Zoë", "+1 plus"]


def result(student, lesson=LESSON, share=1.0, written="x = 1", answer=""):
    """A graded submission: of the first tests so many have all their points."""
    known, _ = grade.lesson(lesson)
    tests = [test for exercise in known.exercises for test in exercise.tests]
    right = {test.id for test in tests[: round(share * len(tests))]}
    marks = []
    for exercise in known.exercises:
        done = {t.id: (t.points if t.id in right else 0, "") for t in exercise.tests}
        given = {"answer": answer, "answered": bool(answer), "hash": "v1"}
        marks.append(
            {
                "number": exercise.number,
                "written": written,
                "error": "",
                "printed": "",
                "ended": "",
                "seconds": 2.0,
                "tests": done,
                "manual": {cell.id: dict(given) for cell in exercise.manual},
            }
        )
    return {"student": student, "lesson": lesson, "notes": [], "marks": marks}


def table(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def course(folder, text, roster=None, submitted=None):
    """A folder of submissions with a course.toml, and what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / term.FILE).write_text(text, encoding="utf-8")
    for name, rows in (("roster.csv", roster), ("submitted.csv", submitted)):
        if rows is not None:
            with (folder / name).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows)
    return term.read(folder)


def test_the_example_is_read_without_a_word(tmp_path, capsys):
    assert grade.main(["--example"]) == 0
    text = capsys.readouterr().out
    about = course(tmp_path, text, [term.ROSTER], [term.SUBMITTED])
    assert about.problems == []
    assert set(about.due) == set(NAMES[:2])
    assert about.due[LESSON].utcoffset() == timedelta(hours=9)
    assert about.late == Late(10, 50, True, timedelta(minutes=15))


@pytest.mark.parametrize("seed", range(5))
def test_being_late_costs_what_the_policy_says(seed):
    rng = random.Random(seed)
    due = datetime(2027, 3, 12, 23, 59, tzinfo=UTC)
    late = Late(rng.choice([5, 10]), rng.choice([30, 50]), True, timedelta(minutes=15))
    of = rng.randint(5, 30)
    assert term.days_late(due - timedelta(days=3), due, late) == 0
    assert term.days_late(due + timedelta(minutes=15), due, late) == 0
    for day in range(1, 12):
        moment = due + timedelta(days=day) - timedelta(minutes=rng.randint(1, 1000))
        assert term.days_late(moment, due, late) == day
        percent = min(day * late.per_day, late.most)
        assert term.taken_off(day, of, late) == pytest.approx(percent * of / 100, abs=0.005)
        assert term.taken_off(day, of, Late(2, 5, False)) == min(2 * day, 5, of)
    assert term.taken_off(3, of, Late()) == 0


def test_late_points_are_in_the_grades_and_the_feedback(tmp_path):
    text = "submitted = 'mtime'\n[due]\n02 = 2027-03-12T12:00:00\n[late]\nper_day = 10\n"
    about = course(tmp_path / "in", text)
    full = sum(exercise.points for exercise in grade.lesson(LESSON)[0].exercises)
    rows = {}
    for student, hours in (("ada", -1), ("bo", 30)):
        path = tmp_path / "in" / student / f"{LESSON}.ipynb"
        path.parent.mkdir()
        path.write_text("{}")
        moment = datetime(2027, 3, 12, 12, tzinfo=UTC) + timedelta(hours=hours)
        os.utime(path, (moment.timestamp(),) * 2)
        rows[student] = Submission(student, LESSON, path)
    options = Options(term=about, submissions=list(rows.values()))
    _, _, problems = grade.write([result("ada"), result("bo")], tmp_path / "out", options)
    assert problems == []
    found = {row["student"]: row for row in table(tmp_path / "out" / "grades.csv")}
    assert (found["ada"]["taken off"], found["ada"]["days late"]) == ("0", "0")
    assert (found["bo"]["taken off"], found["bo"]["days late"]) == (f"{full * 0.2:g}", "2")
    machine = float(found["bo"]["machine"])
    assert float(found["bo"]["total"]) == pytest.approx(machine - full * 0.2)
    page = (tmp_path / "out" / "feedback" / "bo" / f"{LESSON}.html").read_text(encoding="utf-8")
    assert f"{full * 0.2:g} points are taken off" in page


def test_without_a_term_there_are_no_more_columns(tmp_path):
    rows, _, problems = grade.write([result("ada")], tmp_path)
    assert problems == []
    wanted = ["student", "lesson", *[f"exercise {n}" for n in range(1, 6)]]
    assert list(rows[0]) == [*wanted, "machine", "by hand", "waiting", "total", "of", "notes"]
    assert not (tmp_path / "canvas.csv").exists()


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2027-03-12 23:59:01.123456 UTC", "2027-03-12T23:59:01.123456+00:00"),
        ("2027-03-12T23:59", "2027-03-12T23:59:00+00:00"),
        ("2027-03-12 23:59:00+09:00", "2027-03-12T14:59:00+00:00"),
    ],
)
def test_the_time_that_nbgrader_writes_is_read(tmp_path, text, moment):
    path = tmp_path / f"{LESSON}.ipynb"
    (tmp_path / term.STAMP).write_text(text)
    found, problem = term.handed_in(term.Term(), "ada", LESSON, path)
    assert (found, problem) == (datetime.fromisoformat(moment), "")


@pytest.mark.parametrize(
    "text, words",
    [
        ("[due\n01 = 3", "cannot be read"),
        ("[due]\n01 = '12.3.2027'", "expected date and time without quotes"),
        ("[due]\n11 = 2027-03-12T23:59:00", "'11' is no lesson"),
        ("due = 3", "expected [due]"),
        ("timezone = 'Seoul'", "there is no time zone 'Seoul'"),
        ("[late]\nper_day = -1", "expected a number from 0"),
        ("[late]\nper_day = nan", "expected a number from 0"),
        ("[late]\nunit = 'half'", 'expected "percent" or "points"'),
        ("rooster = 'roster.csv'", "'rooster' is not known"),
        ("[late]\nperday = 3", "'perday' is not known"),
        ("roster = 'gone.csv'", "the roster cannot be read"),
        ("submitted = 'gone.csv'", "the times of the submissions cannot be read"),
        ("submitted = 3", "submitted is 3"),
    ],
)
def test_a_mistake_in_the_file_is_told_and_the_grades_are_written(tmp_path, text, words):
    about = course(tmp_path / "in", text)
    assert any(words in problem for problem in about.problems), about.problems
    rows, _, problems = grade.write([result("ada")], tmp_path / "out", Options(term=about))
    assert problems[: len(about.problems)] == about.problems
    assert table(tmp_path / "out" / "grades.csv")[0]["total"] == rows[0]["total"] != "0"


def test_a_roster_with_mistakes_is_told_row_by_row(tmp_path):
    roster = [
        term.ROSTER,
        ["ada", "Ada", "1", "ada@example.org"],
        ["ada", "Another", "2", ""],
        ["bo", "Bo", "1", "=bo@example.org"],
        ["", "Nobody", "9", ""],
    ]
    about = course(tmp_path / "in", "roster = 'roster.csv'", roster)
    said = "\n".join(about.problems)
    assert "line 3: ada stands twice" in said
    assert "line 4: the id 1 is ada's, too" in said
    assert "line 4: the email '=bo@example.org' begins like a formula" in said
    assert "line 5: no student" in said
    options = Options(term=about)
    _, _, problems = grade.write([result("ada"), result("eve")], tmp_path / "out", options)
    assert any("eve is not in the roster" in problem for problem in problems)
    assert [row["student"] for row in table(tmp_path / "out" / "grades.csv")] == ["ada", "eve"]
    assert [row["Student"] for row in table(tmp_path / "out" / "canvas.csv")][1:] == ["Ada"]


# What Canvas and Moodle do with the files, by the rules that they document


def as_canvas_reads(path):
    """{SIS User ID: {assignment: points}} and {assignment: points possible}."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    assert "Student" in header[0]
    assert header[1:5] == ["ID", "SIS User ID", "SIS Login ID", "Section"]
    assert "Points Possible" in lines[0][0]
    titles = header[5:]
    possible = dict(zip(titles, map(float, lines[0][5:]), strict=True))
    people = {line[2]: dict(zip(titles, line[5:], strict=True)) for line in lines[1:]}
    return people, possible, [line[0] for line in lines[1:]]


def as_moodle_reads(path, column):
    """{what the column holds: {grade item: points, or None for no grade}}."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    place = header.index(column)
    read = {}
    for line in lines:
        grades = dict(zip(header[2:], line[2:], strict=True))
        read[line[place]] = {k: None if v in ("", "-") else float(v) for k, v in grades.items()}
    return read


@pytest.mark.parametrize("seed", range(3))
def test_canvas_and_moodle_read_back_the_same_points(tmp_path, seed):
    rng = random.Random(seed)
    students = [f"s{n}" for n in range(len(NASTY))]
    roster = [term.ROSTER]
    for number, (student, name) in enumerate(zip(students, NASTY, strict=True)):
        roster.append([student, name, f"00{number}", f"{student}@example.org"])
    titles = "[titles]\n02 = 'Exercises 2, \"crop\"'\n"
    about = course(tmp_path / "in", f"roster = 'roster.csv'\n{titles}", roster)
    results = [result(student, LESSON, rng.random()) for student in students]
    results += [result(student, OTHER, rng.random()) for student in students[1:]]
    rows, _, problems = grade.write(results, tmp_path / "out", Options(term=about))
    assert problems == []
    wanted = {(row["id"], row["lesson"]): float(row["total"]) for row in rows}
    of = {row["lesson"]: float(row["of"]) for row in rows}
    people, possible, names = as_canvas_reads(tmp_path / "out" / "canvas.csv")
    title = {LESSON: 'Exercises 2, "crop"', OTHER: OTHER}
    assert possible == {title[lesson]: points for lesson, points in of.items()}
    by_id = as_moodle_reads(tmp_path / "out" / "moodle.csv", "ID number")
    by_email = as_moodle_reads(tmp_path / "out" / "moodle.csv", "Email address")
    book = {row["id"]: row for row in table(tmp_path / "out" / "gradebook.csv")}
    for number, student in enumerate(students):
        sis = f"00{number}"
        for lesson in (LESSON, OTHER):
            points = wanted.get((sis, lesson))
            assert people[sis][title[lesson]] == ("" if points is None else f"{points:g}")
            assert by_id[sis][title[lesson]] == points
            assert by_email[f"{student}@example.org"][title[lesson]] == points
            assert book[sis][lesson] == ("" if points is None else f"{points:g}")
    assert "김민수" in names
    assert not [name for name in names if name.startswith(tuple("=+-@"))]
    assert book[""]["student"] == "points possible"


def test_nobody_whom_moodle_cannot_find_is_in_its_table(tmp_path):
    roster = [term.ROSTER, ["ada", "Ada", "", ""], ["bo", "Bo", "", "bo@example.org"]]
    about = course(tmp_path / "in", "roster = 'roster.csv'", roster)
    rows = [
        {"student": name, "lesson": LESSON, "total": "3", "of": "9", "waiting": "0"}
        for name in ("ada", "bo")
    ]
    (line,) = gradebook.write(rows, about, tmp_path)
    assert line.startswith("ada has neither id nor email")
    assert list(as_moodle_reads(tmp_path / "moodle.csv", "Email address")) == ["bo@example.org"]


# overrides and regrades


def overrides(to, *rows):
    to.mkdir(parents=True, exist_ok=True)
    with (to / "overrides.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([regrades.OVERRIDES, *rows])


def test_an_empty_table_shows_how_to_write_one(tmp_path):
    grade.write([result("ada")], tmp_path)
    assert table(tmp_path / "overrides.csv") == []
    text = (tmp_path / "overrides.csv").read_text(encoding="utf-8-sig")
    assert text.strip() == "student,lesson,exercise,points,reason"


def test_points_set_by_a_person_count_and_say_why(tmp_path):
    exercise = grade.lesson(LESSON)[0].exercises[1]
    overrides(
        tmp_path, ["ada", "2", "2", f"{exercise.points - 0.5:g}".replace(".", ","), "A <slip>"]
    )
    rows, _, problems = grade.write([result("ada", share=0)], tmp_path)
    assert problems == []
    assert rows[0]["exercise 2"] == rows[0]["total"] == f"{exercise.points - 0.5:g}"
    assert rows[0]["machine"] == "0"
    assert "exercise 2 has" in rows[0]["notes"] and "A <slip>" in rows[0]["notes"]
    page = (tmp_path / "feedback" / "ada" / f"{LESSON}.html").read_text(encoding="utf-8")
    assert "instead of 0: A &lt;slip&gt;" in page


@pytest.mark.parametrize(
    "row, words",
    [
        (["ada", LESSON, "2", "1", ""], "there is no reason"),
        (["ada", LESSON, "2", "99", "so"], "expected a number from 0 to"),
        (["ada", LESSON, "2", "much", "so"], "expected a number from 0 to"),
        (["ada", LESSON, "2", "nan", "so"], "expected a number from 0 to"),
        (["ada", LESSON, "9", "1", "so"], "has no exercise '9'"),
        (["ada", "crop", "2", "1", "so"], "'crop' is no lesson"),
        (["eve", LESSON, "2", "1", "so"], "there is no student 'eve'"),
        (["ada", OTHER, "2", "1", "so"], "handed in nothing"),
    ],
)
def test_points_that_cannot_be_set_are_refused(tmp_path, row, words):
    overrides(tmp_path, row, ["ada", LESSON, "3", "1", "fine"])
    handed_in = [result("ada", share=0), result("bo", OTHER)]
    rows, _, (problem,) = grade.write(handed_in, tmp_path)
    assert words in problem
    assert rows[0]["total"] == rows[0]["exercise 3"] == "1"


def test_overrides_of_a_lesson_that_is_not_in_this_run_wait(tmp_path):
    overrides(tmp_path, ["ada", OTHER, "2", "1", "so"])
    _, (told,), problems = grade.write([result("ada")], tmp_path)
    assert problems == []
    assert f"nobody handed in {OTHER} here" in told


def test_changed_points_are_told_and_kept(tmp_path):
    before, after = result("ada", share=0), result("ada", share=1)
    assert grade.write([before, result("bo")], tmp_path)[1] == []
    assert not (tmp_path / "changes.csv").exists()
    _, changes, _ = grade.write([after, result("bo")], tmp_path)
    known, _ = grade.lesson(LESSON)
    tested = [exercise for exercise in known.exercises if exercise.tests]
    assert len(changes) == len(tested)
    assert all("ada" in line and "0 → " in line for line in changes)
    rows = table(tmp_path / "changes.csv")
    for row, exercise in zip(rows, tested, strict=True):
        machine = sum(test.points for test in exercise.tests)
        assert (row["exercise"], row["old"]) == (str(exercise.number), "0")
        assert float(row["new"]) == machine
        assert row["why"] == "graded anew, the solution is the same"
    assert grade.write([after, result("bo")], tmp_path)[1] == []
    overrides(tmp_path, ["bo", "2", "1", "0", "copied"])
    (line,) = grade.write([after, result("bo")], tmp_path)[1]
    assert "override: copied" in line
    assert len(table(tmp_path / "changes.csv")) == len(rows) + 1


def test_first_points_by_hand_are_no_change(tmp_path):
    known, _ = grade.lesson(LESSON)
    (cell,) = [cell for exercise in known.exercises for cell in exercise.manual]
    grade.write([result("ada", answer="Because.")], tmp_path)
    manual = tmp_path / "manual.csv"
    text = manual.read_text(encoding="utf-8-sig")
    for points, changed in (("1", 0), ("2", 1)):
        manual.write_text(text.replace(f",{cell.points:g},,", f",{cell.points:g},{points},"))
        _, changes, _ = grade.write([result("ada", answer="Because.")], tmp_path)
        assert len(changes) == changed


def test_a_broken_memory_of_points_costs_nobody_a_grade(tmp_path):
    (tmp_path / "points.csv").write_text("nonsense")
    rows, _, (problem,) = grade.write([result("ada")], tmp_path)
    assert "changes.csv is not written" in problem
    assert table(tmp_path / "grades.csv")[0]["total"] == rows[0]["total"]


# statistics


@pytest.mark.parametrize("seed", range(3))
def test_discrimination_is_the_correlation_with_the_rest(tmp_path, seed):
    rng = random.Random(seed)
    known, _ = grade.lesson(LESSON)
    results = []
    for number in range(12):
        made = result(f"s{number}", share=rng.random())
        for mark in made["marks"]:
            for name, (points, said) in list(mark["tests"].items()):
                mark["tests"][name] = (points if rng.random() < 0.7 else 0, said)
        results.append(made)
    grade.write(results, tmp_path)
    tests = [test for exercise in known.exercises for test in exercise.tests]
    rows = {row["question"]: row for row in table(tmp_path / "statistics.csv")}
    for test in tests:
        given, rest = [], []
        for made in results:
            every = {k: p for mark in made["marks"] for k, (p, _) in mark["tests"].items()}
            given.append(every.pop(test.id))
            rest.append(sum(every.values()))
        row = rows[test.id]
        assert float(row["mean share"]) == pytest.approx(
            statistics.mean(given) / test.points, abs=6e-4
        )
        assert float(row["full share"]) == pytest.approx(
            given.count(test.points) / len(given), abs=6e-4
        )
        assert row["graded"] == "12" and row["seconds"] == "2.0"
        if len(set(given)) > 1:
            wanted = statistics.correlation(given, rest)
            assert float(row["discrimination"]) == pytest.approx(wanted, abs=6e-3)
        else:
            assert row["discrimination"] == ""


def test_too_few_submissions_have_no_correlation():
    assert statistics_page.discrimination([1, 2, 3], [1, 2, 3]) != 0
    assert str(statistics_page.discrimination([1, 2, 3], [1, 2, 3])) == "nan"
    assert statistics_page.discrimination([1, 2, 3, 4, 5], [2, 4, 6, 8, 10]) == pytest.approx(1)


# the whole command


def test_the_command_ends_with_1_where_something_is_to_be_mended(tmp_path, capsys, monkeypatch):
    course(tmp_path / "in", "[due]\n02 = 2027-03-12T23:59:00\n")
    place = tmp_path / "in" / "ada" / f"{LESSON}.ipynb"
    place.parent.mkdir()
    place.write_bytes((exercises.STUDENT / place.name).read_bytes())
    monkeypatch.setattr(grade, "grade", lambda *_, **__: None)  # only what is kept is used
    kept = result("ada") | {"key": "same", "sandboxed": True}
    monkeypatch.setattr(grade, "key", lambda *_, **__: "same")
    stored = tmp_path / "out" / "results" / "ada" / f"{LESSON}.json"
    stored.parent.mkdir(parents=True)
    stored.write_text(json.dumps(kept))
    call = [str(tmp_path / "in"), "--to", str(tmp_path / "out")]
    assert grade.main(call) == 1
    said = capsys.readouterr().err
    assert "problem: ada" in said and "time of handing in is not known" in said
    assert "written all the same" in said
    (place.parent / term.STAMP).write_text("2027-03-12 10:00:00 UTC")
    assert grade.main(call) == 0
