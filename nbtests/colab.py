"""Colab's published list, `colab.txt`: renew it, and hold an environment against it.

- `renew` fetches the list that Colab publishes, and writes it with its date;
- `packages` names what an environment like Colab's begins with;
- `check` says which package of this Python is there in another version than on Colab.
"""

import argparse
import importlib.metadata
import re
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.utils import canonicalize_name

LIST = Path(__file__).with_name("colab.txt")
PROJECT = Path(__file__).parent.parent / "pyproject.toml"
NEWEST = "https://api.github.com/repos/googlecolab/backend-info/commits"
FILES = "https://raw.githubusercontent.com/googlecolab/backend-info"
RENEWAL = "# Renew it: .venv/bin/python nbtests/colab.py renew"
OLD = 60  # days
KEPT = ("tensorflow", "keras", "numpy")  # a session whose versions of these change must restart


def pins(text: str) -> dict[str, str]:
    """Version by package. A line that installs from an address has no version to hold to."""
    found = re.findall(r"^([\w.-]+)==([\w.!+]+)$", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def published(text: str) -> date:
    """The day that the list was published, from its first line."""
    return date.fromisoformat(re.match(r"# Colab's list of (\d{4}-\d\d-\d\d)", text)[1])


def overdue(text: str, today: date) -> str:
    """What to do where the list is old, else nothing."""
    days = (today - published(text)).days
    return f"{LIST.name} is {days} days old, more than {OLD}. {RENEWAL[2:]}" if days > OLD else ""


def python(text: str) -> str:
    """Colab's Python, such as "3.13"."""
    return re.search(r"^# Python (3\.\d+)", text, re.MULTILINE)[1]


def renew(path: Path = LIST, newest: str = NEWEST, files: str = FILES) -> str:
    """Write the newest published list.

    Parameters
    ----------
    path : where it goes; it stays as it is where anything fails
    newest, files : addresses of the repository's commits and of its files

    Returns
    -------
    the list's first line

    Raises
    ------
    ConnectionError : no network, or the address gives something else
    ValueError : the answer is no list of packages
    """
    import requests

    def fetched(address: str, **query) -> requests.Response:
        try:
            answer = requests.get(address, params=query, timeout=30)
            answer.raise_for_status()
        except requests.HTTPError as error:
            code = error.response.status_code
            raise ConnectionError(f"{address} answers {code}; {path.name} stays as it is") from None
        except requests.RequestException:
            raise ConnectionError(
                f"cannot reach {address}: is the network there? {path.name} stays as it is"
            ) from None
        return answer

    try:
        commit = fetched(newest, path="pip-freeze.txt", per_page=1).json()[0]
        sha = commit["sha"]
        day = datetime.fromisoformat(commit["commit"]["committer"]["date"]).astimezone(UTC).date()
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{newest} does not name a commit; {path.name} stays as it is") from None
    versions = fetched(f"{files}/{sha}/os-info.txt").text
    system = re.search(r"^Python (3\.\d+\.\d+)", versions, re.MULTILINE)
    lines = [
        line
        for line in fetched(f"{files}/{sha}/pip-freeze.txt").text.splitlines()
        if re.fullmatch(r"[\w.-]+==[\w.!+]+", line)
    ]
    if not system or not set(KEPT) <= set(pins("\n".join(lines))):
        raise ValueError(
            f"{files}/{sha} has no Python, TensorFlow, Keras or NumPy; {path.name} stays as it is"
        )
    head = f"# Colab's list of {day}, whole: googlecolab/backend-info, commit {sha[:7]}"
    text = [head, f"# Python {system[1]}", RENEWAL, *lines]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return head


def packages() -> list[str]:
    """What Colab has of the course's direct dependencies: `setup()` adds the others."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    direct = [re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]]
    here = pins(LIST.read_text(encoding="utf-8"))
    return [
        f"{name}=={here[canonicalize_name(name)]}"
        for name in direct
        if canonicalize_name(name) in here
    ]


def touched() -> list[str]:
    """The packages that are in this Python in another version than on Colab."""
    here = {
        canonicalize_name(package.name): package.version
        for package in importlib.metadata.distributions()
    }
    wanted = pins(LIST.read_text(encoding="utf-8"))
    lacking = [f"{name} is not installed" for name in KEPT if name not in here]
    return lacking + [
        f"{name} is {here[name]}, on Colab {version}"
        for name, version in wanted.items()
        if here.get(name, version) != version
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["renew", "packages", "check"])
    what = parser.parse_args().what
    if what == "renew":
        try:
            print(renew())
        except (ConnectionError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
    elif what == "packages":
        print(*packages(), sep="\n")
    else:
        wrong = touched()
        print(*wrong or ["as on Colab"], sep="\n")
        return int(bool(wrong))
    return 0


if __name__ == "__main__":
    sys.exit(main())
