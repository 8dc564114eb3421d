"""The real server with the real networks, and a real browser.

The whole way, every gesture, and every page as a picture.
"""

import json
import re
import sqlite3

import numpy as np
import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
pytest.importorskip(
    "playwright", reason="the browser's tests need Playwright: pip install -r requirements.txt"
)
from PIL import Image
from playwright.sync_api import expect
from safetensors import safe_open
from skimage import data
from sklearn.datasets import load_sample_image

from helpers import ROOT, images, metrics
from helpers.app import photo
from nbtests.web import kit
from nbtests.web.kit import SCREENS, fingers, seen
from web.studio import restorers, samples

PLAYS = {"shore": "scroll", "pavilion": "scratch", "trees": "hover", "cat": "slider"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with kit.serving(tmp_path_factory.mktemp("server"), WEB_UPLOADS="1000") as running:
        yield running


@pytest.fixture(scope="module")
def results(server):
    """One picture of each sample, and their owner's cookies."""
    visitor = kit.Visitor(server.address)
    fields = {"csrfmiddlewaretoken": visitor.token}
    paths = {}
    for name, sample in samples.SAMPLES.items():
        answer = visitor.session.post(
            f"{server.address}/",
            fields | {"sample": name, "task": sample.task},
            headers={"Accept": "application/json"},
            timeout=60,
        )
        paths[name] = answer.json()["address"]
    assert [visitor.wait(path)["state"] for path in paths.values()] == ["done"] * len(paths)
    cookies = [
        {"name": k, "value": v, "url": server.address} for k, v in visitor.session.cookies.items()
    ]
    return visitor, paths, {"cookies": cookies, "origins": []}


@pytest.fixture
def opened(visit, results):
    """A sample's result, open in its owner's browser."""
    _, paths, state = results

    def make(name, **options):
        page = visit(**options)
        page.context.add_cookies(state["cookies"])
        page.goto(paths[name])
        return page

    return make


def changed(before: np.ndarray, after: np.ndarray, rows=slice(None), columns=slice(None)) -> float:
    """Mean difference of a part, rows and columns as parts of 1."""
    h, w = before.shape[:2]
    part = (
        slice(*(None if x is None else round(x * h) for x in (rows.start, rows.stop))),
        slice(*(None if x is None else round(x * w) for x in (columns.start, columns.stop))),
    )
    return float(np.abs(after[part] - before[part]).mean())


def detail(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture, axis=1)).mean())


# what the networks make of it


def test_the_networks_do_what_the_cards_promise(results):
    """Nearer to the truth than the damaged picture, where a truth is known.

    Dark where it should be night.
    """
    visitor, paths, _ = results
    got = {}
    for name, path in paths.items():
        for which in ("before", "after"):
            (file := SCREENS / f".{which}.png").parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(visitor.get(f"{path}{which}.png").content)
            got[name, which] = images.read(file)
            file.unlink()
    sizes = {name: got[name, "after"].shape[:2] for name in paths}
    assert sizes == {
        "pavilion": (427, 427),
        "shore": (240, 240),
        "trees": (240, 240),
        "coffee": (640, 640),
        "astronaut": (96, 96),
        "cat": (300, 450),
        "flower": (427, 427),
        "frost": (240, 240),
        "rocket": (427, 427),
        "leaves": (240, 240),
    }
    cat, coffee = (images.to_float(x) for x in (data.chelsea(), data.coffee()))
    flower = images.to_float(load_sample_image("flower.jpg"))
    face = images.crop_box(
        astronaut := images.to_float(data.astronaut()), images.faces(astronaut)[0], 0.15
    )
    truths = {
        "cat": images.crop_to_multiple(cat, 2),
        "flower": images.square_crop(flower),
        "coffee": images.resize(images.square_crop(coffee), (640, 640), "bicubic"),
        "astronaut": images.resize(face, (96, 96), "area"),
    }
    for name, truth in truths.items():
        plain = images.resize(got[name, "before"], truth.shape[:2], "bicubic")
        gain = metrics.psnr(truth, got[name, "after"]) - metrics.psnr(truth, plain)
        assert gain > 0.2, f"{name}: {gain:+.2f} dB"
    night = got["pavilion", "after"].mean()
    assert night < 0.7 * got["pavilion", "before"].mean()
    assert got["rocket", "after"].mean() > 1.4 * got["rocket", "before"].mean()
    red, green = (
        picture[-picture.shape[0] // 3 :, :, :2].mean(axis=(0, 1))
        for picture in (got["trees", "before"], got["trees", "after"])
    )
    assert green[0] / green[1] > 1.03 * red[0] / red[1]  # from green towards red
    for name, ratio in (("leaves", 1.03), ("frost", 1)):  # and back; grey becomes warmer
        (r, g, b), (red, green, blue) = (
            got[name, w].mean(axis=(0, 1)) for w in ("before", "after")
        )
        assert green / red > ratio * g / r if name == "leaves" else green / blue > 1.02 * g / b


def test_the_record_tells_which_networks_did_it(server, results):
    with sqlite3.connect(server.folder / "db.sqlite3") as database:
        rows = database.execute(
            "SELECT task, weights, milliseconds, owner, state FROM studio_job"
        ).fetchall()
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for task, weights, milliseconds, owner, state in rows:
        hashes = []
        if task == restorers.AUTO:
            continue
        for name in restorers.TASKS[task].networks:
            with safe_open(
                ROOT / "data" / "weights" / f"{name}.safetensors", framework="numpy"
            ) as file:
                hashes.append(f"{name} {json.loads(file.metadata()['card'])['sha256']}")
        assert weights == ", ".join(hashes)
        assert milliseconds > 10 and len(owner) == 64 and state == "done"


# the whole way


def test_the_whole_way_by_mouse(visit, tmp_path):
    """From a file to its result, its link, its download and its end; the square is set by hand."""
    path = tmp_path / "cat.jpg"
    path.write_bytes(kit.encoded(data.chelsea(), quality=95))  # 451×300
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/")
    expect(page.locator("#work")).to_be_hidden()
    page.set_input_files("#picture", path)
    frame, whole = page.locator("#frame"), page.locator("#whole")
    expect(whole).to_be_focused()  # a repair takes the whole picture
    expect(frame).to_be_hidden()
    expect(page.locator("#limits")).to_contain_text("451 × 300 → 451 × 300")
    page.locator(".task").get_by_text("Noise-cancel ×2").click()
    expect(page.locator("#limits")).to_contain_text("451 × 300 → 902 × 600")
    page.locator(".task").get_by_text("Summer → winter").click()
    expect(page.locator("#limits")).to_contain_text("451 × 300 → 451 × 300")
    page.locator(".task").get_by_text("Noise-cancel ×2").click()
    whole.uncheck()
    crop, start = page.locator("#crop").bounding_box(), frame.bounding_box()
    assert start["height"] == pytest.approx(0.6 * crop["height"], abs=2)  # one sees a square
    page.mouse.move(start["x"] + 60, start["y"] + 60)
    page.mouse.down()
    page.mouse.move(crop["x"] - 300, start["y"] + 60, steps=5)  # further than it goes
    page.mouse.up()
    assert frame.bounding_box()["x"] == pytest.approx(crop["x"], abs=2)
    corner = page.locator(".grip").last.bounding_box()
    page.mouse.move(corner["x"] + 10, corner["y"] + 10)
    page.mouse.down()
    page.mouse.move(
        corner["x"] + 10 - start["width"] / 2, corner["y"] + 10 - start["width"] / 2, steps=5
    )
    page.mouse.up()
    assert frame.bounding_box()["width"] == pytest.approx(start["width"] / 2, abs=3)
    assert page.locator("#pixels").text_content() == "90 × 90"
    expect(page.locator("#limits")).to_contain_text("90 × 90 → 180 × 180")
    page.get_by_role("button", name="Change the picture").click()
    page.wait_for_selector("#show")
    before = page.request.get(f"{page.url}before.png").body()
    (tmp_path / "before.png").write_bytes(before)
    square = images.read(tmp_path / "before.png")
    assert square.shape == (90, 90, 3)
    expected = images.read(path)[60:150, :90]
    assert np.abs(square - expected).mean() < 0.02  # within a pixel of where the mouse let go

    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    name = download.value.suggested_filename
    assert re.fullmatch(r"noise_cancel_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.png", name)
    assert photo.restored_by(download.value.path()) == "rdn_noise_cancel_x2"
    assert images.read(download.value.path()).shape == (180, 180, 3)

    page.get_by_role("button", name="Make a share link").click()
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    link = page.locator("#link").input_value()
    assert page.evaluate("navigator.clipboard.readText()") == link
    friend = visit()
    friend.goto(link)
    expect(friend.locator("#stage")).to_be_visible()
    expect(friend.get_by_text("Delete for good")).to_have_count(0)

    own = page.url.split("#")[0]
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status")).to_contain_text("is deleted")
    for url in (own, link):
        assert page.request.get(url).status == 404


def test_a_picture_too_large_for_a_repair_gets_the_largest_square(visit, tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(np.tile(data.chelsea(), (4, 4, 1))).save(path)  # 1804×1200
    page = visit()
    page.goto("/")
    page.set_input_files("#picture", path)
    page.locator(".task").get_by_text("Enlarge ×4").click()
    expect(page.locator("#whole")).to_be_disabled()
    expect(page.locator("#frame")).to_be_visible()
    expect(page.locator("#limits")).to_contain_text("707 × 707 → 2828 × 2828")
    page.get_by_text("For grain, JPEG traces").click()
    expect(page.locator("#whole")).to_be_enabled()


def test_another_change_needs_no_other_upload(visit):
    page = visit()
    page.goto("/")
    page.locator("label.sample").nth(3).click()
    page.get_by_role("button", name="Change the picture").click()
    page.wait_for_selector("#show")
    page.get_by_text("Another change of it").click()
    page.locator("select[name=task]").select_option("clean")
    page.get_by_role("button", name="Change the picture").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clean")
    page.wait_for_selector("#show")


def test_a_cancelled_picture_is_gone(visit, server):
    page = visit()
    page.goto("/")
    large = kit.encoded(np.tile(data.chelsea(), (6, 5, 1)), quality=80)  # 4 megapixels
    page.set_input_files(
        "#picture", files=[{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": large}]
    )
    page.locator("[value=clean]").check(force=True)
    page.get_by_role("button", name="Change the picture").click()
    page.wait_for_selector("#wait")
    own = page.url
    expect(page.locator("#words")).to_contain_text(re.compile("[1-9]"), timeout=60_000)
    # no scrolling: a browser on busy processors may take a minute to draw the large picture
    page.get_by_role("button", name="Cancel and delete").dispatch_event("click")
    expect(page.get_by_role("status").first).to_contain_text("is deleted", timeout=30_000)
    assert page.request.get(own).status == 404
    page.wrong[:] = [w for w in page.wrong if "404" not in w]  # it may have asked meanwhile


def test_the_whole_way_by_keyboard_alone(visit):
    page = visit()
    page.goto("/")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "sample":
            break
    page.keyboard.press("Space")
    expect(page.locator("#whole")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    frame = page.locator("#frame")
    expect(frame).to_be_focused()
    page.keyboard.press("Home")
    start = frame.bounding_box()
    for key in ("Shift+-", "-", "Shift+ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    moved = frame.bounding_box()
    assert moved["width"] < 0.9 * start["width"]
    assert moved["x"] < start["x"] + (start["width"] - moved["width"]) / 2
    page.keyboard.press("Home")
    assert frame.bounding_box() == pytest.approx(start, abs=1)
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "task":
            break
    expect(page.locator("[name=task]:checked")).to_have_value(
        "day_to_night"
    )  # which the sample suggests
    page.keyboard.press("ArrowDown")
    for _ in range(20):
        if page.evaluate("document.activeElement.id") == "go":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#show")
    expect(page.get_by_role("heading", level=1)).to_have_text("Night → day")


def test_a_finger_moves_and_pinches_the_square(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    page.goto("/")
    page.locator("label.sample").first.tap()
    page.locator("#whole").uncheck()
    frame = page.locator("#frame")
    expect(frame).to_be_visible()
    page.wait_for_timeout(200)
    start, touch = frame.bounding_box(), page.context.new_cdp_session(page)
    middle = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2

    def around(distance):
        return (middle[0] - distance, middle[1]), (middle[0] + distance, middle[1])

    fingers(touch, "touchStart", around(80)[0])
    fingers(touch, "touchStart", *around(80))
    for distance in range(80, 38, -4):
        fingers(touch, "touchMove", *around(distance))
    fingers(touch, "touchEnd")
    pinched = frame.bounding_box()
    assert pinched["width"] == pytest.approx(start["width"] / 2, rel=0.1)
    fingers(touch, "touchStart", middle)
    fingers(touch, "touchMove", (middle[0] - 30, middle[1]))
    fingers(touch, "touchMove", (middle[0] - 40, middle[1]))
    fingers(touch, "touchEnd")
    assert frame.bounding_box()["x"] == pytest.approx(pinched["x"] - 40, abs=3)
    assert page.evaluate("scrollX") == 0


def test_a_file_dropped_beside_the_field_is_taken_too(visit):
    page = visit()
    page.goto("/")
    content = list(kit.photograph(80))
    page.evaluate(
        """bytes => {
            const given = new DataTransfer();
            const type = "image/jpeg";
            given.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type }));
            const options = { dataTransfer: given, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("drop", options));
        }""",
        content,
    )
    expect(page.locator("#pixels")).to_have_text("80 × 80")


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "photo.jpg "])
def test_a_picture_under_another_name_is_taken_for_what_it_is(name, visit):
    page = visit()
    page.goto("/")
    page.set_input_files(
        "#picture", files=[{"name": name, "mimeType": "", "buffer": kit.photograph(80)}]
    )
    expect(page.locator("#pixels")).to_have_text("80 × 80")
    expect(page.locator("#early")).to_be_empty()


def test_what_the_server_refuses_is_said_beside_the_button(visit, tmp_path):
    page = visit()
    page.goto("/")
    large = tmp_path / "large.jpg"
    large.write_bytes(kit.photograph() + bytes(kit.LIMIT))
    page.set_input_files("#picture", large)
    expect(page.locator("#early")).to_contain_text("larger than 20 MB")  # before it is sent
    page.locator("label.sample").first.click()
    page.set_input_files(
        "#picture", files=[{"name": "IMG_1.HEIC", "mimeType": "image/heic", "buffer": b"a phone's"}]
    )
    expect(page.locator("#early")).to_contain_text("no picture that the page knows")
    expect(page.locator("#early")).to_be_in_viewport()
    page.locator("label.sample").first.click()  # the same again
    expect(page.locator("#crop")).to_be_visible()
    page.set_input_files(
        "#picture",
        files=[{"name": "a.tif", "mimeType": "image/tiff", "buffer": b"II*\0 no picture"}],
    )
    expect(page.locator("#blind")).to_be_visible()
    page.get_by_role("button", name="Change the picture").click()
    expect(page.locator("#wrong")).to_contain_text("no picture that the page knows")
    expect(page.locator("#wrong")).to_be_in_viewport()
    expect(page.locator("#go")).to_be_enabled()
    page.wrong[:] = [
        w for w in page.wrong if "415" not in w
    ]  # the console tells of the refusal too


def test_without_scripts(visit):
    page = visit(java_script_enabled=False)
    page.goto("/")
    page.locator("label.sample").nth(3).click()
    page.locator(".task").get_by_text("Enlarge ×4").click()
    page.get_by_role("button", name="Change the picture").click()
    page.wait_for_selector("#show", timeout=30_000)  # the waiting page reloads itself
    expect(page.locator("#pair img")).to_have_count(2)
    expect(page.locator("#pair")).to_be_visible()
    expect(page.locator("#play")).to_be_hidden()


# the gestures


def test_scratching_uncovers_the_night(opened):
    page = opened("pavilion")
    stage = page.locator("#stage")
    before, box = seen(stage), stage.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 0.25 * box["height"], steps=8)
    page.mouse.up()
    after = seen(stage)
    assert changed(before, after, slice(0.22, 0.28), slice(0.2, 0.8)) > 20
    assert changed(before, after, slice(0.5, 1)) < 0.5  # elsewhere it is still day
    assert after.mean() < before.mean()
    told = page.locator("#share-uncovered")
    expect(told).to_have_text(re.compile(r"^1\d % uncovered$"))
    page.get_by_role("button", name="Uncover all").click()
    night = seen(stage)
    assert night.mean() < 0.8 * before.mean()
    expect(told).to_have_text("100 % uncovered")
    page.get_by_role("button", name="Cover all", exact=True).click()
    assert changed(before, seen(stage)) < 0.5


def test_scratching_by_keys(opened):
    page = opened("pavilion")
    stage = page.locator("#stage")
    before = seen(stage)
    stage.focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")  # only moves
    page.keyboard.press("Tab")
    assert changed(before, seen(stage)) < 0.5
    stage.focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")  # away with the ring
    after = seen(stage)
    assert changed(before, after, slice(0.27, 0.33), slice(0.55, 0.75)) > 20
    assert changed(before, after, slice(0.6, 1)) < 0.5
    stage.focus()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    assert seen(stage).mean() < 0.8 * before.mean()
    stage.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    assert changed(before, seen(stage)) < 0.5


def test_hovering_lifts_the_blur(opened):
    page = opened("trees")
    stage = page.locator("#stage")
    page.mouse.move(2, 2)
    blurred = seen(stage)
    stage.hover()
    page.wait_for_timeout(1100)
    sharp = seen(stage)
    assert detail(sharp) > 2 * detail(blurred)
    assert stage.get_attribute("aria-valuenow") == "100"
    page.mouse.move(2, 2)
    page.wait_for_timeout(1100)
    assert changed(blurred, seen(stage)) < 0.5
    stage.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(1100)
    assert detail(seen(stage)) > 2 * detail(blurred)
    page.keyboard.press("ArrowLeft")
    assert stage.get_attribute("aria-valuenow") == "95"


def test_a_tap_lifts_the_blur(opened):
    page = opened("trees", width=390, height=844, has_touch=True, is_mobile=True)
    stage = page.locator("#stage")
    blurred = seen(stage)
    stage.tap()
    page.wait_for_timeout(1100)
    assert detail(seen(stage)) > 2 * detail(blurred)
    stage.tap()
    page.wait_for_timeout(1100)
    assert changed(blurred, seen(stage)) < 0.5


def test_scrolling_brings_the_winter_from_above(opened):
    page = opened("shore")
    stage = page.locator("#stage")
    summer = seen(stage)
    stage.hover()
    page.mouse.wheel(0, 600)
    page.wait_for_timeout(500)
    half = seen(stage)
    assert changed(summer, half, slice(0, 0.15), slice(0, 0.9)) > 4
    assert changed(summer, half, slice(0.85, 1), slice(0, 0.9)) < 0.5  # below it is still summer
    assert page.evaluate("scrollY") == 0
    stage.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    winter = seen(stage)
    assert changed(summer, winter, slice(0.85, 1), slice(0, 0.9)) > 4
    assert stage.get_attribute("aria-valuenow") == "100"
    page.keyboard.press("Home")
    page.wait_for_timeout(300)
    assert changed(summer, seen(stage), columns=slice(0, 0.9)) < 0.5
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(100)
    assert stage.get_attribute("aria-valuenow") == "5"


def test_a_swipe_brings_the_winter(opened):
    page = opened("shore", width=390, height=844, has_touch=True, is_mobile=True)
    stage = page.locator("#stage")
    box, touch = stage.bounding_box(), page.context.new_cdp_session(page)
    summer = seen(stage)
    x, y = box["x"] + box["width"] / 2, box["y"] + 0.8 * box["height"]
    fingers(touch, "touchStart", (x, y))
    for k in range(1, 13):
        fingers(touch, "touchMove", (x, y - 20 * k))
        page.wait_for_timeout(16)
    fingers(touch, "touchEnd")
    expect(stage).to_have_attribute("aria-valuenow", re.compile(r"^[2-9]\d$"))
    assert changed(summer, seen(stage), slice(0, 0.15), slice(0, 0.9)) > 4


def test_the_line_between_before_and_after(opened):
    page = opened("cat")
    stage = page.locator("#stage")
    box = stage.bounding_box()
    half = seen(stage)
    y = box["y"] + 0.3 * box["height"]
    page.mouse.move(box["x"] + 0.5 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.1 * box["width"], y, steps=5)
    page.mouse.up()
    left = seen(stage)
    assert changed(half, left, columns=slice(0.2, 0.4)) > 1  # there the repaired one shows now
    assert changed(half, left, columns=slice(0.6, 1)) < 0.5
    assert stage.get_attribute("aria-valuenow") == "10"
    stage.focus()
    page.keyboard.press("End")
    assert stage.get_attribute("aria-valuenow") == "100"
    grainy = seen(stage)
    page.keyboard.press("Home")
    assert detail(grainy[:, 40:-40]) > 1.1 * detail(seen(stage)[:, 40:-40])
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("PageUp")
    assert stage.get_attribute("aria-valuenow") == "40"


def test_less_motion_is_respected(opened):
    page = opened("trees", reduced_motion="reduce")
    expect(page.locator("#pair")).to_be_visible()
    expect(page.locator("#stage")).to_be_hidden()
    page.get_by_role("button", name="Play").click()
    stage = page.locator("#stage")
    stage.hover()
    page.wait_for_timeout(50)
    sharp = page.evaluate("getComputedStyle(document.querySelector('.over')).opacity")
    assert float(sharp) == 1  # at once, without a transition
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator("#pair")).to_be_visible()


# every page, looked at


@pytest.mark.slow
@pytest.mark.parametrize(
    "width, scheme, language",
    [
        (390, "light", "en"),
        (390, "dark", "en"),
        (1440, "light", "en"),
        (1440, "dark", "en"),
        (390, "dark", "ko"),
    ],
)
def test_every_page_is_accessible_and_fits(width, scheme, language, visit, results):
    """axe-core finds nothing, and nothing is wider than the screen.

    A picture of each page lies in build/screens.
    """
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed"
    ).Axe()
    visitor, paths, state = results
    locale = {"en": "en-GB", "ko": "ko-KR"}[language]
    page = visit(width, 844 if width == 390 else 900, color_scheme=scheme, locale=locale)
    page.context.add_cookies(state["cookies"])
    SCREENS.mkdir(parents=True, exist_ok=True)
    keys = {
        "scroll": ["PageDown"] * 2,
        "scratch": ["ArrowLeft"] * 7 + ["ArrowUp"] * 4,
        "hover": ["Enter"],
        "slider": [],
    }
    link = shared_link(visitor, paths["trees"])

    def look(name, whole=True):
        page.wait_for_load_state()
        page.screenshot(
            path=SCREENS / f"{name}_{width}_{scheme}{'_ko' * (language == 'ko')}.png",
            full_page=whole,
        )
        found = axe.run(page).response["violations"]
        assert not found, f"{name}: {[(v['id'], [n['html'] for n in v['nodes']]) for v in found]}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{name} is wider than the screen"
        )
        assert page.locator("html").get_attribute("lang") == language

    page.goto("/")
    look("start")
    page.locator("label.sample").first.click()
    page.locator("#whole").uncheck()
    expect(page.locator("#frame")).to_be_visible()
    look("crop")
    page.route(
        "**/state",
        lambda route: route.fulfill(json={"state": "queued", "percent": 0, "words": "…"}),
    )
    page.locator("[value=deblur]").check(force=True)
    page.locator("#go").click()
    page.wait_for_selector("#wait, #show")
    look("wait")
    page.goto("/about/")
    look("about")
    page.unroute("**/state")
    for name, play in PLAYS.items():
        page.goto(paths[name])
        stage = page.locator("#stage")
        stage.focus()
        for key in keys[play]:
            page.keyboard.press(key)
        if play == "hover":
            page.wait_for_timeout(1000)
        look(play, whole=False)
    page.locator("#beside").click()
    look("beside")
    page.goto(link)
    look("shared", whole=False)
    page.goto("/no/such/")
    look("problem")
    page.wrong[:] = [w for w in page.wrong if "404" not in w]


def shared_link(visitor, path) -> str:
    """The share link of a picture; made, where there is none yet."""
    for _ in range(2):
        text = visitor.get(path).text
        if 'id="link"' in text:
            return text.split('id="link" readonly value="')[1].split('"')[0]
        visitor.session.post(
            f"{visitor.address}{path}share", {"csrfmiddlewaretoken": visitor.token}, timeout=30
        )
    raise AssertionError("no link was made")


# the server itself


def test_static_files_are_served_to_be_kept(server):
    visitor = kit.Visitor(server.address)
    page = visitor.get("/").text
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = visitor.get(style)
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    script = visitor.get(page.split('type="module" src="')[1].split('"')[0])
    assert "javascript" in script.headers["Content-Type"]
    assert 'from"./crop.js"' not in script.text.replace(
        " ", ""
    )  # modules import each other by their hashed names
    for secret in ("/static/../db.sqlite3", "/static/%2e%2e/secret", "/db.sqlite3", "/pictures/"):
        assert visitor.get(secret).status_code == 404


@pytest.mark.parametrize("what", kit.hostile())
def test_the_real_server_refuses_what_is_hostile(what, server):
    before = server.pictures()
    name, content = kit.hostile()[what]
    answer = kit.Visitor(server.address).send(content, name)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]
    assert server.pictures() == before


@pytest.mark.slow
def test_killed_in_the_middle_of_a_job(server):
    """SIGKILL while pictures are in work.

    After the restart each is finished, once, and the database is whole.
    """
    assert kit.killed_at_work(server, 3) == ["done"] * 3
    with sqlite3.connect(server.folder / "db.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stems = {stem for (stem,) in database.execute("SELECT stem FROM studio_job")}
    kinds = ("before.png", "after.png", "after.small.jpg")
    assert server.pictures() == {f"{stem}-{kind}" for stem in stems for kind in kinds}
    assert server.stop() == 0
