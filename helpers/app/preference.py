"""A blind survey: which of two pictures do you prefer? Asked in the notebook, or on a page that needs nothing else."""

import base64
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from IPython import get_ipython
from matplotlib.figure import Figure
from scipy.stats import binomtest

from helpers import on_colab, plots
from helpers.files import replacing

Pictures = Mapping[str, Mapping[str, np.ndarray]]  # {scene: {method: (h, w, 3) in [0, 1]}}
BUTTONS = {"A": "Prefer picture A", "B": "Prefer picture B", "Undo": "Take back the last answer"}


class Question(NamedTuple):
    """Two pictures of one scene: the method whose picture is shown as A, and the one shown as B."""

    scene: str
    a: str
    b: str


def questions(pictures: Pictures, seed: int = 0) -> list[Question]:
    """Each two methods on each scene, in an order and on sides that `seed` draws.

    ValueError where a scene has fewer than two pictures, or pictures of different shapes, which would tell them apart.
    """
    for scene, made in pictures.items():
        if len(made) < 2 or len({np.shape(p) for p in made.values()}) != 1:
            raise ValueError(
                f"scene {scene}: two pictures at least are needed, and all of one shape"
            )
    draw = np.random.default_rng(seed).permutation
    asked = [
        Question(s, *draw(two).tolist())
        for s, made in pictures.items()
        for two in combinations(made, 2)
    ]
    return [asked[k] for k in draw(len(asked))]


def wilson(won: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share, from 0 to 1: `won` of `of` answers; (0, 1) without answers.

    Unlike share ± 1.96·√(share·(1 − share)/of) it never leaves [0, 1], and is not empty at none or all.
    ValueError where `won` is not in 0 … `of`. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not 0 <= won <= of:
        raise ValueError(f"{won} of {of} answers; expected 0 to {of}")
    if of == 0:
        return 0.0, 1.0
    interval = binomtest(won, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def tally(asked: Sequence[Question], answers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """{method: (how often it was preferred, how often it was shown)}, best first; `answers` are "A" and "B"."""
    answered = list(zip(asked, answers, strict=False))
    won, shown = (
        [q.a if x == "A" else q.b for q, x in answered],
        [m for q, _ in answered for m in q[1:]],
    )
    counts = {m: (won.count(m), shown.count(m)) for m in sorted({m for q in asked for m in q[1:]})}
    return dict(sorted(counts.items(), key=lambda item: -item[1][0] / max(1, item[1][1])))


def chart(counts: Mapping[str, tuple[int, int]], title: str) -> Figure:
    """How often each method of `tally` was preferred, % of its pairs, with 95 % intervals of Wilson."""
    share = {m: 100 * won / max(1, of) for m, (won, of) in counts.items()}
    figure = plots.bars(
        share, title, "preferred, % of its pairs; half is chance", ours=share, digits=0
    )
    (ax,) = figure.axes
    for text, (y, m) in zip(ax.texts, enumerate(share), strict=True):
        text.set_text("{} of {}".format(*counts[m]))
        text.xy = 101, y  # clear of its interval
        ax.plot([100 * end for end in wilson(*counts[m])], [y, y], "|-", color=plots.BLACK)
    ax.axvline(50, color=plots.GREY, linestyle="--")
    ax.set_xlim(0, 115)
    return figure


def _survey(asked: Sequence[Question]) -> str:
    return f"{zlib.crc32(json.dumps(asked).encode()):08x}"


def read(path: str | os.PathLike, asked: Sequence[Question]) -> list[str]:
    """The answers kept in `path`, "A" or "B" for each of the first questions; none where there is no such file.

    ValueError that names the file where it is damaged, or answers other questions.
    """
    try:
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        survey, answers = (
            kept["survey"],
            [{"A": "A", "B": "B"}[answer] for answer in kept["answers"]],
        )
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
    """Write `answers` to `path` as JSON, whole or not at all; `note` says in words where they come from."""
    with replacing(path) as part:
        part.write_text(
            json.dumps({"survey": _survey(asked), "note": note, "answers": answers}),
            encoding="utf-8",
        )


def widget(pictures: Pictures, path: str | os.PathLike, seed: int = 0):
    """The survey as an ipywidgets box: A, B and Undo, saved to `path` after each click; it goes on where it stopped.

    When all is answered it shows the `chart`. Raises what `questions` and `read` do.
    """
    from ipywidgets import HTML, Button, HBox, IntProgress, Output, VBox

    asked = questions(pictures, seed)
    answers = read(path, asked)
    buttons = [Button(description=name, tooltip=tip) for name, tip in BUTTONS.items()]
    progress, view, result = IntProgress(max=len(asked)), HTML(), Output()

    def draw():
        done, over, shown = len(answers), len(answers) == len(asked), []
        progress.value, progress.description = done, f"{done} of {len(asked)}"
        for side, method in zip("AB", () if over else asked[done][1:], strict=False):
            uri = plots.jpeg_uri(pictures[asked[done].scene][method])
            shown.append(
                f'<figure>{side}<br><img src="{uri}" alt="Picture {side} of pair {done + 1}"></figure>'
            )
        view.value = f'<div style="display:flex">{"".join(shown)}</div>'
        for button in buttons:
            button.disabled = not done if button.description == "Undo" else over
        if over:
            with result:
                plots.show(
                    chart(tally(asked, answers), "Your answers"),
                    f"Preferred, shown: {tally(asked, answers)}",
                )

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


def page(pictures: Pictures, path: str | os.PathLike, seed: int = 0) -> Path:
    """The survey as one HTML file without anything from elsewhere; it offers its answers as a file for `read`.

    Keys A, B, ← and →; kept in the browser after each answer. Which method made what is coded until the end.
    """
    asked = questions(pictures, seed)
    made = list(dict.fromkeys((q.scene, method) for q in asked for method in q[1:]))
    data = {"survey": _survey(asked), "pictures": [plots.jpeg_uri(pictures[s][m]) for s, m in made]}
    data["pairs"] = [[made.index((q.scene, method)) for method in q[1:]] for q in asked]
    data["key"] = base64.b64encode(json.dumps([q[1:] for q in asked]).encode()).decode()
    template = Path(__file__).with_name("preference.html").read_text(encoding="utf-8")
    with replacing(path) as part:
        part.write_text(template.replace("DATA", json.dumps(data)), encoding="utf-8")
    return Path(path)


def clickable() -> bool:
    """Whether somebody can click here: JupyterLab, Notebook 7, VS Code and Colab; not papermill, nbval or a script."""
    kernel = getattr(get_ipython(), "kernel", None)
    told = kernel and (
        on_colab() or "cellId" in kernel.get_parent().get("metadata", {})
    )  # only front ends name a cell
    return bool(told and find_spec("ipywidgets"))
