"""The blind survey: what is asked, that it is blind, that no answer is lost, and what the answers
say.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import ROOT
from helpers.app import embed, preference

METHODS = ("plain", "sharpened", "invented")


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    return {
        scene: {m: random.random((8, 9, 3), np.float32) for m in METHODS}
        for scene in ("gate", "cat", "hill")
    }


@pytest.fixture
def asked(pictures):
    return preference.questions(pictures, seed=3)


def boxed(box):
    """A widget's progress, view and buttons by their description."""
    progress, view, row, _ = box.children
    return progress, view, {button.description: button for button in row.children}


# what is asked


def test_each_pair_once_on_each_scene(pictures, asked):
    assert len(asked) == 3 * 3
    assert len({(q.scene, frozenset(q[1:])) for q in asked}) == 9


def test_the_seed_decides_order_and_sides(pictures, asked):
    assert preference.questions(pictures, seed=3) == asked
    others = [preference.questions(pictures, seed) for seed in range(20)]
    assert len({tuple(o) for o in others}) == 20
    lefts = [q.a for o in others for q in o]
    assert all(
        40 < lefts.count(m) < 80 for m in METHODS
    )  # of 120 places for each; a side tells nothing


def test_a_shape_must_not_tell(pictures):
    pictures["cat"]["plain"] = np.zeros((8, 8, 3), np.float32)
    with pytest.raises(ValueError, match=r"scene cat: .* one shape"):
        preference.questions(pictures)
    with pytest.raises(ValueError, match="two pictures at least"):
        preference.questions({"gate": {"plain": np.zeros((8, 8, 3), np.float32)}})


# what the answers say


@pytest.mark.parametrize("seed", range(5))
def test_sides_are_undone(pictures, seed):
    asked = preference.questions(pictures, seed)
    answers = [
        "A" if q.a == "invented" or q.b == "plain" else "B" for q in asked
    ]  # invented, then sharpened
    counts = preference.tally(asked, answers)
    assert counts == {"invented": (6, 6), "sharpened": (3, 6), "plain": (0, 6)}
    assert list(counts) == ["invented", "sharpened", "plain"]


def test_a_tally_of_some_counts_only_what_was_answered(asked):
    counts = preference.tally(asked, ["A", "B"])
    assert sum(won for won, _ in counts.values()) == 2
    assert sum(shown for _, shown in counts.values()) == 4
    assert set(counts) == set(METHODS)


# Newcombe 1998, table I: the score method without continuity correction
KNOWN = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize("won, of, low, high", [*KNOWN, (20, 20, 0.8389, 1.0), (0, 0, 0, 1)])
def test_wilson(won, of, low, high):
    assert preference.wilson(won, of) == pytest.approx((low, high), abs=6e-5)


def test_wilson_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="5 of 4"):
        preference.wilson(5, 4)


def test_the_chart_shows_shares_and_intervals():
    counts = {"one": (9, 10), "two": (1, 10), "none yet": (0, 0)}
    (ax,) = preference.chart(counts, "Answers").axes
    assert [bar.get_width() for bar in ax.patches] == [90, 10, 0]
    assert [text.get_text() for text in ax.texts] == ["9 of 10", "1 of 10", "0 of 0"]
    ends = [line.get_xdata() for line in ax.lines[:3]]
    np.testing.assert_allclose(
        ends, [[100 * e for e in preference.wilson(*c)] for c in counts.values()]
    )


# what is kept


def test_answers_come_back(tmp_path, asked):
    path = tmp_path / "new folder" / "answers.json"
    assert preference.read(path, asked) == []
    preference.save(path, asked, ["A", "B"], "drawn at random")
    assert preference.read(path, asked) == ["A", "B"]
    assert json.loads(path.read_text())["note"] == "drawn at random"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"survey": "x"}', '{"survey": 1, "answers": 3}', b"\xff\xfe"]
)
@pytest.mark.parametrize("beyond", [False, True])
def test_a_damaged_file_is_named(tmp_path, asked, content, beyond):
    path = tmp_path / "answers.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if beyond:
        preference.save(path, asked, ["A", "C"])
    with pytest.raises(ValueError, match=r"answers\.json is damaged .* delete it"):
        preference.read(path, asked)


def test_answers_to_other_questions_are_refused(tmp_path, pictures, asked):
    path = tmp_path / "answers.json"
    preference.save(path, asked, ["A"])
    with pytest.raises(ValueError, match=r"answers\.json answers other questions"):
        preference.read(path, preference.questions(pictures, seed=4))
    preference.save(path, asked, ["A"] * 10)
    with pytest.raises(ValueError, match=r"answers\.json answers other questions"):
        preference.read(path, asked)


ANSWERING = """
import itertools, sys
from helpers.app import preference
asked = [preference.Question(f"scene {k}", "one", "two") for k in range(2000)]
for n in itertools.count():
    preference.save(sys.argv[1], asked, ["A"] * (n % 2000))
    print(n, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_answers_survive_a_kill(tmp_path):
    path = tmp_path / "answers.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWERING, str(path)], stdout=subprocess.PIPE, env=environment
    )
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    confirmed = int(process.stdout.read().split()[-1])
    process.wait()
    asked = [preference.Question(f"scene {k}", "one", "two") for k in range(2000)]
    assert len(preference.read(path, asked)) in {
        confirmed % 2000,
        (confirmed + 1) % 2000,
    }  # whole, and the latest


# the widget


def test_clicks_are_saved_and_undone(tmp_path, pictures, asked):
    path = tmp_path / "answers.json"
    progress, view, buttons = boxed(preference.widget(pictures, path, seed=3))
    assert set(buttons) == {"A", "B", "Undo"} and all(button.tooltip for button in buttons.values())
    assert buttons["Undo"].disabled and progress.description == "0 of 9"
    first = view.value
    buttons["A"].click()
    buttons["B"].click()
    assert preference.read(path, asked) == ["A", "B"] and progress.value == 2
    buttons["Undo"].click()
    buttons["Undo"].click()
    assert preference.read(path, asked) == [] and view.value == first and buttons["Undo"].disabled


def test_the_widget_shows_the_pair_and_not_the_methods(tmp_path, pictures, asked):
    box = preference.widget(pictures, tmp_path / "answers.json", seed=3)
    _, view, buttons = boxed(box)
    for number, (scene, *methods) in enumerate(asked, start=1):
        shown = re.findall(r'src="([^"]+)" alt="([^"]+)"', view.value)
        assert [uri for uri, _ in shown] == [embed.jpeg_uri(pictures[scene][m]) for m in methods]
        assert [alt for _, alt in shown] == [f"Picture {side} of pair {number}" for side in "AB"]
        assert not [m for m in METHODS if m in re.sub(r"base64,[\w+/=]+", "", view.value)]
        buttons["A"].click()
    assert buttons["A"].disabled and buttons["B"].disabled and not buttons["Undo"].disabled
    assert "<img" not in view.value


def test_the_widget_goes_on_where_it_stopped_and_ends_with_the_chart(
    tmp_path, pictures, asked, monkeypatch
):
    charts = []
    monkeypatch.setattr(preference.plots, "show", lambda figure, alt: charts.append(alt))
    path = tmp_path / "answers.json"
    preference.save(path, asked, ["A"] * 8)
    progress, _, buttons = boxed(preference.widget(pictures, path, seed=3))
    assert progress.value == 8 and not charts
    buttons["B"].click()
    assert preference.read(path, asked) == ["A"] * 8 + ["B"]
    assert len(charts) == 1 and all(m in charts[0] for m in METHODS)


def test_an_answer_that_cannot_be_kept_does_not_count(tmp_path, pictures, caplog):
    path = tmp_path / "answers.json"
    progress, _, buttons = boxed(preference.widget(pictures, path, seed=3))
    path.mkdir()  # where the file should go
    buttons["A"].click()
    assert progress.value == 0
    assert "cannot write" in caplog.text  # ipywidgets', where there is no notebook to show it in


# the page


def test_the_page_holds_every_pair_and_names_no_method(tmp_path, pictures, asked):
    text = preference.page(pictures, tmp_path / "survey.html", seed=3).read_text(encoding="utf-8")
    data = json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )
    shown = [[data["pictures"][k] for k in pair] for pair in data["pairs"]]
    assert shown == [[embed.jpeg_uri(pictures[q.scene][m]) for m in q[1:]] for q in asked]
    assert not [m for m in METHODS if m in text]
    assert not re.search(r"https?://|src=[\"']?/", text), "the page needs something from elsewhere"
    assert '<html lang="en">' in text and "img.alt" in text


def test_the_page_and_the_notebook_share_their_answers(tmp_path, pictures, asked):
    text = preference.page(pictures, tmp_path / "survey.html", seed=3).read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    downloaded = tmp_path / "answers.json"  # what the page's script makes of five clicks
    downloaded.write_text(json.dumps({"survey": data["survey"], "answers": list("ABBAB")}))
    assert preference.read(downloaded, asked) == list("ABBAB")


def test_without_a_front_end_nobody_can_click():
    assert not preference.clickable()


def test_a_front_end_names_the_cell(monkeypatch):
    message = {"metadata": {"cellId": "abc"}}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: message))
    monkeypatch.setattr(preference, "get_ipython", lambda: shell)
    assert preference.clickable()
    message["metadata"] = {}  # papermill and nbval
    assert not preference.clickable()
    message["metadata"] = {"cellId": "abc"}
    monkeypatch.setattr(preference, "find_spec", lambda name: None)  # no ipywidgets
    assert not preference.clickable()
