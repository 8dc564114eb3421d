"""What a robots.txt allows: thirty rules of RFC 9309, each with the section that says so."""

import time

import pytest

from helpers.app.sources.robots import Robots

ALL = "User-agent: *\n"
MINE = "User-agent: image-restoration-course\n"
RULES = [
    # 2.2.2: the longest match, in octets, case-sensitive
    (ALL + "Disallow: /pics/", "/pics/a.jpg", False),
    (ALL + "Disallow: /pics/", "/picture.jpg", True),
    (ALL + "Disallow: /pics", "/pics.html", False),
    (ALL + "Disallow: /Pics/", "/pics/a.jpg", True),
    (ALL + "Disallow: /\nAllow: /open/", "/open/a.jpg", True),
    (ALL + "Allow: /\nDisallow: /pics/", "/pics/a.jpg", False),
    (ALL + "Disallow: /a/\nAllow: /a/b/\nDisallow: /a/b/c/", "/a/b/c/d", False),
    (ALL + "Disallow: /page\nAllow: /page", "/page", True),
    (ALL + "Disallow:", "/anything", True),
    (ALL + "Disallow: /?download=", "/?download=1", False),
    (ALL + "Disallow: /a", "", True),
    # 2.2.2: percent-encoded or not, it is the same path
    (ALL + "Disallow: /사진/", "/%EC%82%AC%EC%A7%84/a.jpg", False),
    (ALL + "Disallow: /%ec%82%ac%ec%a7%84/", "/사진/a.jpg", False),
    (ALL + "Disallow: /%62%61%7A", "/baz", False),
    (ALL + "Disallow: /a%2Fb", "/a/b", True),
    # 2.2.3: special characters
    (ALL + "Disallow: /*.jpg$", "/pics/a.jpg", False),
    (ALL + "Disallow: /*.jpg$", "/pics/a.jpg?size=1", True),
    (ALL + "Disallow: /private*/pics/", "/private-2/x/pics/a.jpg", False),
    (ALL + "Disallow: /*?download=", "/a.jpg?download=1", False),
    (ALL + "Disallow: /*.gif\nAllow: /a/", "/a/b.gif", False),
    (ALL + "Allow: /$\nDisallow: /", "/", True),
    (ALL + "Disallow: /a-%2A.html", "/a-*.html", False),
    (ALL + "Disallow: /a-%2A.html", "/a-b.html", True),
    (ALL + "Disallow: /[ab]?.jpg", "/a1.jpg", True),
    # 2.2.1: the groups of the robot, whatever the case, and * only where there is none
    (ALL + "Disallow: /\n\n" + MINE.upper() + "Disallow: /private/", "/pics/a.jpg", True),
    (MINE + "Disallow: /a/\n\n" + ALL + "Disallow: /\n\n" + MINE + "Disallow: /b/", "/b/", False),
    ("User-agent: image\nDisallow: /\n\nUser-agent: github\nDisallow: /", "/pics/a.jpg", True),
    ("User-agent: other\n" + MINE + "Disallow: /", "/pics/a.jpg", False),
    # 2.2 and 2.2.4: comments, unknown records, ends of lines, and what stands before a group
    ("\ufeffuser-agent : * # all\r\nSitemap: /s.xml\rdisallow : /pics # no", "/pics/a.jpg", False),
    (MINE + "Sitemap: /s.xml\nUser-agent: other\nDisallow: /pics/", "/pics/a.jpg", False),
    ("Disallow: /\n" + ALL + "Disallow: /pics/", "/other/", True),
    # 2.2.2: the file itself
    (ALL + "Disallow: /", "/robots.txt", True),
]


@pytest.mark.parametrize(("text", "path", "allowed"), RULES)
def test_rules(text, path, allowed):
    robots = Robots(text, "image-restoration-course")
    assert robots.allows(f"https://example.org{path}") is allowed


def test_the_pause_is_the_one_for_this_robot():
    text = f"{ALL}Crawl-delay: 9\nDisallow: /\n{MINE}Crawl-delay: 2.5\nDisallow: /private/"
    assert Robots(text, "image-restoration-course").pause == 2.5
    assert Robots(text, "another").pause == 9
    assert Robots("", "another").pause == 0
    assert Robots(ALL + "Crawl-delay: soon", "another").pause == 0


def test_a_rule_of_many_stars_takes_no_time():
    robots = Robots(ALL + "Disallow: /" + "*a" * 50 + "b", "another")
    start = time.perf_counter()
    assert robots.allows("https://example.org/" + "a" * 3000)
    assert time.perf_counter() - start < 5
