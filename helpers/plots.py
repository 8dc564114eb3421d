"""Every figure of the course: sheets, comparisons with a zoom, bars, networks, results."""

import io
import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers import ROOT, images
from helpers.images import Box

plt.style.use(ROOT / "helpers" / "course.mplstyle")

GREY, BLUE, BLACK, ORANGE, GREEN = plt.rcParams["axes.prop_cycle"].by_key()["color"][:5]
AMPLIFIED = 20  # a difference that is drawn eight times as strong may lie so far outside [0, 1]
RESULT = "application/vnd.image-restoration-course.result+json"


def show(figure: Figure, alt: str) -> None:
    """Display a figure.

    Parameters
    ----------
    alt : a sentence that stands for the figure where it cannot be seen. Lesson 01.
    """
    plt.close(figure)
    display(figure, metadata={"image/png": {"alt": alt}})


def sheet(pictures: Mapping[str, np.ndarray], title: str, columns: int = 5) -> Figure:
    """Lay pictures out as a contact sheet.

    Parameters
    ----------
    pictures : {caption: (h, w, 3) or (h, w)}, values in [0, 1], each of its own size
    title : the figure's message
    columns : pictures in a row

    Returns
    -------
    The figure, for `show`. Lesson 01.
    """
    rows = math.ceil(len(pictures) / columns)
    upright = max(p.shape[0] / p.shape[1] for p in pictures.values())
    height = min(1.65, 7.6 / columns * upright + 0.45)  # wide pictures want lower rows
    if any("\n" in caption for caption in pictures):
        height += 0.17
    size = (7.6, height * rows + 0.4)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (caption, picture) in zip(axes.flat, pictures.items(), strict=False):
        images.check_values(picture, -AMPLIFIED, AMPLIFIED)
        ax.imshow(np.clip(picture, 0, 1))
        ax.set_title(caption, loc="center", fontsize=8, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def compare(
    pictures: Mapping[str, np.ndarray],
    title: str,
    zoom: Box | None = None,
    scores: Mapping[str, str] | None = None,
) -> Figure:
    """Lay pictures of one scene side by side, and below each of them its zoom and its score.

    Parameters
    ----------
    pictures : {name: (h, w, 3) in [0, 1]}, baseline first, target last
    title : the figure's message
    zoom : a box in pixels of the target; smaller pictures are zoomed at the same place
    scores : {name: text}, what stands below a picture

    Returns
    -------
    The figure, for `show`. Lesson 04.
    """
    target = list(pictures.values())[-1]
    width = 8.4 / len(pictures)
    heights = [width * min(target.shape[0] / target.shape[1], 1.4)]
    if zoom is not None:
        heights = [0.6 * heights[0], width]  # the zoom is what matters
    figure, axes = plt.subplots(
        len(heights),
        len(pictures),
        figsize=(8.4, sum(heights) + 0.7),
        squeeze=False,
        height_ratios=heights,
    )
    for column, (name, picture) in zip(axes.T, pictures.items(), strict=True):
        images.check_values(picture, -AMPLIFIED, AMPLIFIED)
        picture = np.clip(picture, 0, 1)
        column[0].imshow(picture)
        column[0].set_title(name, loc="center")
        if zoom is not None:
            ratio = picture.shape[0] / target.shape[0]
            top, left, h, w = [round(v * ratio) for v in zoom]
            frame = Rectangle((left - 0.5, top - 0.5), w, h, fill=False, ec=ORANGE, lw=1.5)
            column[0].add_patch(frame)
            column[1].imshow(picture[top : top + h, left : left + w])
        column[-1].set_xlabel((scores or {}).get(name, ""))
        for ax in column:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def bars(
    values: Mapping[str, float], title: str, unit: str, ours: Sequence[str] = (), digits: int = 2
) -> Figure:
    """Draw horizontal bars from zero, with their values beside them.

    Parameters
    ----------
    values : {name: value}
    title : the figure's message
    unit : of the values, for the axis
    ours : names whose bars are blue; the others are grey
    digits : behind the point

    Returns
    -------
    The figure, for `show`. Lesson 04.
    """
    figure, ax = plt.subplots(figsize=(7, 0.36 * len(values) + 0.9))
    colours = [BLUE if name in ours else GREY for name in values]
    drawn = ax.barh(list(values), list(values.values()), color=colours, height=0.65)
    ax.bar_label(drawn, fmt=f"{{:z,.{digits}f}}", padding=3)  # z: no minus before a zero
    ax.invert_yaxis()
    ax.margins(x=0.14)
    ax.set(xlabel=unit, title=title)
    if min(values.values()) < 0:
        ax.axvline(0, color=BLACK, linewidth=0.8)
    return figure


def network(model, size: int = 44) -> Figure:
    """Draw a Keras network as a row of blocks: as high as the picture, as wide as the channels.

    Parameters
    ----------
    model : a functional network that takes (None, None, 3)
    size : the side of its input in the figure, in pixels

    Returns
    -------
    The figure, for `show`; arcs are skips. Lesson 04.
    """
    import keras

    tensors = [layer.output for layer in model.layers]
    outputs = keras.Model(model.input, tensors)(np.zeros((1, size, size, 3), np.float32))
    sides = np.sqrt([output.shape[1] for output in outputs])
    sides /= sides.max()
    widths = np.sqrt([output.shape[-1] for output in outputs])
    widths = 0.15 + 0.5 * widths / widths.max()
    places = {layer.name: i for i, layer in enumerate(model.layers)}
    colours = [BLUE if layer.count_params() else GREY for layer in model.layers]
    figure, ax = plt.subplots(figsize=(9, 2.9))
    ax.bar(range(len(sides)), 2 * sides, widths, -sides, color=colours, ec=colours, alpha=0.75)
    for i, layer in enumerate(model.layers):
        shape = "×".join(map(str, outputs[i].shape[1:]))
        text = f"{layer.name}\n{shape}\n{layer.count_params():,}"
        ax.text(i, -1.15, text, ha="center", va="top", fontsize=8)
        for tensor in keras.tree.flatten(layer.input):
            j = places[tensor._keras_history.operation.name]
            arrow = {"arrowstyle": "->", "color": BLACK}
            if i - j == 1:
                ends = (i - widths[i] / 2, 0), (j + widths[j] / 2, 0)
                ax.annotate("", *ends, arrowprops=arrow)
            elif i > j:  # the input layer's input is itself
                arrow = {"arrowstyle": "->", "color": ORANGE}
                arrow["connectionstyle"] = f"arc3,rad={-0.5 / (i - j) ** 0.5}"
                ax.annotate("", (i, sides[i]), (j, sides[j]), arrowprops=arrow)
    ax.set(xlim=(-0.6, len(sides) - 0.4), ylim=(-1.75, 1.9))
    ax.axis("off")
    parameters = f"{model.count_params():,} parameters"
    ax.set_title(f"{model.name}: {parameters}; under each block its output and parameters")
    return figure


def record(figure: Figure, alt: str, baseline: float, result: float, unit: str, what: str) -> None:
    """Show a lesson's before/after picture, and record its result where `helpers run` finds it.

    Parameters
    ----------
    alt : as in `show`
    baseline, result : in `unit`
    what : how both were measured. Lesson 02.
    """
    plt.close(figure)
    png = io.BytesIO()
    figure.savefig(png)
    before, after = [f"{v:,}" if isinstance(v, int) else f"{v:,.1f}" for v in (baseline, result)]
    text = f"{before} → {after} {unit}"
    entry = {
        "text": text,
        "what": what,
        "alt": alt,
        "baseline": baseline,
        "result": result,
        "unit": unit,
    }
    bundle = {"image/png": png.getvalue(), "text/plain": text, RESULT: entry}
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})
    print(f"{what}: {text}")
