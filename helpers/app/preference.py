"""A blind survey: which of two pictures do you prefer?

It is asked in the notebook, or on a page that needs nothing else.
"""

import base64
import json
import os
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from IPython import get_ipython
from matplotlib.figure import Figure
from scipy.stats import binomtest

from helpers import plots
from helpers.app import embed, runtime
from helpers.files import replacing

Pictures = Mapping[str, Mapping[str, np.ndarray]]  # {scene: {method: (h, w, 3) in [0, 1]}}
BUTTONS = {"A": "Prefer picture A", "B": "Prefer picture B", "Undo": "Take back the last answer"}


class Question(NamedTuple):
    """Two pictures of one scene: the method whose picture is shown as A, and the one shown as B."""

    scene: str
    a: str
    b: str


def questions(pictures: Pictures, seed: int = 0) -> list[Question]:
    """Each two methods on each scene, in an order and on sides that a seed draws.

    Parameters
    ----------
    pictures : {scene: {method: (h, w, 3) in [0, 1]}}
    seed : a whole number

    Returns
    -------
    the questions

    Raises
    ------
    ValueError : a scene has fewer than two pictures, or pictures of different shapes, which would
        tell them apart

    Lesson 09.
    """
    for scene, made in pictures.items():
        if len(made) < 2 or len({np.shape(p) for p in made.values()}) != 1:
            raise ValueError(
                f"scene {scene}: two pictures at least are needed, and all of one shape"
            )
    draw = np.random.default_rng(seed).permutation
    asked = []
    for scene, made in pictures.items():
        for pair in combinations(made, 2):
            left, right = draw(pair).tolist()
            asked.append(Question(scene, left, right))
    return [asked[k] for k in draw(len(asked))]


def wilson(won: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share.

    Unlike share ± 1.96·√(share·(1 − share)/of) it never leaves [0, 1], and it is not empty at none
    or all. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Parameters
    ----------
    won, of : `won` of `of` answers

    Returns
    -------
    both ends, from 0 to 1; (0, 1) without answers

    Raises
    ------
    ValueError : `won` is not in 0 … `of`

    Lesson 09.
    """
    if not 0 <= won <= of:
        raise ValueError(f"{won} of {of} answers; expected 0 to {of}")
    if of == 0:
        return 0.0, 1.0
    interval = binomtest(won, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def tally(asked: Sequence[Question], answers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count how often each method was preferred.

    Parameters
    ----------
    asked : the questions
    answers : "A" or "B" for each of the first questions

    Returns
    -------
    {method: (how often it was preferred, how often it was shown)}, best first

    Lesson 09.
    """
    won = Counter()
    shown = Counter()
    for question, answer in zip(asked, answers, strict=False):
        won[question.a if answer == "A" else question.b] += 1
        shown.update([question.a, question.b])
    methods = sorted({method for question in asked for method in (question.a, question.b)})
    methods.sort(key=lambda method: won[method] / max(1, shown[method]), reverse=True)
    return {method: (won[method], shown[method]) for method in methods}


def chart(counts: Mapping[str, tuple[int, int]], title: str) -> Figure:
    """Bars: how often each method was preferred, with 95 % intervals of Wilson.

    Parameters
    ----------
    counts : of `tally`
    title : what the figure says

    Returns
    -------
    the figure; its axis is in % of a method's pairs

    Lesson 09.
    """
    share = {method: 100 * won / max(1, of) for method, (won, of) in counts.items()}
    figure = plots.bars(
        share, title, "preferred, % of its pairs; half is chance", ours=share, digits=0
    )
    (ax,) = figure.axes
    for y, (method, text) in enumerate(zip(share, ax.texts, strict=True)):
        won, of = counts[method]
        text.set_text(f"{won} of {of}")
        text.xy = 101, y  # clear of its interval
        ends = [100 * end for end in wilson(won, of)]
        ax.plot(ends, [y, y], "|-", color=plots.BLACK)
    ax.axvline(50, color=plots.GREY, linestyle="--")
    ax.set_xlim(0, 115)
    return figure


def _survey(asked: Sequence[Question]) -> str:
    """A number that other questions do not have."""
    return f"{zlib.crc32(json.dumps(asked).encode()):08x}"


def read(path: str | os.PathLike, asked: Sequence[Question]) -> list[str]:
    """Read the answers that are kept in a file.

    Parameters
    ----------
    path : written by `save`, or downloaded from `page`
    asked : the questions

    Returns
    -------
    "A" or "B" for each of the first questions; none where there is no such file

    Raises
    ------
    ValueError : the file is damaged, or answers other questions

    Lesson 09.
    """
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        survey = kept["survey"]
        answers = [{"A": "A", "B": "B"}[answer] for answer in kept["answers"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error!r}); delete it to start anew, or bring back a copy"
        ) from error
    if survey != _survey(asked) or len(answers) > len(asked):
        raise ValueError(
            f"{path} answers other questions (scenes, methods or seed); name another file"
        )
    return answers


def save(
    path: str | os.PathLike, asked: Sequence[Question], answers: Sequence[str], note: str = ""
) -> None:
    """Write the answers as JSON, whole or not at all.

    Parameters
    ----------
    path : the file
    asked : the questions
    answers : "A" or "B" for each of the first questions
    note : says in words where they come from

    Lesson 09.
    """
    kept = {"survey": _survey(asked), "note": note, "answers": answers}
    with replacing(path) as part:
        part.write_text(json.dumps(kept), encoding="utf-8")


def widget(pictures: Pictures, path: str | os.PathLike, seed: int = 0):
    """The survey as an ipywidgets box: A, B and Undo; it goes on where it stopped.

    When everything is answered it shows the `chart`.

    Parameters
    ----------
    pictures, seed : of `questions`
    path : where the answers are saved after each click

    Returns
    -------
    the box

    Raises
    ------
    ValueError : as `questions` and `read`

    Lesson 09.
    """
    from ipywidgets import HTML, Button, HBox, IntProgress, Output, VBox

    asked = questions(pictures, seed)
    answers = read(path, asked)
    buttons = [Button(description=name, tooltip=tip) for name, tip in BUTTONS.items()]
    progress = IntProgress(max=len(asked))
    view = HTML()
    result = Output()

    def draw():
        done = len(answers)
        over = done == len(asked)
        progress.value = done
        progress.description = f"{done} of {len(asked)}"
        view.value = _pair(pictures, None if over else asked[done], done + 1)
        for button in buttons:
            button.disabled = done == 0 if button.description == "Undo" else over
        if over:
            counts = tally(asked, answers)
            with result:
                plots.show(chart(counts, "Your answers"), f"Preferred, shown: {counts}")

    @result.capture(clear_output=True)  # an error is seen there
    def click(button):
        after = answers[:-1] if button.description == "Undo" else [*answers, button.description]
        save(path, asked, after)  # first, so that what is shown as answered is on the disk
        answers[:] = after
        draw()

    for button in buttons:
        button.on_click(click)
    draw()
    return VBox([progress, view, HBox(buttons), result])


def _pair(pictures: Pictures, question: Question | None, number: int) -> str:
    """HTML that shows both pictures of a question, and names neither method."""
    shown = []
    if question:
        for side, method in {"A": question.a, "B": question.b}.items():
            uri = embed.jpeg_uri(pictures[question.scene][method])
            picture = f'<img src="{uri}" alt="Picture {side} of pair {number}">'
            shown.append(f"<figure>{side}<br>{picture}</figure>")
    return f'<div style="display:flex">{"".join(shown)}</div>'


def page(pictures: Pictures, path: str | os.PathLike, seed: int = 0) -> Path:
    """Write the survey as one HTML file that needs nothing from elsewhere.

    Keys A, B, ← and → work, too. The browser keeps each answer, and the page offers them as a file
    for `read`. Which method made which picture is coded until the end.

    Parameters
    ----------
    pictures, seed : of `questions`
    path : the file

    Returns
    -------
    its path

    Lesson 09.
    """
    asked = questions(pictures, seed)
    places = {}  # of each picture in the page, by scene and method
    pairs = []
    for question in asked:
        left = places.setdefault((question.scene, question.a), len(places))
        right = places.setdefault((question.scene, question.b), len(places))
        pairs.append([left, right])
    key = json.dumps([[question.a, question.b] for question in asked])
    data = {
        "survey": _survey(asked),
        "pictures": [embed.jpeg_uri(pictures[scene][method]) for scene, method in places],
        "pairs": pairs,
        "key": base64.b64encode(key.encode()).decode(),
    }
    template = Path(__file__).with_name("preference.html").read_text(encoding="utf-8")
    with replacing(path) as part:
        part.write_text(template.replace("DATA", json.dumps(data)), encoding="utf-8")
    return Path(path)


def clickable() -> bool:
    """Whether somebody can click here.

    Returns
    -------
    True in JupyterLab, Notebook 7, VS Code and Colab; False in papermill, nbval or a script

    Lesson 09.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or find_spec("ipywidgets") is None:
        return False
    # Only front ends name a cell.
    return runtime.on_colab() or "cellId" in kernel.get_parent().get("metadata", {})
