"""Choosing pictures and a part, in a real browser: corners, several files, what is refused.

Stand-ins take the networks' place, which swap red and blue.
"""

import io
import json
import re

import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
pytest.importorskip(
    "playwright", reason="the browser's tests need Playwright: pip install -r requirements.txt"
)
import numpy as np
from PIL import Image
from playwright.sync_api import expect
from skimage import data

from nbtests.web import kit
from web.studio import restorers, samples

CAT = kit.encoded(data.chelsea())  # 451×300
CUP = kit.encoded(data.coffee()[:200, :300])


def given(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


@pytest.fixture
def page(visit):
    opened = visit()
    opened.goto("/")
    return opened


def square(page) -> np.ndarray:
    """Left, top, right and bottom of the square, from the picture's corner."""
    box, frame = page.locator("#crop").bounding_box(), page.locator("#frame").bounding_box()
    left, top = frame["x"] - box["x"], frame["y"] - box["y"]
    return np.array([left, top, left + frame["width"], top + frame["height"]])


@pytest.fixture
def cropped(page):
    page.set_input_files("#picture", files=[given("a.jpg", CAT)])
    expect(page.locator("#crop")).to_be_visible()
    page.locator("#whole").uncheck()
    return page


def drag(page, start, by):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2, steps=3)
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
    page.mouse.up()


@pytest.mark.parametrize("corner", ["top left", "top right", "bottom left", "bottom right"])
def test_each_corner_is_pulled_and_the_one_across_stays(corner, cropped):
    before = square(cropped)
    grip = cropped.locator(f"[data-corner='{corner}']").bounding_box()
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    inwards = 40 if "left" in corner else -40, 40 if "top" in corner else -40
    drag(cropped, (x, y), inwards)
    moved = square(cropped) - before
    pulled = [0 if "left" in corner else 2, 1 if "top" in corner else 3]
    stays = [2 if "left" in corner else 0, 3 if "top" in corner else 1]
    assert moved[pulled] == pytest.approx(inwards, abs=2)
    assert moved[stays] == pytest.approx([0, 0], abs=1)
    drag(cropped, (x + inwards[0], y + inwards[1]), (-20 * inwards[0], -20 * inwards[1]))
    left, top, right, bottom = square(cropped)
    box = cropped.locator("#crop").bounding_box()
    assert left >= -1 and top >= -1 and right <= box["width"] + 1 and bottom <= box["height"] + 1
    assert right - left == pytest.approx(bottom - top, abs=1)


def test_a_picture_is_turned_with_its_square_and_sent_so(cropped):
    """A red patch stays in the square; the page shows what the server cuts out."""
    marked = np.zeros((200, 300, 3), np.uint8)
    marked[20:80, 220:280] = (255, 0, 0)
    cropped.set_input_files("#picture", files=[given("b.jpg", kit.encoded(marked, quality=95))])
    expect(cropped.locator("#limits")).to_contain_text("300")
    cropped.locator("#whole").uncheck()
    for _ in range(8):
        cropped.locator("#frame").press("Shift+-")  # down to 16 pixels
    box = cropped.locator("#crop").bounding_box()
    cropped.mouse.click(box["x"] + box["width"] * 250 / 300, box["y"] + box["height"] * 50 / 200)
    cropped.locator("#turn").click()
    box = cropped.locator("#crop").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(200 / 300, abs=0.02)
    middle = (square(cropped)[:2] + square(cropped)[2:]) / 2 / [box["width"], box["height"]]
    assert middle == pytest.approx([150 / 200, 250 / 300], abs=0.02)
    cropped.locator("[value=clean]").check()
    cropped.locator("#go").click()
    cropped.wait_for_url("**/p/**")
    before = cropped.request.get(f"{cropped.url}before.png").body()
    sent = np.asarray(Image.open(io.BytesIO(before)))
    assert sent.shape[0] == sent.shape[1] < 60 and (sent > (200, -1, -1)).all()
    assert (sent < (256, 50, 50)).all()


def test_zoom_shows_the_square_larger_and_changes_nothing_else(cropped):
    before, words = square(cropped), cropped.locator("#limits").inner_text()
    cropped.locator("#zoom").fill("1.5")
    near = square(cropped)
    assert near[2:] - near[:2] == pytest.approx(1.5 * (before[2:] - before[:2]), abs=2)
    box = cropped.locator("#crop").bounding_box()
    assert (near[:2] + near[2:]) / 2 == pytest.approx([box["width"] / 2, box["height"] / 2], abs=2)
    assert cropped.locator("#limits").inner_text() == words
    # A pull of 30 pixels is now 20 of the picture as it was
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    drag(cropped, middle, (30, 0))
    cropped.locator("#zoom").fill("1")
    assert square(cropped)[0] - before[0] == pytest.approx(20, abs=2)


def test_the_square_stays_in_view(cropped):
    cropped.locator("#zoom").focus()
    cropped.keyboard.press("End")
    box = cropped.locator("#crop").bounding_box()
    for size in ("0.3", "0.9"):  # smaller, then larger than what the zoom shows
        cropped.locator("#size").fill(size)
        left, top, right, bottom = square(cropped)
        assert min(left, top) > -2 and right < box["width"] + 2 and bottom < box["height"] + 2
    assert float(cropped.locator("#zoom").input_value()) == pytest.approx(1 / 0.9, abs=0.01)


def test_the_square_is_seen_at_once_and_a_click_within_it_moves_it(cropped):
    box = cropped.locator("#crop").bounding_box()
    left, top, right, bottom = square(cropped)
    assert bottom - top == pytest.approx(0.6 * box["height"], abs=2)
    at = left + 20, (top + bottom) / 2 - 15
    cropped.mouse.click(box["x"] + at[0], box["y"] + at[1])
    left, top, right, bottom = square(cropped)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(at, abs=2)
    cropped.locator("#whole").check()
    cropped.locator("#whole").uncheck()
    assert square(cropped) == pytest.approx([left, top, right, bottom], abs=1)  # as it was set


@pytest.mark.parametrize(
    "size, words", [((15, 15), "smaller than 16×16"), ((7200, 7200), "more than 50 megapixels")]
)
def test_what_is_too_small_or_too_large_is_told_before_it_is_sent(size, words, page):
    posts = []
    page.on("request", lambda request: request.method == "POST" and posts.append(request.url))
    flat = kit.encoded(np.zeros((*size, 3), np.uint8))
    page.set_input_files("#picture", files=[given("a.jpg", flat)])
    expect(page.locator("#early")).to_contain_text(words)
    expect(page.locator("#early")).to_be_in_viewport()
    expect(page.locator("#work")).to_be_hidden()
    assert not posts


def test_of_several_pictures_each_gets_the_change(page):
    text = given("notes.jpg", b"no picture at all")
    page.set_input_files("#picture", files=[given("a.jpg", CAT), text, given("b.jpg", CUP)])
    several = page.locator("#several")
    expect(several).to_contain_text("2 pictures are chosen.")
    expect(several).to_contain_text("notes.jpg: This is no picture")
    page.locator("[name=task][value=noise_cancel]").check(force=True)
    page.locator("#whole").uncheck()  # of the first
    page.locator("#go").dispatch_event("click")
    page.wait_for_selector("#show")
    expect(page.locator(".mine li")).to_have_count(2)
    expect(page.locator(".mine [data-waiting]")).to_have_count(0)
    assert page.locator("#pair img").first.get_attribute("width") == "360"
    page.locator(".mine a").first.click()
    page.wait_for_selector("#show")
    assert page.locator("#pair img").first.get_attribute("width") == "600"


def test_several_pictures_stay_where_the_language_changes(page):
    page.set_input_files("#picture", files=[given("a.jpg", CAT), given("b.jpg", CUP)])
    expect(page.locator("#several")).to_contain_text("2 pictures are chosen.")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("#several")).to_contain_text("2장을 골랐습니다.")
    names = "input => [...input.files].map((file) => file.name)"
    assert page.locator("#picture").evaluate(names) == ["a.jpg", "b.jpg"]
    assert page.evaluate("caches.keys()") == []


def test_several_pictures_are_dropped_beside_a_result(page):
    page.set_input_files("#picture", files=[given("a.jpg", CAT)])
    page.locator("#go").dispatch_event("click")
    page.wait_for_selector("#show")
    first = page.url
    page.set_input_files("#next input[type=file]", files=[given(f"{n}.jpg", CUP) for n in "bc"])
    page.wait_for_url(lambda url: url != first)
    page.wait_for_selector("#show")
    expect(page.locator(".mine li")).to_have_count(3)  # the strip renews itself


def test_where_one_of_several_is_refused_the_others_stand_below(page):
    page.set_input_files("#picture", files=[given(f"{n}.jpg", CUP) for n in "abc"])
    expect(page.locator("#several")).to_contain_text("3 pictures are chosen.")
    seen = []

    def answer(route):
        if route.request.method != "POST" or "/suggest" in route.request.url:
            return route.continue_()
        seen.append(route.request.post_data_buffer)
        if len(seen) == 1:  # all places are taken, for a second
            body = {"error": "Many pictures are waiting.", "wait": 1}
            return route.fulfill(status=503, body=json.dumps(body), content_type="application/json")
        if len(seen) == 3:
            body = {"error": "It is damaged.", "wait": 0}
            return route.fulfill(status=415, body=json.dumps(body), content_type="application/json")
        return route.continue_()

    page.route("**/", answer)
    page.locator("#go").dispatch_event("click")
    expect(page.locator("#early")).to_have_text("b.jpg: It is damaged.")
    expect(page.locator("#early")).to_be_in_viewport()
    assert len(seen) == 4 and b'filename="c.jpg"' in seen[3] and b'name="side"' not in seen[3]
    expect(page.locator(".mine li")).to_have_count(2)
    page.wrong[:] = [w for w in page.wrong if not re.search("503|415", w)]


def test_what_happens_to_what_is_sent_is_told_in_view(page):
    page.set_input_files("#picture", files=[given("a.jpg", CAT)])
    expect(page.locator("#crop")).to_be_visible()
    page.route("**/", lambda route: None)  # the server is long about it
    expect(page.locator("#go")).to_be_in_viewport()
    page.locator("#go").click()
    told = page.locator(".sending .told")
    expect(told).to_have_text(re.compile("^(Sending: \\d+ %|Sent)"))
    expect(told).to_be_in_viewport()
    expect(page.locator(".sending").get_by_role("button", name="Cancel")).to_be_in_viewport()


def test_a_long_wait_tells_how_long_it_takes_yet(page):
    large = kit.encoded(np.tile(data.chelsea(), (6, 5, 1)), quality=80)  # 4 megapixels
    percents = iter(range(0, 100))

    def answer(route):
        percent = next(percents, 99)
        words = f"The networks are at work: {percent} %."
        route.fulfill(json={"state": "running", "percent": percent, "words": words})

    page.route("**/state", answer)
    page.set_input_files("#picture", files=[given("a.jpg", large)])
    page.locator("[name=task][value=clean]").check(force=True)
    page.locator("#go").dispatch_event("click")
    words = page.locator("#words")
    expect(words).to_have_text(re.compile("at work: \\d+ %\\."))
    told = re.compile("%\\. About \\d*[05] s more\\.")
    expect(words).to_have_text(told, timeout=30_000)


def test_on_a_phone_the_button_stays_in_view_while_one_chooses(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    page.goto("/")
    page.locator("label.sample").first.tap()
    page.locator("[name=task][value=clean]").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('task-title').scrollIntoView()")
    expect(page.locator("#go")).to_be_in_viewport(ratio=1)


def test_each_task_has_a_sample_that_says_so(page):
    named = {sample.task for sample in samples.SAMPLES.values()}
    assert named == set(restorers.TASKS) - {restorers.AUTO}
    for sample in samples.SAMPLES.values():
        told = page.locator(f"label.sample:has([data-task={sample.task}])")
        expect(told).to_contain_text(str(restorers.TASKS[sample.task].label))
        width = "img => img.decode().then(() => img.naturalWidth)"
        assert told.locator("img").evaluate(width) >= 90
