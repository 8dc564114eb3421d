"""What the site and the Korean edition both ask about the course."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def address(root: Path) -> str:
    """Where the course's repository is.

    Parameters
    ----------
    root : the course's folder

    Returns
    -------
    the address that `make address` wrote into `pyproject.toml`
    """
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]
