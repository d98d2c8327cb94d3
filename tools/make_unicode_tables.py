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
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

# Sets that deepseek-llm's tokenizer.json spells out; escaped, since an editor that normalises would change them.
DEEPSEEK_CASED = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370"
    "-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-"
    "\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-"
    "\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-"
    "\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4"
    "\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a"
    "-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-"
    "\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-"
    "\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-"
    "\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-"
    "\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
DEEPSEEK_PUNCTUATION = (
    "!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002"
)
DEEPSEEK_CJK = (
    "\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff"
)


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
        moves = nfd("\ufffc" + high + s) != "\ufffc" + high + nfd(s) or nfd("\ufffc" + s + low) != "\ufffc" + nfd(s) + low
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
        f.write("/* unicode_tables.h - classes of code points as the vendors' tokenizers see them.\n *\n * %s. */\n" % note)
        f.write("#ifndef TDM_TEXT_UNICODE_TABLES_H\n#define TDM_TEXT_UNICODE_TABLES_H\n\n#include <stdint.h>\n\n")
        f.write("/* A value is class | 0x80 where NFC may change, reorder or join the code point to what stands before\n"
                " * it. Class 0 is in none of the sets; it is also that of bytes that are no UTF-8. */\n")
        f.write("extern const uint8_t tdm__unicode_blocks[0x110000 >> 7];\n")
        f.write("extern const uint8_t tdm__unicode_values[%d][128];\n\n" % len(blocks))
        f.write("/* Insides of PCRE2 brackets over class bytes: ASCII is itself, all else 0x80 | class. */\n")
        for i, (name, about, members) in enumerate(SETS):
            values = {c for c in members if c < 0x80} | {0x80 | n for key, n in classes.items() if key[i]}
            f.write("#define TDM__SET_%s \"%s\" /* %s */\n" % (name, ranges_of(values), about))
        f.write("\n#endif\n")
    with open(sys.argv[1] + "/unicode_tables.c", "w") as f:
        f.write("/* unicode_tables.c - %s. */\n#include \"text/unicode_tables.h\"\n\n" % note)
        f.write("const uint8_t tdm__unicode_blocks[0x110000 >> 7] = {\n%s};\n\n" % rows_of(index, "%d", 28))
        f.write("const uint8_t tdm__unicode_values[%d][128] = {\n" % len(blocks))
        for block in blocks:
            f.write("    {\n%s    },\n" % rows_of(block, "%d", 32).replace("    ", "        "))
        f.write("};\n")
    print(len(classes), "classes,", len(blocks), "blocks,", len(joins), "joining code points")


main()
