"""`make slides`: the headings, figures and printed lines of each lesson, as slides for a lecture.

    .venv/bin/python -m instructors.slides [--to FOLDER] [--reveal ADDRESS]

Nothing is executed: what the committed notebooks show is shown. Code and most of the prose are
left out. The slides are HTML for reveal.js, which a browser fetches from the internet; without one,
give --reveal the folder of a copy, as seen from the slides.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from tqdm.auto import tqdm

from helpers import ROOT
from helpers.files import replacing

MOST_LINES = 16  # of printed text; a longer one does not fit


def shortened(source: str) -> str:
    """The first heading of a cell of prose, and the first sentence below it."""
    heading, _, below = source.partition("\n")
    paragraphs = [text for text in below.split("\n\n") if re.match(r"\s*[\w“*`]", text)]
    if not paragraphs:
        return heading
    sentence = re.split(r"(?<=[.?!:]) ", " ".join(paragraphs[0].split()))[0]
    return f"{heading}\n\n{sentence}"


def fits(output: dict) -> bool:
    """Whether an output is a picture, or text that a slide has room for."""
    if output.get("output_type") == "stream":
        return output["text"].count("\n") <= MOST_LINES
    return "image/png" in output.get("data", {})


def deck(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A lesson as slides: one a heading, and one below for each cell that shows something.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        An executed lesson.

    Returns
    -------
    nbformat.NotebookNode
        The given one is left as it is.
    """
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            slide = nbformat.v4.new_markdown_cell(shortened(cell.source))
            slide.metadata = {"slideshow": {"slide_type": "slide"}}
            cells.append(slide)
        elif cell.cell_type == "code" and any(map(fits, cell.outputs)):
            outputs = [output for output in cell.outputs if fits(output)]
            slide = nbformat.v4.new_code_cell(outputs=outputs)
            slide.metadata = {"slideshow": {"slide_type": "subslide"}}
            cells.append(slide)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "slides", metavar="FOLDER")
    parser.add_argument("--reveal", metavar="ADDRESS", help="of reveal.js, instead of nbconvert's")
    args = parser.parse_args(argv)
    exporter = SlidesExporter(exclude_input=True, exclude_output_prompt=True)
    if args.reveal:
        exporter.reveal_url_prefix = args.reveal
    for path in tqdm(sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), "slides", unit="lesson"):
        notebook = deck(nbformat.read(path, as_version=4))
        text, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        with replacing(args.to / f"{path.stem}.html") as part:
            part.write_text(text, encoding="utf-8")
    print(f"slides: {args.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
