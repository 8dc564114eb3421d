"""What a robots.txt allows, by RFC 9309."""

import fnmatch
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from urllib.parse import urlsplit

from requests.utils import requote_uri


class Robots:
    """The rules of a robots.txt for one robot.

    Of all rules that fit an address the longest decides; of two that are as long, the one that
    allows. What no rule fits is allowed.

    Parameters
    ----------
    text : of the file
    product : the robot's name, without its version

    Attributes
    ----------
    pause : seconds between two requests, as Crawl-delay asks; 0 where it does not
    """

    def __init__(self, text: str, product: str):
        groups = list(_groups(text))
        mine = [lines for agents, lines in groups if product.lower() in agents]
        for_all = [lines for agents, lines in groups if "*" in agents]
        lines = list(chain.from_iterable(mine or for_all))
        self._rules = [(kind, path) for kind, path in lines if path and kind != "crawl-delay"]
        self.pause = 0.0
        for kind, seconds in lines:
            if kind == "crawl-delay":
                with suppress(ValueError):
                    self.pause = max(self.pause, float(seconds))

    def allows(self, url: str) -> bool:
        """Whether the robot may ask for an address of this host."""
        parts = urlsplit(url)
        path = parts.path or "/"
        if path == "/robots.txt":
            return True
        if parts.query:
            path += f"?{parts.query}"
        fitting = [(len(_encoded(rule)), kind) for kind, rule in self._rules if _fits(rule, path)]
        _, kind = max(fitting, default=(0, "allow"), key=lambda rule: (rule[0], rule[1] == "allow"))
        return kind == "allow"


def _groups(text: str) -> Iterator[tuple[set[str], list[tuple[str, str]]]]:
    """Each group of a robots.txt: the robots that it names, and its lines for them."""
    agents: set[str] = set()
    lines: list[tuple[str, str]] = []
    ruled = False
    for line in re.split(r"[\r\n]+", text.removeprefix("\ufeff")):
        kind, _, value = line.partition("#")[0].partition(":")
        kind = kind.strip().lower()
        value = value.strip()
        if kind == "user-agent":
            if ruled:
                yield agents, lines
                agents, lines, ruled = set(), [], False
            agents.add("*" if value == "*" else re.match("[a-z_-]*", value.lower())[0])
        elif kind in ("allow", "disallow", "crawl-delay") and agents:
            lines.append((kind, value))
            ruled = ruled or kind != "crawl-delay"  # only these two end a list of robots
    yield agents, lines


def _fits(rule: str, path: str) -> bool:
    """Whether a path begins as a rule says, in which * is anything, and a last $ the path's end."""
    end = "" if rule.endswith("$") else "*"
    pattern = _encoded(rule.removesuffix("$")).replace("$", "%24")
    pattern = pattern.replace("[", "[[]").replace("?", "[?]")
    path = _encoded(path).replace("*", "%2A").replace("$", "%24")
    return fnmatch.fnmatchcase(path, pattern + end)


def _encoded(path: str) -> str:
    """A path as it is sent: letters beyond ASCII as %XX, and what need not be so, as itself."""
    return re.sub("%[0-9a-fA-F]{2}", lambda code: code[0].upper(), requote_uri(path))
