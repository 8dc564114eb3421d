"""`make book`: the course as a site to read, from the committed notebooks, in English and Korean.

Nothing is executed, and nothing is fetched. The pages are copied into a folder of their own, since
Sphinx does not read a notebook's attachments and knows only links between its pages.
"""

import argparse
import base64
import os
import posixpath
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from sphinx.cmd.build import build_main

from book import korean
from book.course import ROOT, address

BOOK = ROOT / "book"
PAGES = [  # patterns of the files that become pages, as seen from the course's folder
    "notebooks/[0-9]*.ipynb",
    "notebooks/exercises/[0-9]*.ipynb",
    "notebooks/glossary.md",
    "data/weights/*.md",
    "instructors/SYLLABUS.md",  # instructors: only
]
PICTURES = ["notebooks/*.png", "data/weights/*.jpg"]  # which pages show
OWN_RESULT = "application/vnd.image-restoration-course.result+json"  # for helpers/, not for readers
MADE = re.compile(r"\[([^\]]+)\]\((?:\.\./)*build/[^)]*\)")  # links to what a run makes
BADGE = re.compile(r"^\[!\[[^\]]*\]\(https://colab[^)]*\)\]\([^)]*\)\n*", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)\s]+)\)")
PART = re.compile(r'```\{include\} README.md\n:start-after: "(.+)"\n:end-before: "(.+)"\n```')
FINISHED = ".buildinfo"  # Sphinx leaves it in a folder that it built


def relinked(text: str, page: str, root: Path, pages: set[str]) -> str:
    """A page's Markdown with links to the repository where they lead out of the book.

    Parameters
    ----------
    text : Markdown
    page : the page's file, as seen from the course's folder
    root : the course's folder
    pages : the files that the book holds

    Returns
    -------
    the Markdown; a link that leads nowhere is left as it is, so that Sphinx names it
    """

    def changed(link: re.Match) -> str:
        target, _, anchor = link[1].partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
        if not target or ":" in target or place in pages or not (root / place).exists():
            return link[0]
        kind = "tree" if (root / place).is_dir() else "blob"
        end = f"#{anchor}" if anchor else ""
        return f"]({address(root)}/{kind}/main/{place}{end})"

    return LINK.sub(changed, MADE.sub(r"\1", text))


def readable(notebook: nbformat.NotebookNode, page: str, root: Path, pages: set[str]) -> dict:
    """Change a notebook into what Sphinx can read.

    The page's own buttons take the place of Colab's badge, whose picture lies on another host.

    Parameters
    ----------
    notebook : it is changed
    page, root, pages : as `relinked` takes them

    Returns
    -------
    {name of a file to lay beside the notebook: bytes}: the pictures that were attached
    """
    attached = {}
    for number, cell in enumerate(notebook.cells):
        for name, bundle in cell.pop("attachments", {}).items():
            file = f"{Path(page).stem}_{number}_{name}"
            attached[file] = base64.b64decode(next(iter(bundle.values())))
            cell.source = cell.source.replace(f"attachment:{name}", file)
        if cell.cell_type == "markdown":
            cell.source = relinked(BADGE.sub("", cell.source), page, root, pages)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(OWN_RESULT, None)
            if "text/markdown" in data:
                data["text/markdown"] = relinked(data["text/markdown"], page, root, pages)
    return attached


def gallery(folder: Path) -> str:
    """A page of the lessons' opening pictures, and of the pictures on the networks' cards.

    Parameters
    ----------
    folder : where the pages lie that Sphinx reads

    Returns
    -------
    Markdown
    """
    parts = ["# Gallery", "Each picture leads to the page that explains it.", "## Lessons"]
    for path in sorted((folder / "notebooks").glob("[0-9]*.ipynb")):
        head = nbformat.read(path, as_version=4).cells[0].source
        parts += [f"### {head.splitlines()[0].removeprefix('# ')}", *_shown(head, path, folder)]
    parts.append("## Networks")
    for path in sorted((folder / "data" / "weights").glob("*.md")):
        card = path.read_text(encoding="utf-8")
        if pictures := _shown(card, path, folder):
            parts += [f"### {card.splitlines()[0].removeprefix('# ')}", *pictures]
    return "\n\n".join(parts) + "\n"


def _shown(text: str, path: Path, folder: Path) -> list[str]:
    """The pictures of a page, each as a link to it."""
    page = path.relative_to(folder).as_posix()
    return [
        f"[![{' '.join(alt.split())}]({posixpath.dirname(page)}/{file})]({page})"
        for alt, file in PICTURE.findall(text)
        if ":" not in file
    ]


def index(root: Path) -> str:
    """The site's first page, with the parts of README that it includes.

    Parameters
    ----------
    root : the course's folder

    Returns
    -------
    Markdown
    """
    readme = (root / "README.md").read_text(encoding="utf-8")

    def included(part: re.Match) -> str:
        return readme.partition(part[1])[2].partition(part[2])[0].strip()

    return PART.sub(included, (BOOK / "index.md").read_text(encoding="utf-8"))


def write_sources(folder: Path, root: Path = ROOT, translated: Path | None = None) -> None:
    """Write the pages that Sphinx reads.

    Parameters
    ----------
    folder : an empty one
    root : the course's folder; a copy for students has no folder for teachers
    translated : what `korean.apply` wrote, for the Korean half; pages that it lacks stay English
    """
    found = [path for pattern in PAGES for path in sorted(root.glob(pattern))]
    pages = {path.relative_to(root).as_posix() for path in found}
    pictures = [path for pattern in PICTURES for path in sorted(root.glob(pattern))]
    shown = pages | {path.relative_to(root).as_posix() for path in pictures}
    for page in sorted(pages):
        target = folder / page
        target.parent.mkdir(parents=True, exist_ok=True)
        source = _source(page, root, translated)
        if target.suffix == ".md":
            text = source.read_text(encoding="utf-8")
            target.write_text(relinked(text, page, root, shown), encoding="utf-8")
            continue
        notebook = nbformat.read(source, as_version=4)
        for name, content in readable(notebook, page, root, shown).items():
            (target.parent / name).write_bytes(content)
        nbformat.write(notebook, target)
    for path in pictures:
        shutil.copy(path, folder / path.relative_to(root))
    for name, text in {"index.md": index(root), "gallery.md": gallery(folder)}.items():
        if translated:
            text = korean.in_korean(text, korean.known("site", "README"), root)
        (folder / name).write_text(text, encoding="utf-8")


def _source(page: str, root: Path, translated: Path | None) -> Path:
    """A page's file: the translated one where there is one."""
    if translated and (translated / page).exists():
        return translated / page
    return root / page


def build(sources: Path, to: Path, root: Path = ROOT, translated: Path | None = None) -> int:
    """Build one half of the site.

    Parameters
    ----------
    sources : what `write_sources` wrote
    to : a folder, or a name for it
    root, translated : as `write_sources` took them

    Returns
    -------
    the exit status: 0, or 1 where a link leads nowhere or a picture has no alt text
    """
    os.environ["COURSE_ADDRESS"] = address(root)  # for conf.py
    os.environ["COURSE_LANGUAGE"] = "ko" if translated else "en"
    with tempfile.TemporaryDirectory() as kept:
        command = ["-q", "-W", "-n", "-b", "html", "-c", str(BOOK), "-d", kept]
        failed = build_main([*command, str(sources), str(to)])
    for path in root.glob("notebooks/**/[0-9]*.ipynb"):  # what the button downloads
        page = path.relative_to(root).as_posix()
        if (to / "_sources" / page).exists():
            shutil.copy(_source(page, root, translated), to / "_sources" / page)
    return int(failed != 0)


def site(to: Path, root: Path = ROOT) -> int:
    """Build both halves.

    Parameters
    ----------
    to : an empty folder, or a name for one; the Korean half goes into its folder ko
    root : the course's folder

    Returns
    -------
    the exit status, as `build` returns it
    """
    with tempfile.TemporaryDirectory() as folder:
        translated = Path(folder) / "translated"
        korean.apply(translated, root)
        halves = [("en", to, None), ("ko", to / "ko", translated)]
        for language, half, pages in halves:
            sources = Path(folder) / language
            sources.mkdir()
            write_sources(sources, root, pages)
            if build(sources, half, root, pages):
                return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "book", metavar="FOLDER")
    to = parser.parse_args(argv).to
    if to.exists() and not (to / FINISHED).exists() and any(to.iterdir()):
        parser.error(f"{to} holds something else than a book; name an empty folder by --to")
    with tempfile.TemporaryDirectory() as folder:
        if site(Path(folder) / "site"):
            print("the book was not written: mend what the lines above name", file=sys.stderr)
            return 1
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(Path(folder) / "site", to)
    print(korean.share(korean.counts()))
    print(f"book: {to / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
