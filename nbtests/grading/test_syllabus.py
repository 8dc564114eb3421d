"""The syllabus says of lessons and exercises what they say of themselves."""

import re

import nbformat
import pytest

from helpers import ROOT
from instructors import exercises

SYLLABUS = ROOT / "instructors" / "SYLLABUS.md"
MINUTES = re.compile(r"(?:reading and running take about|Time:\*\* about) (\d+)")


def rows(heading):
    """The rows of the table below a heading, without its first two lines."""
    text = SYLLABUS.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[field.strip() for field in line.strip("|").split("|")] for line in lines]


def number(field):
    return 0 if field == "–" else int(field)


@pytest.fixture(scope="module")
def heads():
    """The first cell of each lesson, in one line, by the lesson's number."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        found[path.stem[:2]] = nbformat.read(path, as_version=4).cells[0].source
    return found


@pytest.fixture(scope="module")
def lessons():
    return {name[:2]: exercises.read(exercises.source(name)) for name in exercises.names()}


def test_the_minutes_and_points_are_the_lessons_own(heads, lessons):
    *table, total = rows("The lessons")
    assert len(table) == len(lessons)
    sums = [0, 0, 0]
    for link, question, _, *figures in table:
        name, target = re.fullmatch(r"\[(\d\d)\]\((\S+)\)", link).groups()
        assert (SYLLABUS.parent / target).exists()
        assert heads[name].startswith(f"# {name} · {question}\n")
        asked = lessons[name].exercises
        wanted = [
            int(MINUTES.search(heads[name])[1]),
            sum(exercise.minutes for exercise in asked),
            sum(exercise.points for exercise in asked),
        ]
        assert [int(figure) for figure in figures] == wanted, name
        sums = [a + b for a, b in zip(sums, wanted, strict=True)]
    assert [int(figure) for figure in total[3:]] == sums
    text = SYLLABUS.read_text(encoding="utf-8").replace("\n", " ")
    assert f"{sums[0]} minutes for reading and running the lessons, {sums[1]} for" in text


def test_both_plans_hold_every_lesson_and_every_minute(lessons):
    table = rows("The lessons")[:-1]
    wanted = [sum(int(row[column]) for row in table) for column in (3, 4)]
    weeks = rows("Fourteen weeks")
    assert [row[0] for row in weeks] == [str(week) for week in range(1, 15)]
    days = rows("Five days")
    assert [row[0] for row in days] == [str(day) for day in range(1, 6)]
    for plan in (weeks, days):
        named = {name for row in plan for name in re.findall(r"\d\d", row[1])}
        assert named == set(lessons)
        assert [sum(number(row[column]) for row in plan) for column in (3, 4)] == wanted
    for row in days:
        assert row[5] == f"{(int(row[3]) + int(row[4])) / 60:.1f}"


def test_a_lesson_comes_after_those_that_it_needs(heads):
    for link, _, after, *_ in rows("The lessons"):
        name = link[1:3]
        if name in heads:
            start = heads[name].split("**Before you start:**")[1].split("**Time:**")[0]
            needed = set(re.findall(r"\((\d\d)_", start)) | set(re.findall(r"\[(\d\d)\]", start))
            assert set(re.findall(r"\d\d", after)) == needed
            assert all(other < name for other in needed)


def test_the_objectives_are_the_lessons_own(heads, lessons):
    table = rows("Objectives, lessons, exercises")
    for name, head in heads.items():
        listed = head.split("**After this lesson you can**")[1].split("**Before you start")[0]
        wanted = [" ".join(item.split()).rstrip(";.") for item in listed.split("\n- ")[1:]]
        assert [row[1] for row in table if row[0] == name] == wanted
        named = re.findall(r"\d\d\.\d", " ".join(row[2] for row in table if row[0] == name))
        asked = [f"{name}.{exercise.number}" for exercise in lessons[name].exercises]
        assert sorted(named) == asked


def test_the_exercises_are_named_as_they_are(lessons):
    wanted = [
        [f"{name}.{exercise.number}", exercise.title, str(exercise.points), str(exercise.minutes)]
        for name, lesson in lessons.items()
        for exercise in lesson.exercises
    ]
    table = rows("Exercises")
    assert [row[:4] for row in table] == wanted
    assert {row[4] for row in table} == {"●", "●●", "●●●"}
