#!/usr/bin/env python3
"""Makes docs/api.md out of include/tandem: every header's essay, every declaration with the comment before it.

    api_reference.py [--check]

With --check nothing is written, and the exit is 1 when docs/api.md is not what the headers give. A header is: a
comment, the guard, includes; then declarations, each with a comment right before it or without one. Declarations that
follow each other without a blank line belong to one comment.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include" / "tandem"
PAGE = ROOT / "docs" / "api.md"

ORDER = ["runtime.h", "model.h", "generate.h", "verbs.h", "assistant.h", "sampling.h", "session.h", "allocator.h",
         "status.h", "version.h"]  # fmt: skip
NOT_SHOWN = {"tandem.h", "export.h"}

HEAD = """# The C library

Made by `tools/api_reference.py` from the headers in [include/tandem](../include/tandem), which are the reference; do
not edit it here. The shortest program is [examples/hello.c](../examples/hello.c); how the library is kept compatible
stands in [decisions/020](decisions/020-one-size-first.md), how answers come to the caller in
[decisions/021](decisions/021-pull-at-the-core.md).

| Apple's Foundation Models | here |
|---|---|
| `SystemLanguageModel.availability` | `tdm_runtime_availability`: a state, and the real reason as code and sentence |
| `LanguageModelSession(instructions:)` | a `tdm_message` of role system; the caller keeps the conversation |
| `respond(to:)` | `tdm_generate` |
| `streamResponse(to:)` | `tdm_gen_start`, `tdm_gen_next` |
| `Transcript` | the array of `tdm_message`: what was read before is not read again |
| `GenerationOptions` | `tdm_sampling`, `max_tokens`, `stops` |
| `prewarm()` | `tdm_runtime_serve` takes all memory before the first question |
| `GenerationError.exceededContextWindowSize` | `ERR_LIMIT` of next |
| `.assetsUnavailable` | `ERR_UPSTREAM` of start, `TDM_AVAILABILITY_COMING` |
| `.guardrailViolation`, `.refusal` | DONE with `TDM_END_STOPPED`, `TDM_END_OFF` |
| `.unsupportedLanguageOrLocale` | `ERR_UNSUPPORTED` of a verb |
| `.rateLimited`, `.concurrentRequests` | `ERR_QUOTA`, `ERR_BUSY` |
| `PrivateCloudComputeLanguageModel`, a third party's model | `tdm_assistant`: a partner of the market, with consent |
| `@Generable`, `Tool` | not built |

Writing Tools and ML Kit's GenAI calls are `tdm_verb_once` and `tdm_verb_start`.
"""


def prose(comment):
    """A comment's text as Markdown: indented lines become code."""
    lines = re.sub(r"^/\*|\*/$", "", comment.strip()).split("\n")
    lines = [re.sub(r"^ \* ?", "", line).rstrip() for line in lines]
    lines[0] = lines[0].strip()
    paragraphs = []
    for paragraph in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        if all(line.startswith("    ") for line in paragraph.split("\n")):
            paragraph = "\n".join(["```", *(line[4:] for line in paragraph.split("\n")), "```"])
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def markdown(text):
    """Stars and underscores outside of code would be emphasis; names are set as code."""
    parts = re.split(r"(```.*?```)", text, flags=re.S)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<![`\w/])(\*?\b(?:TDM_|tdm_|ERR_)\w+(?:\.\w+)?|\*[a-z]+\b)", r"`\1`", parts[i])
        parts[i] = parts[i].replace("<", "&lt;")
    return "".join(parts)


def blocks(body):
    """(comment or None, declaration) of a header's body."""
    body = re.sub(r"^#.*(?:\\\n.*)*$", "", body, flags=re.M)
    body = re.sub(r'^extern "C" \{$|^\}$(?=\s*\Z)', "", body, flags=re.M)
    for piece in re.split(r"\n\s*\n(?=\S)", body.strip()):
        m = re.match(r"\s*(/\*.*?\*/)\n(.*)", piece, re.S)
        if m and not m[1].startswith("/* ----"):
            yield m[1], m[2].strip()
        elif piece.strip():
            yield None, piece.strip()


def expand_status(text):
    """The enumeration that status.h makes out of a table."""
    table = re.search(r"/\*[^*]*\*/\n#define TDM_STATUS_MAP\(X\)(?:.*\\\n)+.*\n", text)
    if not table:
        return text
    rows = re.findall(r'X\((\w+), (-?\d+), "([^"]*)"\)', table[0])
    values = "\n".join(f"    TDM_{name} = {value}, /* {sentence} */" for name, value, sentence in rows)
    text = text.replace(table[0], "/* Values are append-only: they are part of the ABI. */\n")
    made = re.compile(r"\n*typedef enum tdm_status \{.*?\} tdm_status;", re.S)
    return made.sub(lambda m: f"\ntypedef enum tdm_status {{\n{values}\n}} tdm_status;", text)


def section(name):
    text = expand_status((INCLUDE / name).read_text(encoding="utf-8"))
    head, rest = re.match(r"(/\*.*?\*/)\n(.*)\Z", text, re.S).groups()
    title, _, essay = prose(head).partition("\n")
    summary = title.split(" - ", 1)[1]
    out = [f"## tandem/{name}", "", markdown(summary[0].upper() + summary[1:]), "", markdown(essay).strip("\n"), ""]
    body = re.sub(r"\A#ifndef .*\n#define .*\n|#endif\s*\Z", "", rest.strip())
    for comment, declaration in blocks(body):
        declaration = declaration.replace("TDM_API ", "")
        if not declaration.startswith("/*"):
            out += ["```c", declaration, "```", ""]
        else:
            out += [markdown(prose(declaration)), ""]
        if comment:
            out += [markdown(prose(comment)), ""]
    return "\n".join(out)


def page():
    there = {p.name for p in INCLUDE.glob("*.h")} - NOT_SHOWN
    if there != set(ORDER):
        sys.exit(f"api_reference: the order names {sorted(set(ORDER) ^ there)} wrongly")
    text = "\n".join([HEAD] + [section(name) for name in ORDER])
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def main():
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/api.md is not what the headers say: python3 tools/api_reference.py")


if __name__ == "__main__":
    main()
