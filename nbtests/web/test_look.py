"""What one does with a result, in a real browser: look closely, save what is scratched, share.

Stand-ins take the networks' place, which swap red and blue.
"""

import re

import numpy as np
import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
pytest.importorskip(
    "playwright", reason="the browser's tests need Playwright: pip install -r requirements.txt"
)
from playwright.sync_api import expect
from skimage import data

from helpers import images
from helpers.app import photo
from nbtests.web import kit

LARGE = kit.encoded(np.tile(data.chelsea(), (3, 3, 1)))  # 1353×900
LOADED = "what => Promise.all([...document.querySelectorAll(what)].map((img) => img.decode()))"
PLACES = """() => [...document.querySelectorAll(".pane img")].map((img) => {
    const edge = img.getBoundingClientRect(), pane = img.parentElement.getBoundingClientRect();
    return [edge.left - pane.left, edge.top - pane.top, edge.width, edge.height];
})"""


@pytest.fixture
def changed(visit):
    """The page of a result: of bytes, or of a sample."""

    def make(task, content=None, sample=None, **options):
        page = visit(**options)
        page.goto("/")
        if content:
            file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content}
            page.set_input_files("#picture", files=[file])
        else:
            page.locator(f"[name=sample][value={sample}]").check(force=True)
        expect(page.locator("#go")).to_be_visible()
        page.locator(f"[name=task][value={task}]").check(force=True)
        page.locator("#go").dispatch_event("click")
        page.wait_for_selector("#show, .wrong[role=alert]:not(:empty)")
        expect(page.locator("#show")).to_be_visible()
        return page

    return make


def places(page) -> np.ndarray:
    """Left, top, width and height of both pictures, from the corner of their panes."""
    first, second = np.array(page.evaluate(PLACES))
    assert first == pytest.approx(second, abs=0.01)  # they never part
    return first


def closely(page) -> np.ndarray:
    expect(page.locator("#stage-box")).to_be_visible()  # its script runs
    page.get_by_role("button", name="Look closely").click()
    page.evaluate(LOADED, ".pane img")
    return places(page)


def test_a_suggestion_stands_under_the_picture(visit):
    page = visit()
    page.goto("/")
    page.locator("[name=sample][value=coffee]").check(force=True)
    advice = page.locator("#advice")
    expect(advice).to_have_text(re.compile(r"repair\? It shows no damage"), timeout=20_000)
    page.locator("#other").dispatch_event("click")
    page.locator("[name=sample][value=cat]").check(force=True)
    expect(advice).to_have_text(re.compile(r"repair\? It is noisy"), timeout=20_000)


def test_what_the_picture_does_not_suit_stands_above_the_button(visit):
    page = visit()
    page.goto("/")
    page.locator("[name=sample][value=coffee]").check(force=True)
    expect(page.locator("#advice")).not_to_be_empty(timeout=20_000)
    unsuited = page.locator("#unsuited")
    page.locator("[name=task][value=day_to_night]").check(force=True)
    expect(unsuited).to_have_text("It is dark already, and this was made for days.")
    page.locator("[name=task][value=clean]").check(force=True)
    expect(unsuited).to_be_empty()


def test_both_pictures_are_looked_at_closely_at_one_place(changed):
    page = changed("clean", LARGE)
    start = closely(page)
    assert start[2:] == pytest.approx([1353, 900])
    told, panes = page.locator(".zoom output"), page.locator(".panes")
    expect(told).to_have_text("100 %")
    box = page.locator(".pane").nth(1).bounding_box()
    x, y = box["x"] + 100, box["y"] + 100
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 70, y - 40, steps=3)
    page.mouse.up()
    assert places(page) == pytest.approx(start + np.array([-70, -40, 0, 0]), abs=1)
    before = places(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    expect(told).to_have_text("120 %")
    assert places(page)[:2] == pytest.approx(100 - 1.2 * (100 - before[:2]), abs=1)
    panes.focus()
    page.keyboard.press("Home")
    expect(told).to_have_text("100 %")
    for _ in range(20):
        page.keyboard.press("Shift+ArrowRight")
    assert places(page)[0] == pytest.approx(box["width"] - 1353, abs=1)  # no further than its edge
    page.keyboard.press("+")
    expect(told).to_have_text("200 %")
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(told).to_have_text("100 %")  # not less


def test_two_fingers_enlarge_both(changed):
    options = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    page = changed("clean", LARGE, width=390, height=844, **options)
    start = closely(page)
    assert start[2] == pytest.approx(1353 / 2)  # a pixel of the picture is one of the screen
    page.locator(".pane").first.scroll_into_view_if_needed()
    box, touch = page.locator(".pane").first.bounding_box(), page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    kit.fingers(touch, "touchStart", (x - 40, y))
    kit.fingers(touch, "touchStart", (x - 40, y), (x + 40, y))
    for apart in range(40, 82, 4):
        kit.fingers(touch, "touchMove", (x - apart, y), (x + apart, y))
    kit.fingers(touch, "touchEnd")
    expect(page.locator(".zoom output")).to_have_text(re.compile("^(19|20)\\d %$"))
    assert places(page)[2] == pytest.approx(1353, rel=0.05)


def test_a_line_lies_over_the_native_pixels(changed):
    page = changed("clean", LARGE)
    closely(page)
    page.locator("#over").check()
    page.locator("#line").focus()
    page.keyboard.press("Home")
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    shown = kit.seen(page.locator(".panes figure").first.locator(".pane"))
    red, _, blue = (shown[..., k].mean(axis=0) for k in range(3))
    warm = red - blue
    width = len(warm)
    assert warm[: width // 4 - 5].mean() > 10 and warm[width // 4 + 5 :].mean() < -10


@pytest.mark.slow
def test_what_is_scratched_is_downloaded_as_it_is_seen(changed, tmp_path):
    page = changed("day_to_night", sample="pavilion")
    whole = {}
    for which in ("before", "after"):
        (path := tmp_path / f"{which}.png").write_bytes(
            page.request.get(f"{page.url}{which}.png").body()
        )
        whole[which] = images.read(path)
    side = len(whole["after"])
    stage = page.locator("#stage")
    expect(page.locator("#share-uncovered")).to_have_text("0 % uncovered")  # it is laid over
    stage.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as you see it").click()
    name = download.value.suggested_filename
    assert re.fullmatch(r"day_to_night_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_seen\.png", name)
    path = tmp_path / "seen.png"
    download.value.save_as(path)
    got = images.read(path)
    assert got.shape == whole["before"].shape == whole["after"].shape
    band = slice(round(0.47 * side), round(0.53 * side))
    stroke = band, slice(round(0.6 * side), round(0.95 * side))  # from the middle to the right
    assert np.abs(got[stroke] - whole["after"][stroke]).mean() < 0.02
    above = slice(round(0.4 * side))
    assert np.abs(got[above] - whole["before"][above]).mean() < 0.02
    assert photo.restored_by(path) == "day_to_night"


def seen_file(page, path) -> dict[str, np.ndarray]:
    """What "Download as you see it" gives, and both pictures, as they are kept."""
    got = {}
    for which in ("before", "after"):
        path.write_bytes(page.request.get(f"{page.url}{which}.png").body())
        got[which] = images.read(path)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as you see it").click()
    assert download.value.suggested_filename.endswith("_seen.png")
    download.value.save_as(path)
    return got | {"seen": images.read(path)}


def test_what_is_half_scrolled_is_downloaded_as_it_is_seen(changed, tmp_path):
    page = changed("summer_to_winter", kit.encoded(data.chelsea(), quality=95))
    page.locator("#stage").focus()
    for _ in range(2):
        page.keyboard.press("PageDown")
    expect(page.locator("#stage")).to_have_attribute("aria-valuenow", "50")
    got = seen_file(page, tmp_path / "seen.png")
    assert got["seen"].shape == got["after"].shape
    for rows, which in ((slice(0, 110), "after"), (slice(190, 300), "before")):
        assert np.abs(got["seen"][rows] - got[which][rows]).mean() < 0.02
    assert photo.restored_by(tmp_path / "seen.png") == "summer_to_winter"


def test_the_line_is_downloaded_as_it_is_seen(changed, tmp_path):
    page = changed("noise_cancel", kit.encoded(data.chelsea(), quality=95))
    page.locator("#stage").focus()
    page.keyboard.press("PageDown")
    expect(page.locator("#stage")).to_have_attribute("aria-valuenow", "25")
    got = seen_file(page, tmp_path / "seen.png")
    height, width = got["after"].shape[:2]
    assert got["seen"].shape == (height, width, 3) == (600, 902, 3)
    before = images.resize(got["before"], (height, width), "bilinear")
    line = width // 4
    assert np.abs(got["seen"][:, : line - 3] - before[:, : line - 3]).mean() < 0.02
    assert np.abs(got["seen"][:, line + 3 :] - got["after"][:, line + 3 :]).mean() < 0.01


@pytest.mark.parametrize("picture", [data.chelsea(), data.chelsea()[:, :200]])
def test_what_is_scrolled_keeps_its_shape(picture, changed):
    page = changed("summer_to_winter", kit.encoded(picture))
    stage, inner = page.locator("#stage"), page.locator("#stage .over")
    expect(stage).to_be_visible()
    shown, whole = inner.bounding_box(), stage.bounding_box()
    height, width = picture.shape[:2]
    assert shown["height"] == pytest.approx(whole["height"], abs=1)
    assert shown["width"] / shown["height"] == pytest.approx(width / height, rel=0.05)


def test_on_a_phone_a_finger_scrolls_past_what_is_looked_at_closely(changed):
    options = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    page = changed("clean", kit.photograph(80), width=390, height=844, **options)
    closely(page)
    larger = page.get_by_role("button", name="Larger")
    expect(larger).to_be_in_viewport()  # above the pictures
    touch, box = page.context.new_cdp_session(page), page.locator(".pane").last.bounding_box()
    y = min(box["y"] + box["height"] - 20, 800)
    kit.fingers(touch, "touchStart", (195, y))
    for k in range(1, 9):
        kit.fingers(touch, "touchMove", (195, y - 30 * k))
        page.wait_for_timeout(16)
    kit.fingers(touch, "touchEnd")
    page.wait_for_function("scrollY > 50")
    expect(page.locator("#closely-help .by-keys")).to_be_hidden()  # a phone has no keys


def test_the_systems_own_share_is_offered_where_there_is_one(changed, visit):
    page = changed("clean", kit.photograph(80))
    page.get_by_role("button", name="Make a share link").click()
    link = page.locator("#link").input_value()
    friend = visit()
    friend.add_init_script("delete Navigator.prototype.share")
    friend.goto(link)
    expect(friend.locator("#show")).to_be_visible()
    expect(friend.locator("#send")).to_be_hidden()
    friend.add_init_script("navigator.share = (what) => { window.given = what; }")
    for opened in (friend, page):
        opened.add_init_script("navigator.share = (what) => { window.given = what; }")
        opened.reload()
        opened.get_by_role("button", name="Share…").click()
        assert opened.evaluate("given.url") == link


def test_the_start_shows_what_the_page_does(visit):
    page = visit()
    page.goto("/")
    stage = page.locator(".hero .stage").first
    page.evaluate(LOADED, ".hero img")  # fails where one cannot be shown
    stage.focus()
    page.keyboard.press("ArrowRight")
    expect(stage).to_have_attribute("aria-valuenow", "55")
    page.locator("label.sample").first.click()
    expect(page.locator("#crop")).to_be_visible()
    expect(stage).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("width, scheme", [(390, "dark"), (1440, "light")])
def test_these_pages_are_accessible_and_fit(width, scheme, changed):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    kit.SCREENS.mkdir(parents=True, exist_ok=True)

    def look(page, name):
        page.screenshot(path=kit.SCREENS / f"{name}_{width}_{scheme}.png", full_page=True)
        found = axe.run(page).response["violations"]
        assert not found, f"{name}: {[(v['id'], [n['html'] for n in v['nodes']]) for v in found]}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

    options = {"width": width, "height": 844, "color_scheme": scheme}
    page = changed("auto", LARGE, **options)
    closely(page)
    look(page, "closely")
    page.locator("#over").check()
    look(page, "over")
    look(changed("auto", sample="coffee", **options), "alone")
    look(changed("deblur", kit.encoded(data.chelsea()[:, :200]), **options), "misfit")
