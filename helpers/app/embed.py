"""Pictures inside HTML that needs no other file: a JPEG as an address, and a slider over two."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from IPython.display import HTML
from PIL import Image

from helpers import images


def jpeg_uri(picture: np.ndarray, quality: int = 95) -> str:
    """Write a picture as a JPEG into an address, for HTML that needs no other file.

    Parameters
    ----------
    picture : (h, w, 3) in [0, 1]
    quality : Pillow's, 1 to 95; colour keeps its full resolution

    Returns
    -------
    "data:image/jpeg;base64,…". Lesson 09.
    """
    file = io.BytesIO()
    pixels = Image.fromarray(images.to_uint8(picture))
    pixels.save(file, "JPEG", quality=quality, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def slider(
    before: np.ndarray, after: np.ndarray, alt: str, captions: Sequence[str] = ("before", "after")
) -> HTML:
    """Lay two pictures over one another, with a slider that moves the border between them.

    Parameters
    ----------
    before, after : (h, w, 3) in [0, 1], of one proportion; shown at the larger one's size, at
        most 640 pixels wide and high, the smaller one enlarged without smoothing
    alt : what the pictures show, for who cannot see them
    captions : of both

    Returns
    -------
    HTML for `display`, less than 1 MB, for mouse and arrow keys; without JavaScript it shows
    half of each.

    Raises
    ------
    ValueError : the proportions differ. Lesson 10.
    """
    h, w = max(before.shape, after.shape)[:2]
    if any(abs(p.shape[0] * w - p.shape[1] * h) > max(h, w) for p in (before, after)):
        raise ValueError(f"pictures of different proportions: {before.shape} and {after.shape}")
    scale = min(1, 640 / max(h, w))
    size = (max(1, round(h * scale)), max(1, round(w * scale)))
    sources = []
    for picture in (before, after):
        method = "nearest" if picture.shape[0] < size[0] else "area"
        sources.append(jpeg_uri(images.resize(picture, size, method), 85))
    first, second, alt = [html.escape(text) for text in (*captions, alt)]
    cut = "position:absolute;inset:0;width:100%;clip-path:inset(0 0 0 var(--at,50%))"
    move = "this.parentNode.style.setProperty('--at', this.value + '%')"
    label = f"{first} to the left, {second} to the right"
    return HTML(
        f'<figure style="margin:0;max-width:{size[1]}px">'
        '<div style="position:relative;line-height:0">'
        f'<img src="{sources[0]}" alt="{alt}: {first}" style="width:100%">'
        f'<img src="{sources[1]}" alt="{alt}: {second}" style="{cut}"></div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}"'
        f' style="width:100%;margin:4px 0" oninput="{move}">'
        f"<figcaption>{first} | {second}</figcaption></figure>"
    )
