"""Every figure of the course: contact sheets, comparisons with a zoom, bars, networks, and a lesson's result."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from helpers import ROOT, images
from helpers.images import Box

plt.style.use(ROOT / "helpers" / "course.mplstyle")

GREY, BLUE, BLACK, ORANGE, GREEN = plt.rcParams["axes.prop_cycle"].by_key()["color"][:5]
RESULT = "application/vnd.image-restoration-course.result+json"


def show(figure: Figure, alt: str) -> None:
    """Display a figure with its alt text, the sentence that stands for it where it cannot be seen."""
    plt.close(figure)
    display(figure, metadata={"image/png": {"alt": alt}})


def sheet(pictures: Mapping[str, np.ndarray], title: str, columns: int = 5) -> Figure:
    """A contact sheet: {caption: picture}, each at its own shape."""
    rows = -(-len(pictures) // columns)
    upright = max((p.shape[0] / p.shape[1] for p in pictures.values()), default=1)
    # wide pictures want lower rows, captions of two lines higher ones
    height = min(1.65, 7.6 / columns * upright + 0.45) + 0.17 * any(
        "\n" in caption for caption in pictures
    )
    figure, axes = plt.subplots(rows, columns, figsize=(7.6, height * rows + 0.4), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, (caption, picture) in zip(axes.flat, pictures.items(), strict=False):
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
    """Pictures of one scene side by side, baseline → ours → target; below each the same zoom, and its score.

    `zoom` is in pixels of the last picture (the target); smaller pictures, such as the input, are zoomed
    at the same place. `scores` are {name: text} and stand under the pictures.
    """
    target = list(pictures.values())[-1]
    width, upright = 8.4 / len(pictures), min(target.shape[0] / target.shape[1], 1.4)
    heights = (
        [width * upright] if zoom is None else [0.6 * width * upright, width]
    )  # the zoom is what matters
    size = (8.4, sum(heights) + 0.7)
    figure, axes = plt.subplots(
        len(heights), len(pictures), figsize=size, squeeze=False, height_ratios=heights
    )
    for column, (name, picture) in zip(axes.T, pictures.items(), strict=True):
        column[0].imshow(np.clip(picture, 0, 1))
        column[0].set_title(name, loc="center")
        if zoom is not None:
            ratio = picture.shape[0] / target.shape[0]
            top, left, h, w = (round(v * ratio) for v in zoom)
            corner = (left - 0.5, top - 0.5)
            column[0].add_patch(
                Rectangle(corner, w, h, fill=False, edgecolor=ORANGE, linewidth=1.5)
            )
            column[1].imshow(np.clip(picture[top : top + h, left : left + w], 0, 1))
        if scores and name in scores:
            column[-1].set_xlabel(scores[name])
        for ax in column:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def jpeg_uri(picture: np.ndarray, quality: int = 95) -> str:
    """(h, w, 3) in [0, 1] as a JPEG inside an address, for HTML that needs no other file; colour at full resolution."""
    Image.fromarray(images.to_uint8(picture)).save(
        file := io.BytesIO(), "JPEG", quality=quality, subsampling=0
    )
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def slider(
    before: np.ndarray, after: np.ndarray, alt: str, captions: Sequence[str] = ("before", "after")
) -> HTML:
    """Two pictures one over the other, and a slider, for mouse and arrow keys, that moves the border between them.

    For a notebook: `display(slider(lr, sr, "…"))`. Self-contained HTML with two JPEGs of at most 640 pixels, together
    less than 1 MB whatever they show; the smaller picture is enlarged without smoothing to the larger one's size. `alt`
    describes them to who cannot see them; without JavaScript both halves show. ValueError for different proportions.
    """
    h, w = max(before.shape, after.shape)[:2]
    if any(abs(p.shape[0] * w - p.shape[1] * h) > max(h, w) for p in (before, after)):
        raise ValueError(f"pictures of different proportions: {before.shape} and {after.shape}")
    size, sources = tuple(max(1, round(n * min(1, 640 / max(h, w)))) for n in (h, w)), []
    for picture in (before, after):
        how = "nearest" if picture.shape[0] < size[0] else "area"
        sources.append(jpeg_uri(images.resize(picture, size, how), 85))
    first, second, alt = (html.escape(text) for text in (*captions, alt))
    cut = "position:absolute;inset:0;width:100%;clip-path:inset(0 0 0 var(--at,50%))"
    move = "this.parentNode.style.setProperty('--at', this.value + '%')"
    return HTML(
        f'<figure style="margin:0;max-width:{size[1]}px"><div style="position:relative;line-height:0">'
        f'<img src="{sources[0]}" alt="{alt}: {first}" style="width:100%">'
        f'<img src="{sources[1]}" alt="{alt}: {second}" style="{cut}"></div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{first} to the left, {second} to the right"'
        f' style="width:100%;margin:4px 0" oninput="{move}"><figcaption>{first} | {second}</figcaption></figure>'
    )


def bars(
    values: Mapping[str, float], title: str, unit: str, ours: Sequence[str] = (), digits: int = 2
) -> Figure:
    """Horizontal bars from zero, their values written beside them; the names in `ours` are blue, the others grey."""
    figure, ax = plt.subplots(figsize=(7, 0.36 * len(values) + 0.9))
    colours = [BLUE if name in ours else GREY for name in values]
    drawn = ax.barh(list(values), list(values.values()), color=colours, height=0.65)
    ax.bar_label(
        drawn, [f"{round(v, digits) + 0.0:,.{digits}f}" for v in values.values()], padding=3
    )
    ax.invert_yaxis()
    ax.margins(x=0.14)
    ax.set(xlabel=unit, title=title)
    if min(values.values()) < 0:
        ax.axvline(0, color=BLACK, linewidth=0.8)
    return figure


def network(model, size: int = 44) -> Figure:
    """A Keras network as a row of blocks: height is the picture's side, width the channels; arcs are skips."""
    import keras

    tensors = [layer.output for layer in model.layers]
    outputs = keras.Model(model.input, tensors)(np.zeros((1, size, size, 3), np.float32))
    shapes = [tuple(o.shape[1:]) for o in outputs]
    sides = np.sqrt([s[0] for s in shapes]) / np.sqrt(max(s[0] for s in shapes))
    widths = 0.15 + 0.5 * np.sqrt([s[-1] for s in shapes]) / np.sqrt(max(s[-1] for s in shapes))
    figure, ax = plt.subplots(figsize=(9, 2.9))
    index = {layer.name: i for i, layer in enumerate(model.layers)}
    for i, (layer, shape) in enumerate(zip(model.layers, shapes, strict=True)):
        colour = GREY if not layer.count_params() else BLUE
        ax.add_patch(
            Rectangle(
                (i - widths[i] / 2, -sides[i]), widths[i], 2 * sides[i], color=colour, alpha=0.75
            )
        )
        text = f"{layer.name}\n{'×'.join(map(str, shape))}\n{layer.count_params():,}"
        ax.text(i, -1.15, text, ha="center", va="top", fontsize=8)
        sources = layer.input if i else []
        for tensor in sources if isinstance(sources, list) else [sources]:
            j = index[tensor._keras_history.operation.name]
            if i - j == 1:
                ends = (j + widths[j] / 2, 0), (i - widths[i] / 2, 0)
                ax.annotate("", ends[1], ends[0], arrowprops={"arrowstyle": "->", "color": BLACK})
            else:
                bow = {
                    "arrowstyle": "->",
                    "color": ORANGE,
                    "connectionstyle": f"arc3,rad={-0.5 / (i - j) ** 0.5}",
                }
                ax.annotate("", (i, sides[i]), (j, sides[j]), arrowprops=bow)
    ax.set(xlim=(-0.6, len(shapes) - 0.4), ylim=(-1.75, 1.9))
    ax.axis("off")
    ax.set_title(
        f"{model.name}: {model.count_params():,} parameters; under each block its output and parameters"
    )
    return figure


def record(figure: Figure, alt: str, baseline: float, result: float, unit: str, what: str) -> None:
    """Show a lesson's before/after picture and record its result where `helpers run` finds it.

    `baseline` and `result` are in `unit`; `what` says how they were measured.
    """
    plt.close(figure)
    png = io.BytesIO()
    figure.savefig(png)
    before, after = (f"{v:,}" if isinstance(v, int) else f"{v:,.1f}" for v in (baseline, result))
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
