"""`make student`: the student editions, made from the source notebooks by nbgrader's own
preprocessors.
"""

import sys
from pathlib import Path

import nbformat
from nbgrader import preprocessors
from traitlets.config import Config, PyFileConfigLoader

from helpers.files import replacing
from instructors import exercises

ORDER = (
    "CheckCellMetadata",
    "ClearSolutions",
    "LockCells",
    "ClearOutput",
    "ClearHiddenTests",
    "ComputeChecksums",
)


def config() -> Config:
    """`nbgrader_config.py`, so that nbgrader itself would make the same student edition."""
    return PyFileConfigLoader("nbgrader_config.py", str(Path(__file__).parent)).load_config()


def edition(path: Path) -> nbformat.NotebookNode:
    """The student edition of a source notebook: no solution, no hidden test, no output.

    ValueError where the source breaks a rule of `instructors/README.md`.
    """
    exercises.read(path)
    notebook, resources = nbformat.read(path, as_version=4), {}
    for name in ORDER:
        notebook, resources = getattr(preprocessors, name)(config=config()).preprocess(
            notebook, resources
        )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        if "collapsed" in cell.metadata:
            del cell.metadata["collapsed"]
    return notebook


def main(folder: Path = exercises.STUDENT) -> int:
    """Write every lesson's student edition into `folder`."""
    for name in exercises.names():
        to = folder / f"{name}.ipynb"
        with replacing(to) as part:
            nbformat.write(edition(exercises.source(name)), part)
        lesson = exercises.read(exercises.source(name))
        points = f"{lesson.machine:g} points by machine, {lesson.manual:g} by hand"
        asked = f"{len(lesson.exercises)} exercises, {points}"
        print(f"{to.name}: {asked}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
