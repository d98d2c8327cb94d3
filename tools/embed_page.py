"""Turns a page into C: its bytes, and the Content-Security-Policy that lets only its own inline parts run.

usage: embed_page.py PAGE OUT.c
"""
import base64
import hashlib
import re
import sys


def hashes(page, tag):
    """CSP source expressions of all inline elements with this tag name."""
    parts = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.S)
    return " ".join("'sha256-" + base64.b64encode(hashlib.sha256(p).digest()).decode() + "'" for p in parts) or "'none'"


def main():
    page = open(sys.argv[1], "rb").read()
    if re.search(rb"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page):
        sys.exit(f"{sys.argv[1]}: the page must not name another host")
    csp = "; ".join([
        "default-src 'none'", "script-src " + hashes(page, "script"), "style-src " + hashes(page, "style"),
        "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'"])
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write('#include "api/console.h"\n\n')
        out.write(f'const char tdm__console_csp[] = "{csp}";\n')
        out.write(f"const size_t tdm__console_page_len = {len(page)};\n")
        out.write("const unsigned char tdm__console_page[] = {\n")
        for i in range(0, len(page), 20):
            out.write(",".join(str(b) for b in page[i:i + 20]) + ",\n")
        out.write("};\n")


main()
