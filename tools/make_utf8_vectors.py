#!/usr/bin/env python3
"""Makes tests/unit/vectors/utf8_replace.txt: bytes in hex, and what Python's errors="replace" makes of them.

    python3 tools/make_utf8_vectors.py > tests/unit/vectors/utf8_replace.txt
"""
import random

EDGES = [b"", b"\x00", b"\x7f", b"\x80", b"\xc0\x80", b"\xc1\xbf", b"\xc2\x80", b"\xdf\xbf", b"\xe0\x9f\xbf",
         b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xee\x80\x80", b"\xef\xbf\xbf",
         b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
         b"\xff\xfe", b"\xe4\xb8", b"\xe4\xb8a", b"\xf0\x9f\x98", b"\xf0\x9f\x98\xf0\x9f\x98\x80",
         b"\xe4\xe4\xb8\xad"]
LEADS = [0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xe4, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff]

rng = random.Random(20250213)
cases = EDGES + [bytes(rng.choice(LEADS) for _ in range(rng.randrange(1, 12))) for _ in range(300)]
for case in cases:
    print(case.hex() or "-", case.decode("utf-8", errors="replace").encode().hex() or "-")
