"""How a page's sources become one document with a policy: what is taken in, and what is refused."""

import base64
import hashlib
import re
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import embed_page  # noqa: E402


def make(folder, body, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    (folder / "page.html").write_text(f"<!doctype html><body>{body}</body>")
    return folder / "page.html"


def test_parts_come_in_and_their_hashes_are_those_of_the_document(tmp_path):
    body = '<link rel="stylesheet" href="a.css"><script src="b.js"></script>'
    page, parts = embed_page.read_page(make(tmp_path, body, a_css="p { color: red }\n", b_js="let x = 1;\n"))
    assert [p.name for p in parts] == ["page.html", "a.css", "b.js"]
    inline = re.search(rb"<script>(.*?)</script>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(inline).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in embed_page.policy(page) and b"src=" not in page


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://example.com/x.js"></script>',
        '<script src="../x.js"></script>',
        '<link href="x.css" rel="stylesheet">',
        '<img src="//example.com/x.png">',
        '<p style="color: red">',
        '<p onclick="x()">',
        "<style>@import 'x.css';</style>",
        "<style>p { background: url(x.png) }</style>",
    ],
)
def test_what_the_policy_would_stop_or_what_is_elsewhere_ends_the_build(tmp_path, body):
    with pytest.raises(embed_page.BadPage):
        embed_page.read_page(make(tmp_path, body))


def test_a_part_cannot_end_its_element(tmp_path):
    with pytest.raises(embed_page.BadPage, match="would end the element"):
        embed_page.read_page(make(tmp_path, '<script src="b.js"></script>', b_js='x = "</script>"'))


@pytest.mark.parametrize("name, frames", [("index.html", False), ("stage.html", True)])
def test_our_pages_run_only_themselves(name, frames):
    page, _ = embed_page.read_page(ROOT / "share/console" / name)
    policy = embed_page.policy(page)
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "connect-src 'self'" in policy
    assert policy.endswith("frame-ancestors 'none'") and ("frame-src" in policy) == frames
    assert not re.search(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", page)
    assert b"https://" not in page and page.count(b"http://") == page.count(b"http://www.w3.org/2000/svg")
