"""What was chosen is kept, and the next picture is near, in a real browser.

Stand-ins take the networks' place, which swap red and blue.
"""

import re

import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
pytest.importorskip(
    "playwright", reason="the browser's tests need Playwright: pip install -r requirements.txt"
)
from playwright.sync_api import expect
from skimage import data

from nbtests.web import kit

CAT = kit.encoded(data.chelsea())
CUP = kit.encoded(data.coffee()[:200, :300])
TOO_LARGE = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": CUP + bytes(kit.LIMIT)}


@pytest.fixture
def cat(tmp_path):
    """A file of the disk: of others no browser knows the way back."""
    path = tmp_path / "cat.jpg"
    path.write_bytes(CAT)
    return path


@pytest.fixture
def page(visit):
    opened = visit(locale="en-GB")
    opened.goto("/")
    return opened


def cropped(page, task="clean"):
    """Choose a task and a part that is neither the whole picture nor its middle; returns it."""
    expect(page.locator("#crop")).to_be_visible()
    page.locator(f"[name=task][value={task}]").check(force=True)
    page.locator("#whole").uncheck()
    page.locator("#frame").focus()
    for key in ("Shift+-", "Shift+-", "Shift+ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    return part(page)


def part(page) -> dict:
    expect(page.locator("#frame")).to_be_visible()
    style = "frame => ['left', 'top', 'width'].map((name) => frame.style[name])"
    return {
        "frame": page.locator("#frame").evaluate(style),
        "pixels": page.locator("#pixels").text_content(),
        "task": page.locator("[name=task]:checked").get_attribute("value"),
    }


def sent(page):
    page.locator("#go").dispatch_event("click")
    page.wait_for_selector("#show")


def size(page) -> tuple[int, int]:
    """Width and height of the picture that is shown before it is sent."""
    picture = page.locator("#preview")
    expect(picture).to_be_visible()
    return tuple(
        picture.evaluate("img => img.decode().then(() => [img.naturalWidth, img.naturalHeight])")
    )


@pytest.mark.parametrize("sample", [None, "pavilion"])
def test_back_keeps_the_picture_its_part_and_the_task(sample, page, cat):
    if sample:
        page.locator(f"[name=sample][value={sample}]").check(force=True)
    else:
        page.set_input_files("#picture", cat)
    chosen, shown = cropped(page), size(page)
    sent(page)
    page.go_back()
    assert size(page) == shown
    assert part(page) == chosen
    sent(page)  # and it can be sent again


def test_another_picture_starts_with_all_of_itself(page, cat):
    page.set_input_files("#picture", cat)
    cropped(page)
    sent(page)
    page.get_by_role("link", name="Another picture").click()
    page.set_input_files("#picture", cat)
    expect(page.locator("#whole")).to_be_checked()
    expect(page.locator("[name=task]:checked")).to_have_value("auto")


def test_each_way_back_finds_its_own_part(page, cat):
    """Of two pictures that were sent one after the other."""
    page.set_input_files("#picture", cat)
    first = cropped(page)
    sent(page)
    page.get_by_role("link", name="Another picture").click()
    page.locator("[name=sample][value=cat]").check(force=True)
    second = cropped(page, "deblur")
    sent(page)
    page.go_back()
    assert part(page) == second
    page.go_back()
    expect(page.locator("#show")).to_be_visible()
    page.go_back()
    assert part(page) == first


def test_an_error_keeps_the_part_and_is_said_in_view(page, cat):
    page.set_input_files("#picture", cat)
    chosen = cropped(page)
    busy = {"status": 503, "json": {"error": "Many pictures are waiting."}}
    page.route("**/", lambda route: route.fulfill(**busy))
    page.locator("#go").click()
    expect(page.locator("#wrong")).to_have_text("Many pictures are waiting.")
    expect(page.locator("#wrong")).to_be_in_viewport()
    assert part(page) == chosen
    page.unroute("**/")
    page.wrong[:] = [words for words in page.wrong if "503" not in words]
    sent(page)


@pytest.mark.parametrize("sample", [None, "shore"])
def test_another_language_keeps_the_picture_its_part_and_the_task(sample, page, cat):
    if sample:
        page.locator(f"[name=sample][value={sample}]").check(force=True)
    else:
        page.set_input_files("#picture", cat)
    chosen, shown = cropped(page), size(page)
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    assert size(page) == shown
    assert part(page) == chosen
    assert page.evaluate("caches.keys()") == []  # nothing of the picture stays in the browser
    sent(page)
    expect(page.locator("html")).to_have_attribute("lang", "ko")


def test_sending_can_be_stopped(page, server, cat):
    page.set_input_files("#picture", cat)
    chosen, before = cropped(page), server.pictures()
    page.route("**/", lambda route: None)  # a slow connection: it never comes through
    page.locator("#go").click()
    stop = page.locator(".sending").get_by_role("button", name="Cancel")
    stop.click()
    expect(stop).to_be_hidden()
    expect(page.locator("#go")).to_be_enabled()
    assert part(page) == chosen and server.pictures() <= before


# several pictures in a row


def dropped(page, content: bytes):
    """Drop a file anywhere on the page."""
    page.evaluate(
        """bytes => {
            const given = new DataTransfer();
            given.items.add(new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" }));
            const options = { dataTransfer: given, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("drop", options));
        }""",
        list(content),
    )


def chosen_on_the_page(page, content: bytes):
    file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content}
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Next picture, same change").click()
    chooser.value.set_files(files=[file])


@pytest.mark.parametrize("how", [dropped, chosen_on_the_page])
def test_the_next_picture_takes_one_gesture(how, page, cat):
    """The same change is made of it, and both stand in the strip, the newest first."""
    page.set_input_files("#picture", cat)
    page.locator("[name=task][value=noise_cancel]").check(force=True)
    sent(page)
    first = page.url
    expect(page.locator(".mine li")).to_have_count(1)
    how(page, CUP)
    page.wait_for_url(lambda url: url != first)
    page.wait_for_selector("#show")
    expect(page.get_by_role("heading", level=1)).to_have_text("Noise-cancel ×2")
    assert page.locator("#pair img").first.get_attribute("width") == "600"
    links = page.locator(".mine a")
    expect(links).to_have_count(2)
    expect(links.first).to_have_attribute("aria-current", "page")
    expect(links.last).to_have_attribute("href", re.sub("https?://[^/]+", "", first))
    expect(links.first).to_have_text("Noise-cancel ×2")
    assert links.first.locator("img").get_attribute("alt").startswith("Your picture, ")
    decoded = "img => img.decode().then(() => [img.naturalWidth, img.naturalHeight])"
    links.first.scroll_into_view_if_needed()
    assert links.first.locator("img").evaluate(decoded) == [240, 160]
    assert links.last.locator("img").evaluate(decoded) == [240, 160]


def test_a_next_picture_that_is_not_taken_is_told_in_view(page, cat):
    page.set_input_files("#picture", cat)
    sent(page)
    own, wrong = page.url, page.locator("#next .wrong")
    page.set_input_files("#picture", files=[TOO_LARGE])
    expect(wrong).to_contain_text("larger than 20 MB")
    page.set_input_files("#picture", files=[TOO_LARGE | {"buffer": b"II*\0 no picture"}])
    expect(wrong).to_contain_text("no picture that the page knows")
    expect(wrong).to_be_in_viewport()
    assert page.url == own
    page.wrong[:] = [words for words in page.wrong if "415" not in words]


def test_a_page_that_the_browser_has_kept_renews_its_strip(page, cat):
    """Meanwhile one result was deleted, and another one made; what was chosen stays."""
    page.set_input_files("#picture", cat)
    sent(page)
    page.get_by_role("link", name="Another picture").click()
    page.set_input_files("#picture", cat)
    chosen = cropped(page, "deblur")
    tab = page.context.new_page()
    tab.goto("/")
    tab.locator(".mine a").click()
    dropped(tab, CUP)
    tab.wait_for_selector(".mine li:nth-child(2)")
    newest = tab.url
    tab.locator(".mine a").last.click()
    tab.get_by_text("Delete", exact=True).click()
    tab.get_by_role("button", name="Delete for good").click()
    expect(tab.locator(".mine li")).to_have_count(1)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    link = page.locator(f".mine a[href='{re.sub('https?://[^/]+', '', newest)}']")
    expect(link).to_have_count(1)
    expect(page.locator(".mine a")).to_have_count(1)
    assert part(page) == chosen
