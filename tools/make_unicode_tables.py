#!/usr/bin/env python3
"""Makes src/text/unicode_tables.h and .c: what the vendors' tokenizers know of Unicode.

The oracle is the `tokenizers` package itself, asked about every code point: its regex engine for \\p{L}, \\p{N} and
\\s, Rust's own tables for the Digits pre-tokenizer, its normaliser for NFC. These three know different versions of
Unicode, and none is that of this system's libraries; so the tables are measured, never taken from a standard.

    python3 -m venv V && V/bin/pip install tokenizers && V/bin/python tools/make_unicode_tables.py src/text

Code points are grouped into classes: two are of one class when no pattern of src/text/pretokenizer.c can tell them
apart. A pattern is matched over class bytes: ASCII stands for itself, all else for 0x80 | class.
"""

import sys

import tokenizers
from deepseek_sets import DEEPSEEK_CASED, DEEPSEEK_CJK, DEEPSEEK_PUNCTUATION
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def asked(pre_tokenizer):
    """The code points that the pre-tokenizer cuts off from U+0001, which is in none of the sets."""
    found = set()
    for i in range(0, len(CODE_POINTS), 4096):
        text = "".join("\x01" + chr(c) for c in CODE_POINTS[i : i + 4096])
        found |= {ord(w) for w, (a, b) in pre_tokenizer.pre_tokenize_str(text) if b - a == 1 and w != "\x01"}
    return found


def by_pattern(pattern):
    return asked(pre_tokenizers.Split(Regex(pattern), "isolated"))


def listed(ranges):
    found, i = set(), 0
    while i < len(ranges):
        last = i + 2 if i + 2 < len(ranges) and ranges[i + 1] == "-" else i
        found |= set(range(ord(ranges[i]), ord(ranges[last]) + 1))
        i = last + 1
    return found & set(CODE_POINTS)


SETS = [
    ("LETTER", "\\p{L}", by_pattern(r"\p{L}")),
    ("NUMBER", "\\p{N}", by_pattern(r"\p{N}")),
    ("SPACE", "\\s", by_pattern(r"\s")),
    ("DIGIT", "what the Digits pre-tokenizer takes", asked(pre_tokenizers.Digits(True))),
    ("FOLDS_TO_S", "what (?i:s) matches", by_pattern("(?i:s)")),
    ("DEEPSEEK_CASED", "deepseek-llm's cased letters", listed(DEEPSEEK_CASED)),
    ("DEEPSEEK_PUNCTUATION", "deepseek-llm's punctuation", listed(DEEPSEEK_PUNCTUATION)),
    ("DEEPSEEK_CJK", "deepseek-llm's Chinese, Japanese, Korean and more", listed(DEEPSEEK_CJK)),
]


def joining():
    """Code points that NFC may change, reorder, or join to what stands before them."""
    nfc = normalizers.NFC().normalize_str
    nfd = normalizers.NFD().normalize_str
    seconds = set()
    for c in CODE_POINTS:
        parts = nfd(chr(c))
        if len(parts) > 1 and not 0xAC00 <= c <= 0xD7A3:
            seconds |= set(map(ord, parts[1:]))
    seconds |= set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    low, high = "\u0334", "\u0345"  # combining classes 1 and 240, the ends of the scale
    out = set()
    for c in CODE_POINTS:
        s = chr(c)
        moves = (
            nfd("\ufffc" + high + s) != "\ufffc" + high + nfd(s) or nfd("\ufffc" + s + low) != "\ufffc" + nfd(s) + low
        )
        if c in seconds or nfc(s) != s or (len(nfd(s)) == 1 and (moves or s in "\u0334\u0345")):
            out.add(c)
    return out


def ranges_of(values):
    """A set of bytes as the inside of a PCRE2 bracket."""
    text, values = "", sorted(values)
    while values:
        last = values[0]
        while last + 1 in values:
            last += 1
        text += "\\\\x%02x" % values[0] + ("-\\\\x%02x" % last if last > values[0] else "")
        values = [v for v in values if v > last]
    return text


def rows_of(values, form, per_line):
    lines = [", ".join(form % v for v in values[i : i + per_line]) for i in range(0, len(values), per_line)]
    return "".join("    " + line + ",\n" for line in lines)


def main():
    joins = joining()
    classes, table = {(False,) * len(SETS): 0}, [0] * 0x110000
    for c in CODE_POINTS:
        if c >= 0x80:
            key = tuple(c in members for _, _, members in SETS)
            table[c] = classes.setdefault(key, len(classes)) | (0x80 if c in joins else 0)
    assert len(classes) <= 128 and not any(c < 0x80 for c in joins)

    index, blocks = [], []
    for i in range(0, 0x110000, 128):
        block = table[i : i + 128]
        if block not in blocks:
            blocks.append(block)
        index.append(blocks.index(block))
    assert len(blocks) <= 256
    note = "made by tools/make_unicode_tables.py from tokenizers %s; do not edit" % tokenizers.__version__

    with open(sys.argv[1] + "/unicode_tables.h", "w") as f:
        f.write(
            "/* unicode_tables.h - classes of code points as the vendors' tokenizers see them.\n *\n * %s. */\n"
            % note
        )
        f.write("#ifndef TDM_TEXT_UNICODE_TABLES_H\n#define TDM_TEXT_UNICODE_TABLES_H\n\n#include <stdint.h>\n\n")
        f.write(
            "/* A value is class | 0x80 where NFC may change, reorder or join the code point to what stands before\n"
            " * it. Class 0 is in none of the sets; it is also that of bytes that are no UTF-8. */\n"
        )
        f.write("extern const uint8_t tdm__unicode_blocks[0x110000 >> 7];\n")
        f.write("extern const uint8_t tdm__unicode_values[%d][128];\n\n" % len(blocks))
        f.write("/* Insides of PCRE2 brackets over class bytes: ASCII is itself, all else 0x80 | class. */\n")
        for i, (name, about, members) in enumerate(SETS):
            values = {c for c in members if c < 0x80} | {0x80 | n for key, n in classes.items() if key[i]}
            f.write('#define TDM__SET_%s "%s" /* %s */\n' % (name, ranges_of(values), about))
        f.write("\n#endif\n")
    with open(sys.argv[1] + "/unicode_tables.c", "w") as f:
        f.write('/* unicode_tables.c - %s. */\n#include "text/unicode_tables.h"\n\n' % note)
        f.write("const uint8_t tdm__unicode_blocks[0x110000 >> 7] = {\n%s};\n\n" % rows_of(index, "%d", 28))
        f.write("const uint8_t tdm__unicode_values[%d][128] = {\n" % len(blocks))
        for block in blocks:
            f.write("    {\n%s    },\n" % rows_of(block, "%d", 32).replace("    ", "        "))
        f.write("};\n")
    print(len(classes), "classes,", len(blocks), "blocks,", len(joins), "joining code points")


main()
