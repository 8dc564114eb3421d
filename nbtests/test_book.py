"""The site to read: every page, its pictures and links, and what a reader meets on it."""

import base64
import contextlib
import functools
import http.server
import re
import shutil
import threading
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

pytest.importorskip("sphinx", reason="Sphinx is not installed; make book installs it")
pytest.importorskip("translate", reason="translate-toolkit is not installed; make book does it")
from bs4 import BeautifulSoup

from book import build, korean
from helpers import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*is deprecated"),  # the theme's, of what Sphinx 11 drops
]

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
EXERCISES = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
CARDS = sorted((ROOT / "data" / "weights").glob("*.md"))
SCHEMES = ("light", "dark")
KINDS = ["index", "notebooks/01_download", "notebooks/exercises/03_batching"]
KINDS.append("data/weights/unet_small")  # whose name is wider than a phone
LOOKS = [(name, width, scheme) for name in KINDS for width in (390, 1440) for scheme in SCHEMES]
LOOKS += [("notebooks/10_your_photos", 390, "dark"), ("notebooks/09_rdn", 390, "light")]
LOOKS += [("gallery", 1440, "light"), ("search", 1440, "dark")]
LOOKS += [("ko/index", 390, "light"), ("ko/notebooks/02_crop_and_pyramid", 390, "dark")]
LOOKS += [("ko/notebooks/exercises/03_batching", 1440, "light"), ("ko/search", 1440, "light")]
HALVES = ["", "ko"]  # folders of the site
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    to = tmp_path_factory.mktemp("site")
    assert build.site(to) == 0
    return to


@pytest.fixture(scope="module")
def translated(tmp_path_factory):
    """The folder of the Korean notebooks."""
    folder = tmp_path_factory.mktemp("ko")
    korean.apply(folder)
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """{file: its elements}, the theme's own templates apart."""
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in files}


@pytest.mark.parametrize("source", [*LESSONS, *EXERCISES, *CARDS], ids=lambda path: path.stem)
def test_every_lesson_exercise_and_card_is_a_page(source, site, pages):
    page = pages[site / source.relative_to(ROOT).with_suffix(".html")]
    if source.suffix == ".ipynb":
        title = nbformat.read(source, as_version=4).cells[0].source.splitlines()[0]
    else:
        title = source.read_text(encoding="utf-8").splitlines()[0]
    assert page.h1.get_text().removesuffix("#") == title.removeprefix("# ")


@pytest.mark.parametrize("half", HALVES)
def test_the_other_pages_are_there(half, site):
    assert (site / half / "notebooks" / "glossary.html").exists()
    assert (site / half / "search.html").exists()
    assert (site / half / "instructors" / "SYLLABUS.html").exists()  # instructors: only


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_keeps_its_pictures_and_their_alt_texts(lesson, site, pages):
    notebook = nbformat.read(lesson, as_version=4)
    (opening,) = re.findall(r"!\[([^\]]+)\]\(attachment:", notebook.cells[0].source)
    alts = [opening]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            alts += [about["alt"] for about in output.get("metadata", {}).values() if about]
    images = pages[site / "notebooks" / f"{lesson.stem}.html"].article.find_all("img")
    figures = [image for image in images if not image["src"].startswith("data:")]
    assert [image["alt"] for image in figures] == alts
    assert all((site / "notebooks" / image["src"]).resolve().exists() for image in figures)


def test_the_gallery_shows_each_lesson_and_each_picture_of_a_card(site, pages):
    pictures = pages[site / "gallery.html"].article.find_all("img")
    shown = {
        name
        for card in CARDS
        for name in re.findall(r"\]\((\w+\.jpg)\)", card.read_text(encoding="utf-8"))
    }
    assert len(pictures) >= len(LESSONS) + len(shown)
    assert all(picture.find_parent("a") for picture in pictures)


def test_every_picture_has_an_alt_text(pages):
    images = [image for page in pages.values() for image in page.find_all("img")]
    assert len(images) > 100
    assert not [image["src"][:80] for image in images if not image.get("alt", "").strip()]


def test_no_page_loads_anything_from_another_host(site, pages):
    loaded = [
        element.get(LOADED[element.name]) or ""
        for page in pages.values()
        for element in page.find_all(list(LOADED))
    ]
    assert not {address for address in loaded if urlsplit(address).netloc}
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", text), path


def test_every_link_within_the_site_leads_somewhere(pages):
    anchors = {path: {e["id"] for e in page.find_all(id=True)} for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for link in page.find_all("a", href=True):
            address = urlsplit(link["href"])
            if address.scheme or address.netloc:
                continue
            place = (path.parent / unquote(address.path)).resolve() if address.path else path
            anchor = unquote(address.fragment)
            if not place.exists() or (anchor and anchor not in anchors.get(place, {anchor})):
                broken.append((path.name, link["href"]))
    assert not broken


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("lesson", [*LESSONS, *EXERCISES], ids=lambda path: path.stem)
def test_buttons_lead_to_colab_and_to_the_notebook(lesson, half, site, pages, translated):
    name = lesson.relative_to(ROOT)
    page = pages[site / half / name.with_suffix(".html")]
    branch = "korean" if half else "main"
    course = f"{korean.slug(ROOT)}/blob/{branch}"
    colab = f"https://colab.research.google.com/github/{course}/{name.as_posix()}"
    assert page.find("a", href=colab)
    (download,) = page.select("a.btn-download-source-button")
    target = site / half / name.parent / download["href"]
    notebook = translated / name if half else lesson
    assert target.resolve().read_bytes() == notebook.read_bytes()


def test_each_page_leads_to_itself_in_the_other_language(site, pages):
    for path, page in pages.items():
        name = path.relative_to(site)
        is_korean = name.parts[0] == "ko"
        other = site / name.relative_to("ko") if is_korean else site / "ko" / name
        assert page.html["lang"] == ("ko" if is_korean else "en")
        (link,) = page.select(".course-language a")
        assert (path.parent / link["href"]).resolve() == other
        assert link["lang"] == ("en" if is_korean else "ko")


def test_what_is_translated_is_shown_in_korean(site, pages):
    title = korean.known("site")["Image restoration by building it"]
    assert title in pages[site / "ko" / "index.html"].h1.get_text()
    captions = {
        caption.get_text() for caption in pages[site / "ko" / "index.html"].select("p.caption")
    }
    assert korean.known("site")["Exercises"] in captions
    rows = pages[site / "ko" / "notebooks" / "glossary.html"].article.get_text()
    assert korean.known("glossary")["One pass over all training pairs."] in rows


@pytest.mark.parametrize(
    "text, said",
    [
        ("![A face](06_espcn.png)", ""),
        ("![](06_espcn.png)", "no alt text"),
        ('<img src="06_espcn.png">', "no alt text"),
        ("![A badge](https://example.org/a.svg)", "another host"),
        ("![A face](no_such.png)", "no_such.png"),
        ("[A lesson](no_such.ipynb)", "no_such.ipynb"),
        ("[A heading](#no-such)", "no-such"),
    ],
)
def test_a_fault_of_a_page_fails_the_build(text, said, tmp_path, capsys):
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "index.md").write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    shutil.copy(ROOT / "notebooks" / "06_espcn.png", sources)
    status = build.build(sources, tmp_path / "site")
    assert status == int(bool(said))
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("about, status", [({"image/png": {"alt": "A face"}}, 0), ({}, 1)])
def test_a_figure_without_an_alt_text_fails_the_build(about, status, tmp_path, capsys):
    picture = base64.b64encode((ROOT / "notebooks" / "06_espcn.png").read_bytes()).decode()
    drawn = nbformat.v4.new_output("display_data", data={"image/png": picture}, metadata=about)
    cells = [
        nbformat.v4.new_markdown_cell("# A page"),
        nbformat.v4.new_code_cell("show(figure)", outputs=[drawn]),
    ]
    sources = tmp_path / "sources"
    sources.mkdir()
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = {"language_info": {"name": "python"}}
    nbformat.write(notebook, sources / "index.ipynb")
    assert build.build(sources, tmp_path / "site") == status
    assert ("no alt text" in capsys.readouterr().err) == bool(status)


def test_links_out_of_the_book_lead_to_the_repository():
    text = "[a](../../nbtests/bench/README.md#networks) [b](../../helpers) [c](day_to_night.md)"
    pages = {"data/weights/day_to_night.md"}
    course = build.address(ROOT)
    assert build.relinked(text, "data/weights/README.md", ROOT, pages) == (
        f"[a]({course}/blob/main/nbtests/bench/README.md#networks)"
        f" [b]({course}/tree/main/helpers) [c](day_to_night.md)"
    )
    survey = "[09_survey.html](../build/09_survey.html)"  # a run writes it
    assert build.relinked(survey, "notebooks/09_rdn.ipynb", ROOT, pages) == "09_survey.html"


def test_another_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit):
        build.main(["--to", str(tmp_path)])
    assert (tmp_path / "mine.txt").exists()


# What a reader meets


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def visit(site):
    """A function that opens a page of the site; what it loads from elsewhere fails the test."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.skip("no Chromium is installed, so no page is looked at")
    handler = functools.partial(Quiet, directory=str(site))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        address = f"http://127.0.0.1:{server.server_port}/"
        playwright = stack.enter_context(sync_api.sync_playwright())
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        stack.callback(browser.close)

        def go(name, width=1440, scheme="light"):
            viewport = {"width": width, "height": 844}
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(60_000)
            elsewhere = []
            page.on(
                "request",
                lambda request: (
                    None
                    if request.url.startswith((address, "data:", "blob:"))
                    else elsewhere.append(request.url)
                ),
            )
            page.goto(address + name)
            page.wait_for_load_state("networkidle")
            assert not elsewhere
            return page

        yield go


@pytest.mark.parametrize(("name", "width", "scheme"), LOOKS)
def test_a_page_is_accessible_and_fits(name, width, scheme, visit):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    query = "?q=checkerboard" if name == "search" else ""
    page = visit(f"{name}.html{query}", width, scheme)
    assert page.locator("html").get_attribute("data-theme") == scheme
    found = axe.run(page).response["violations"]
    assert not found, [(v["id"], [n["html"] for n in v["nodes"]]) for v in found]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_search_finds_the_lesson_that_explains_a_word(visit):
    page = visit("search.html?q=checkerboard")
    page.locator("#search-results li a", has_text="04 ·").first.wait_for()


def test_korean_is_found_and_its_lines_break_between_words(visit):
    word = "쌍"
    page = visit(f"ko/search.html?q={word}")
    page.locator("#search-results li a").first.wait_for()
    page = visit("ko/index.html")
    assert page.evaluate("getComputedStyle(document.querySelector('article p')).wordBreak") == (
        "keep-all"
    )


def test_formulas_are_drawn(visit):
    page = visit("notebooks/08_cyclegan.html")
    page.locator("mjx-container svg").first.wait_for()
    assert not page.locator("mjx-merror").count()


def test_pictures_keep_their_colours_where_it_is_dark(visit):
    page = visit("notebooks/06_espcn.html", scheme="dark")
    filters = page.evaluate(
        "[...document.querySelectorAll('article img')].map(i => getComputedStyle(i).filter)"
    )
    assert set(filters) == {"none"}
