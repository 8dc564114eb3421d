"""`make korean`: the course in Korean, from its English pages and one gettext catalogue for each.

Prose is translated. Code, outputs, figures, cell ids and metadata stay as they are, so a Korean
notebook need not be executed again. What has no translation stays English.
"""

import argparse
import difflib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from translate.storage.markdown import MarkdownFile
from translate.storage.pypo import pofile, pounit

from book.course import ROOT, address

CATALOGUES = ROOT / "book" / "locale" / "ko"
HEADER = """\
Project-Id-Version: image-restoration-course
Language: ko
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
"""
INDEX = "book/index.md"  # of the site
WORDS = ["Gallery", "Each picture leads to the page that explains it.", "Teaching"]  # of the site
BRANCH = "korean"  # of the published repository, where Korean pages take the English ones' place
NOWHERE = "OWNER/image-restoration-course"  # in the catalogues, always
CLOSE = 0.6  # how alike two English sentences are, for one's translation to be offered to the other

# The backslashes: this line is no such mark itself, where a copy for students is made
TEACHERS = re.compile(r"^.*instructors\: begin(?s:.*?)instructors\: end.*\n?", re.MULTILINE)
CAPTION = re.compile(r"(?<=^:caption: ).+", re.MULTILINE)
ANSWER = re.compile(r"(?<=<summary>)[^<]+(?=</summary>)|(?<=</summary>).+?(?=</details>)")
CODE = re.compile(r"(`+)[^`].*?\1(?!`)")
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$")
BADGE = re.compile(r"\[!\[[^]]*\]\(https://colab[^)]*\)\]\([^)]*\)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MARKDOWN = MarkdownIt()


def pages(root: Path = ROOT) -> dict[str, str]:
    """The files that are translated.

    Parameters
    ----------
    root : the course's folder

    Returns
    -------
    {name of a catalogue: the English file, as seen from the course's folder}
    """
    found = {"README": "README.md", "glossary": "notebooks/glossary.md", "site": INDEX}
    for path in sorted(root.glob("notebooks/[0-9]*.ipynb")):
        found[path.stem] = f"notebooks/{path.name}"
    for path in sorted(root.glob("notebooks/exercises/[0-9]*.ipynb")):
        found[f"exercises_{path.stem}"] = f"notebooks/exercises/{path.name}"
    return found


# English pages


def rewritten(text: str, translate: Callable[[str], str]) -> str:
    """Markdown whose units went through a function.

    A unit is a paragraph, a heading, a cell of a table, a folded answer, or a caption of the site's
    contents; a block of code is none, and neither is what holds no word.

    Parameters
    ----------
    text : Markdown
    translate : takes a unit, gives what takes its place

    Returns
    -------
    Markdown
    """

    def called(unit: str) -> str:
        prose = BADGE.sub("", FORMULA.sub("", CODE.sub("", unit)))
        return translate(unit) if re.search(r"[^\W\d_]", prose) else unit

    file = MarkdownFile(
        callback=called,
        extract_code_blocks=False,
        extract_frontmatter=False,
        no_placeholders=True,  # a link stands in its unit as it is
    )
    file.parse(text.encode())
    for folded in (ANSWER, CAPTION):
        file.filesrc = folded.sub(lambda found: called(found[0]), file.filesrc)
    return file.filesrc.rstrip("\n")


def slug(root: Path) -> str:
    """The course's owner and name on GitHub, which `make address` writes."""
    return address(root).removeprefix("https://github.com/")


def is_prose(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is translated.

    One that grading knows is not: it tells an empty answer by the cell's text.
    """
    return cell.cell_type == "markdown" and "nbgrader" not in cell.metadata


def markdown(page: str, root: Path) -> str:
    """An English page of Markdown, without what README says to teachers alone."""
    text = (root / page).read_text(encoding="utf-8")
    return TEACHERS.sub("", text) if page == "README.md" else text


def texts(page: str, root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """A page's Markdown.

    Parameters
    ----------
    page : an English file, as seen from the course's folder
    root : the course's folder

    Yields
    ------
    the id of a cell, or nothing
    its text
    """
    if page.endswith(".ipynb"):
        for cell in filter(is_prose, nbformat.read(root / page, as_version=4).cells):
            yield cell.id, cell.source
    else:
        yield "", markdown(page, root)
    if page == INDEX:
        yield "", "\n\n".join(WORDS)


def units(page: str, root: Path = ROOT) -> dict[str, list[str]]:
    """What there is to translate on a page.

    Parameters
    ----------
    page, root : as `texts` takes them

    Returns
    -------
    {unit: ids of the cells where it stands}, in the page's order
    """
    found: dict[str, list[str]] = {}
    for cell, text in texts(page, root):

        def note(unit: str, cell: str = cell) -> str:
            places = found.setdefault(unit, [])
            if cell and cell not in places:
                places.append(cell)
            return unit

        rewritten(text.replace(slug(root), NOWHERE), note)
    return found


# Catalogues


def catalogue(name: str) -> pofile:
    """Read a catalogue.

    Parameters
    ----------
    name : a key of `pages`

    Returns
    -------
    the catalogue; an empty one where there is no file
    """
    path = CATALOGUES / f"{name}.po"
    return pofile.parsestring(path.read_bytes()) if path.exists() else pofile(noheader=True)


def entries(store: pofile) -> dict[str, pounit]:
    """A catalogue's entries by their English text."""
    return {unit.source: unit for unit in store.units if not unit.isheader()}


def known(*names: str) -> dict[str, str]:
    """Translations by their English text, without fuzzy ones, of some catalogues."""
    return {
        text: entry.target
        for name in names
        for text, entry in entries(catalogue(name)).items()
        if entry.istranslated()
    }


def updated(old: pofile, wanted: dict[str, list[str]]) -> pofile:
    """A catalogue of the units that a page has now.

    Parameters
    ----------
    old : its translations are kept, and marked as fuzzy where the English changed a little
    wanted : what `units` returns

    Returns
    -------
    the catalogue, in the page's order
    """
    before = entries(old)
    gone = [text for text, entry in before.items() if text not in wanted and entry.target]
    new = pofile(noheader=True)
    header = pounit()
    header.target = HEADER
    new.addunit(header)
    for text, places in wanted.items():
        entry = new.addsourceunit(text)
        if places:
            entry.addlocations(places)
        if text in before:
            entry.target = before[text].target
            entry.prev_source = before[text].prev_source
            entry.markfuzzy(before[text].isfuzzy())
        elif alike := difflib.get_close_matches(text, gone, n=1, cutoff=CLOSE):
            entry.target = before[alike[0]].target
            entry.prev_source = alike[0]
            entry.markfuzzy()
    return new


def extract(root: Path = ROOT) -> None:
    """Bring all catalogues up to date with the course in a folder."""
    CATALOGUES.mkdir(parents=True, exist_ok=True)
    for name, page in pages(root).items():
        store = updated(catalogue(name), units(page, root))
        (CATALOGUES / f"{name}.po").write_bytes(bytes(store))


def parts(text: str) -> dict[str, Counter]:
    """What a translation has to keep of an English unit.

    Parameters
    ----------
    text : a unit, or its translation

    Returns
    -------
    {kind: how often each stands there}
    """
    found = {kind: Counter() for kind in ("block", "code", "link", "picture", "emphasis", "tag")}
    prose = []
    blocks = MARKDOWN.parse(FORMULA.sub("", text))
    found["block"].update(block.type for block in blocks)
    for token in (child for block in blocks for child in block.children or []):
        match token.type:
            case "code_inline":
                found["code"][token.content] += 1
            case "link_open":
                found["link"][token.attrs["href"]] += 1
            case "image":
                found["picture"][token.attrs["src"]] += 1
                prose.append(token.content)
            case "em_open" | "strong_open":
                found["emphasis"][token.tag] += 1
            case "html_inline":
                found["tag"][token.content] += 1
            case "text":
                prose.append(token.content)
    words = " ".join(prose)
    found["formula"] = Counter(FORMULA.findall(text))
    found["number"] = Counter({number.lstrip("0") or "0" for number in NUMBER.findall(words)})
    found["sign"] = Counter(re.findall(r"[*`|~$]|\n", words))  # which Markdown would have taken
    return found


def faults(text: str, translation: str) -> list[str]:
    """What is wrong with a translation, as far as a program can tell.

    Parameters
    ----------
    text : an English unit
    translation : of it

    Returns
    -------
    a line for each fault
    """
    lines = []
    english, korean = parts(text), parts(translation)
    for kind, wanted in english.items():
        if missing := wanted - korean[kind]:
            lines.append(f"lacks {kind} {', '.join(missing.elements())}")
        extra = korean[kind] - wanted
        if extra and kind not in {"number", "code"}:
            lines.append(f"has another {kind} {', '.join(extra.elements())}")
    return lines


def counts(root: Path = ROOT) -> dict[str, Counter]:
    """How far the translation is.

    Parameters
    ----------
    root : the course's folder

    Returns
    -------
    {name of a catalogue: how many units the page has, and how many entries are translated, are
    fuzzy, or are outdated, that is, stand on the page or in the catalogue alone}
    """
    found = {}
    for name, page in pages(root).items():
        wanted = units(page, root).keys()
        found[name] = Counter(
            units=len(wanted),
            translated=len(known(name).keys() & wanted),
            fuzzy=sum(entry.isfuzzy() for entry in entries(catalogue(name)).values()),
            outdated=len(entries(catalogue(name)).keys() ^ wanted),
        )
    return found


def share(found: dict[str, Counter]) -> str:
    """What `counts` returns, in a line: how much is translated, and which catalogues are old."""
    total = sum(found.values(), Counter())
    line = f"Korean: {total['translated']} of {total['units']} sentences and headings translated"
    old = [name for name, row in found.items() if row["outdated"] or row["fuzzy"]]
    return f"{line}; outdated: {', '.join(old)}" if old else line


def status(root: Path = ROOT) -> int:
    """Print how far the translation is, and what is wrong.

    Parameters
    ----------
    root : the course's folder

    Returns
    -------
    the exit status: 0 where everything is translated, from the pages as they are, without a fault
    """
    found = counts(root)
    columns = ["units", "translated", "fuzzy", "outdated"]
    print(f"{'catalogue':<32}", *(f"{column:>10}" for column in columns))
    for name, row in found.items():
        print(f"{name:<32}", *(f"{row[column]:>10}" for column in columns))
    wrong = [
        f"{name}: {text[:60]!r} {fault}"
        for name in found
        for text, translation in known(name).items()
        for fault in faults(text, translation)
    ]
    print(share(found), *wrong, sep="\n")
    done = all(row["translated"] == row["units"] and not row["outdated"] for row in found.values())
    return int(bool(wrong) or not done)


# Korean pages


def translated(page: str, root: Path = ROOT) -> str | nbformat.NotebookNode:
    """A page in Korean.

    Parameters
    ----------
    page : an English file, as seen from the course's folder
    root : the course's folder

    Returns
    -------
    Markdown, or a notebook, as the page is
    """
    name = {page: name for name, page in pages(root).items()}[page]
    done = known(name)
    if page.endswith(".md"):
        return in_korean(markdown(page, root), done, root)
    notebook = nbformat.read(root / page, as_version=4)
    for cell in filter(is_prose, notebook.cells):
        cell.source = in_korean(cell.source, done, root).rstrip("\n")
    return notebook


def in_korean(text: str, done: dict[str, str], root: Path = ROOT) -> str:
    """Markdown in Korean; its links to Colab, and its clone command, lead to the Korean course.

    Parameters
    ----------
    text : English Markdown
    done : what `known` returns
    root : the course's folder

    Returns
    -------
    Markdown
    """
    text = text.replace(slug(root), NOWHERE)
    korean = rewritten(text, lambda unit: done.get(unit, unit)) + "\n"
    for english, changed in {
        f"google.com/github/{NOWHERE}/blob/main/": f"google.com/github/{NOWHERE}/blob/{BRANCH}/",
        "git clone https:": f"git clone -b {BRANCH} https:",
        NOWHERE: slug(root),
    }.items():
        korean = korean.replace(english, changed)
    return korean


def apply(to: Path, root: Path = ROOT) -> None:
    """Write the Korean pages.

    Parameters
    ----------
    to : a folder, or a name for one; each page has the path there that it has in the course
    root : the course's folder
    """
    for page in pages(root).values():
        if page == INDEX:  # whose other parts book.build knows
            continue
        path = to / page
        path.parent.mkdir(parents=True, exist_ok=True)
        content = translated(page, root)
        if path.suffix == ".md":
            path.write_text(content, encoding="utf-8")
        else:
            nbformat.write(content, path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("extract", help="bring the catalogues up to date with the English pages")
    command = commands.add_parser("apply", help="write the Korean pages")
    command.add_argument("--to", type=Path, default=ROOT / "build" / "ko", metavar="FOLDER")
    commands.add_parser("status", help="say how much is translated, and what is wrong")
    arguments = parser.parse_args(argv)
    match arguments.command:
        case "extract":
            extract()
        case "apply":
            apply(arguments.to)
            print(f"Korean pages: {arguments.to}")
        case "status":
            return status()
    return 0


if __name__ == "__main__":
    sys.exit(main())
