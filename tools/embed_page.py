"""Turns a page into C: one document with its styles and scripts inside, and the Content-Security-Policy for just these.

A page's source may be several files of one folder: `<link rel="stylesheet" href="x.css">` and `<script src="x.js">`
become inline elements here, so what is served stays one document that names nothing from elsewhere. The policy lets
only these parts run, by hash. Its last directive is frame-ancestors 'none': who lets a page be framed replaces that.

usage: embed_page.py PAGE OUT.c [--name console --header api/console.h] [--depfile FILE]
defines tdm__NAME_page, tdm__NAME_page_len and tdm__NAME_csp, which HEADER declares.
"""

import argparse
import base64
import hashlib
import pathlib
import re
import sys

STYLE = re.compile(r'<link rel="stylesheet" href="([\w.-]+)">')
SCRIPT = re.compile(r'<script src="([\w.-]+)"></script>')
ELSEWHERE = re.compile(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//|@import|\burl\(\s*["']?(?!data:)""")
LEFT_OVER = re.compile(r"""<script\s[^>]*>|<link\s[^>]*rel=["']?stylesheet|\sstyle\s*=\s*["']|<\w[^>]*\son\w+\s*=""")


class BadPage(Exception):
    pass


def read_page(path):
    """(the page as one document, the files it was made of)."""
    path = pathlib.Path(path)
    parts = [path]

    def part(tag):
        def inline(match):
            file = path.parent / match[1]
            parts.append(file)
            text = file.read_text(encoding="utf-8")
            if f"</{tag}" in text.lower():
                raise BadPage(f"{file}: has </{tag}, which would end the element that it becomes")
            return f"<{tag}>\n{text}</{tag}>"

        return inline

    page = SCRIPT.sub(part("script"), STYLE.sub(part("style"), path.read_text(encoding="utf-8")))
    if found := ELSEWHERE.search(page):
        raise BadPage(f"{path}: the page must not name another file or host: {found[0]}")
    if found := LEFT_OVER.search(re.sub(r"(?s)<(script|style)>.*?</\1>", "", page)):
        raise BadPage(f"{path}: the policy would stop this: {found[0]}")
    return page.encode(), parts


def hashes(page, tag):
    """CSP source expressions of all inline elements with this tag name."""
    parts = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.S)
    return " ".join("'sha256-" + base64.b64encode(hashlib.sha256(p).digest()).decode() + "'" for p in parts) or "'none'"


def policy(page):
    """The policy of a page; one with an <iframe> may frame the pages of this machine."""
    frames = ["frame-src http://127.0.0.1:* http://localhost:*"] if b"<iframe" in page else []
    return "; ".join(
        [
            "default-src 'none'",
            "script-src " + hashes(page, "script"),
            "style-src " + hashes(page, "style"),
            "connect-src 'self'",
            "img-src data:",
            *frames,
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "frame-ancestors 'none'",
        ]
    )


def write_c(page, name, header, out):
    out.write(f'#include "{header}"\n\n')
    out.write(f'const char tdm__{name}_csp[] = "{policy(page)}";\n')
    out.write(f"const size_t tdm__{name}_page_len = {len(page)};\n")
    out.write(f"const unsigned char tdm__{name}_page[] = {{\n")
    for i in range(0, len(page), 20):
        out.write(",".join(str(b) for b in page[i : i + 20]) + ",\n")
    out.write("};\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("page")
    p.add_argument("out")
    p.add_argument("--name", default="console")
    p.add_argument("--header", default="api/console.h")
    p.add_argument("--depfile", help="gets the files that the page was made of, as make knows them")
    a = p.parse_args()
    try:
        page, parts = read_page(a.page)
    except (BadPage, OSError) as problem:
        sys.exit(str(problem))
    with open(a.out, "w", encoding="ascii") as out:
        write_c(page, a.name, a.header, out)
    if a.depfile:
        pathlib.Path(a.depfile).write_text(f"{a.out}: {' '.join(map(str, parts))}\n")


if __name__ == "__main__":
    main()
