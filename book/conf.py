"""Sphinx's settings for the site."""

import base64
import hashlib
import importlib
import os
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.util import logging

from book import korean

LANGUAGE = os.environ["COURSE_LANGUAGE"]
ADDRESS = os.environ["COURSE_ADDRESS"]
MATHJAX = Path(importlib.import_module("sphinx-mathjax-offline").__file__).parent / "static"

project = "Image restoration by building it"
if LANGUAGE == "ko":
    project = korean.known("site").get(project, project)
html_title = project
language = LANGUAGE
show_warning_types = True

extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # no lesson stores a widget; the default lies on another host
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_favicon = "../web/studio/static/studio/icon.svg"
html_context = {
    "default_mode": "auto",  # light or dark, as the reader's machine
    "other": {
        "en": {"code": "ko", "name": "한국어", "folder": "ko/"},
        "ko": {"code": "en", "name": "English", "folder": "../"},
    }[LANGUAGE],
}
templates_path = ["templates"]
html_sidebars = {"**": ["brand.html", "search-button-field.html", "sbt-sidebar-nav.html"]}
html_static_path = ["static", str(MATHJAX / "mathjax" / "tex-svg.js")]
html_css_files = ["book.css"]
mathjax_path = "tex-svg.js"
html_theme_options = {
    "repository_url": ADDRESS,
    "repository_branch": korean.BRANCH if LANGUAGE == "ko" else "main",
    "use_repository_button": True,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # the sidebar has a field for searching
    "article_header_end": ["language.html", "article-header-buttons.html"],
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "show_toc_level": 2,
    "footer_content_items": [],
}

logger = logging.getLogger(__name__)


def alt_texts(path: Path) -> dict[str, str]:
    """The alt texts of a notebook's figures, by the hash that myst-nb names their files by."""
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            for kind, about in output.get("metadata", {}).items():
                encoded = output.get("data", {}).get(kind, "")
                if kind.startswith("image/") and "alt" in about:
                    digest = hashlib.sha256(base64.b64decode(encoded)).hexdigest()
                    found[digest] = about["alt"]
    return found


def describe(app, doctree):
    """Give figures their alt texts; warn where one is missing, or lies on another host."""
    path = Path(app.env.doc2path(app.env.docname))
    alts = alt_texts(path) if path.suffix == ".ipynb" else {}
    for image in doctree.findall(nodes.image):
        name = Path(image["uri"]).stem
        if name in alts:
            image["alt"] = alts[name]
        check(image["uri"], image.get("alt", ""), image)
    for raw in doctree.findall(nodes.raw):
        for image in BeautifulSoup(raw.astext(), "html.parser").find_all("img"):
            check(image.get("src", ""), image.get("alt", ""), raw)


def check(source, alt, node):
    """Warn of a picture that some readers could not see; a warning ends the build."""
    if not alt.strip():
        logger.warning("a picture has no alt text: %s", source[:100], location=node)
    if "://" in source:
        logger.warning("a picture lies on another host: %s", source[:100], location=node)


def setup(app):
    app.connect("doctree-read", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
