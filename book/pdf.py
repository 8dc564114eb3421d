"""`make pdf`: each lesson of the site as one PDF, with its pictures and formulas, by Chromium."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from book.course import ROOT
from helpers.files import replacing

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
SECONDS = 180  # for one lesson
# For paper: the page alone, no panel scrolls, no code is cut off at the border, and no figure is
# parted
STYLE = """<style media="print">
@page { size: A4; margin: 15mm; }
.bd-header, .bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-footer,
.bd-footer, .headerbtn, button.copybtn { display: none !important; }
.bd-main, .bd-content, .bd-article-container { display: block !important; max-width: none; }
pre { white-space: pre-wrap !important; overflow: visible !important; font-size: 75% !important; }
img, svg, table { max-width: 100%; break-inside: avoid; }
h1, h2, h3 { break-after: avoid; }
</style>
"""


def browser() -> str:
    """The path of Chromium or Chrome.

    Raises
    ------
    FileNotFoundError : neither is installed
    """
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(
        "make pdf needs Chromium or Chrome; install one (Debian: apt-get install chromium)"
    )


def write(page: Path, to: Path) -> None:
    """Print one page of the site into a file.

    Parameters
    ----------
    page : the HTML; its pictures, fonts and formulas are read from the site around it
    to : the PDF, written whole or not at all

    Raises
    ------
    FileNotFoundError : there is no Chromium
    ValueError : Chromium gives no PDF
    """
    program = browser()
    html = page.read_text(encoding="utf-8").replace("</head>", STYLE + "</head>", 1)
    html = html.replace("<details>", "<details open>")  # the answers to the questions
    with tempfile.TemporaryDirectory() as profile:
        # Beside the page, where its links lead to the same files
        ours = page.with_name(f".print.{page.name}")
        printed = Path(profile) / "page.pdf"
        options = ["--headless", "--disable-gpu", f"--user-data-dir={profile}/user"]
        options += ["--no-pdf-header-footer", "--virtual-time-budget=30000"]  # ms, for the formulas
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # which Chromium refuses to root
        try:
            ours.write_text(html, encoding="utf-8")
            done = subprocess.run(
                [program, *options, f"--print-to-pdf={printed}", ours.resolve().as_uri()],
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"{page}: {program} gives no PDF in {SECONDS} seconds") from error
        finally:
            ours.unlink(missing_ok=True)
        if not printed.is_file() or not printed.read_bytes().startswith(b"%PDF"):
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise ValueError(f"{page}: {program} gives no PDF; it says: {said}")
        with replacing(to) as part:
            shutil.copyfile(printed, part)


def main(argv: list[str] | None = None) -> int:
    """Print all lessons; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", type=Path, default=ROOT / "build" / "book", metavar="FOLDER")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "pdf", metavar="FOLDER")
    args = parser.parse_args(argv)
    pages = sorted((args.book / "notebooks").glob("[0-9]*.html"))
    try:
        if not pages:
            raise FileNotFoundError(f"there is no lesson in {args.book}; make book writes them")
        for page in pages:
            to = args.to / f"{page.stem}.pdf"
            write(page, to)
            print(f"{to}  {to.stat().st_size / 1e6:.1f} MB", flush=True)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
