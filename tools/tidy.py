#!/usr/bin/env python3
"""Checks of the tree's own rules, each a function over all files; tools/test_tidy.py feeds every one a violation.

    tidy.py [--build DIR] [--summary FILE] [RULE..]

Prints "path:line: rule: what", then one line of counts; FILE gets "passed failed skipped" in rules. The order of the
folders is read from docs/ARCHITECTURE.md, so that what is drawn there is what holds.
"""

import argparse
import collections
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

LINE_MAX = 120
FUNCTION_MAX = 100
FILE_MAX = 800

# Functions beyond FUNCTION_MAX, each with a ceiling and the reason why cutting it would not help.
LONG_FUNCTIONS = {}
# Tables are long by nature.
LONG_FILES = re.compile(r"_tables?\.[ch]$|_data\.[ch]$")

BANNED = {
    "strcpy": "snprintf or a tdm__buf",
    "strcat": "a tdm__buf",
    "stpcpy": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "a bounded read",
    "strtok": "strcspn",
    "strtok_r": "strcspn",
    "atoi": "strtol with checks",
    "atol": "strtol with checks",
    "atoll": "strtoll with checks",
    "atof": "strtod with checks",
    "scanf": "a parser",
    "sscanf": "a parser",
    "fscanf": "a parser",
    "system": "no shell",
    "popen": "no shell",
    "alloca": "an arena",
    "rand": "a seeded generator",
    "srand": "a seeded generator",
    "random": "a seeded generator",
    "localtime": "UTC",
    "localtime_r": "UTC",
    "gmtime": "gmtime_r",
    "ctime": "strftime",
    "asctime": "strftime",
    "strerror": "strerror_r",
    "setlocale": "the C locale stays",
    "tmpnam": "mkostemp",
    "mktemp": "mkostemp",
    "setenv": "pass an environment",
    "putenv": "pass an environment",
    "longjmp": "a status",
}
# In tests and tools, which have one thread and a short life, these do no harm.
BANNED_ONLY_IN_SRC = {
    "strerror",
    "setenv",
    "putenv",
    "longjmp",
    "system",
    "popen",
    "rand",
    "srand",
    "scanf",
    "sscanf",
    "fscanf",
}
# src/os reads what the kernel itself writes.
TRUSTED = (re.compile(r"^src/os/"), {"sscanf", "fscanf"})

CONNECTING = [
    "connect",
    "curl_easy_perform",
    "curl_multi_perform",
    "curl_multi_add_handle",
    "curl_multi_socket_action",
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname_r",
    "bufferevent_socket_connect",
    "bufferevent_socket_connect_hostname",
    "evdns_getaddrinfo",
    "evdns_base_new",
    "evdns_base_resolve_ipv4",
    "evdns_base_resolve_ipv6",
    "evdns_base_resolve_reverse",
    "curl_easy_init",
    "curl_multi_init",
    "res_query",
    "res_search",
    "sendto",
]
# notify.c speaks to the service manager over a Unix socket; no network is reached by it.
CONNECTS = re.compile(r"^src/net/(transfer\w*|resolve|notify)\.c$")
STARTING = [
    "fork",
    "vfork",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "execl",
    "execlp",
    "execle",
    "posix_spawn",
    "posix_spawnp",
]
STARTS = {"src/net/weights_pip.c"}

MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home|Users)/[\w.-]+")
REGISTRIES = [
    a + b
    for a, b in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("registry.npmjs", ".org"),
        ("crates", ".io"),
        ("deb.debian", ".org"),
        ("proxy.golang", ".org"),
        ("rubygems", ".org"),
    )
]
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
# Data that others made, or that must be strange.
DATA = re.compile(r"^(tests/(golden|fuzz/corpus|unit/vectors|diff/vectors|vectors)/|LICENSE$)|\.(gguf|bin|png|ico)$")


class Skipped(Exception):
    """A rule cannot be checked here; the text says what is missing."""


class Tree:
    """Relative path -> text of every file that belongs to the tree, and where a build of it lies (or None)."""

    def __init__(self, files, root=None, build=None, data=()):
        self.files, self.root, self.build = files, root, build
        self.data = set(data)  # paths whose bytes are no text to check, such as pictures

    @classmethod
    def read(cls, root, build):
        try:
            listed = (
                subprocess.run(
                    ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                    check=True,
                    capture_output=True,
                )
                .stdout.decode()
                .split("\0")
            )
        except (OSError, subprocess.CalledProcessError):
            listed = [
                str(p.relative_to(root))
                for p in root.rglob("*")
                if not p.relative_to(root).parts[0].startswith(("build", ".git", ".venv", ".peer"))
            ]
        files, data = {}, []
        for name in sorted(set(filter(None, listed))):
            path = root / name
            if not path.is_file():
                continue
            if DATA.search(name):
                data.append(name)
                continue
            try:
                files[name] = path.read_bytes().decode()
            except UnicodeDecodeError:
                files[name] = None
        return cls({n: t for n, t in files.items() if t is not None}, root, build, data)

    def named(self, pattern):
        rx = re.compile(pattern)
        return [(n, t) for n, t in self.files.items() if rx.search(n)]

    def code(self):
        return self.named(r"^(src|include|tests|tools|examples)/.*\.[ch]$")


BLANKED = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def blank(text):
    """C without comments, strings and characters; lines stay where they are."""
    return BLANKED.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def calls(text, names):
    """(line, name) of each call of, or reference to, one of the names that is not a member or part of another name."""
    rx = re.compile(r"(?<![\w.>])(" + "|".join(map(re.escape, names)) + r")\s*\(")
    for i, line in enumerate(blank(text).split("\n"), 1):
        for m in rx.finditer(line):
            yield i, m[1]


def folder_order(tree):
    text = tree.files.get("docs/ARCHITECTURE.md", "")
    block = re.search(r"```folders\n(.*?)```", text, re.S)
    if not block:
        raise ValueError("docs/ARCHITECTURE.md has no ```folders block")
    return [line.split()[0].removeprefix("src/") for line in block[1].splitlines() if line.strip()]


INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

HEAP = {"malloc", "calloc", "realloc", "reallocarray", "aligned_alloc", "posix_memalign", "strdup", "strndup",
        "asprintf", "json_dumps", "free"}
HEAP_CALLERS = ("src/os/heap.c", "src/os/heap.h")


def include_direction(tree):
    order = folder_order(tree)
    for name, text in tree.named(r"^src/.*\.[ch]$"):
        folder = name.split("/")[1]
        if folder not in order:
            yield name, 1, f"the folder src/{folder} is not in the list of docs/ARCHITECTURE.md"
            continue
        allowed = {"tandem" if f == "include/tandem" else f for f in order[: order.index(folder) + 1]}
        for m in INCLUDE.finditer(text):
            if m[1].split("/")[0] not in allowed or "/" not in m[1] or ".." in m[1]:
                yield name, text.count("\n", 0, m.start()) + 1, f'"{m[1]}" is not in a folder above src/{folder}'
    for name, text in tree.named(r"^include/.*\.h$"):
        for m in INCLUDE.finditer(text):
            if not m[1].startswith("tandem/"):
                yield name, text.count("\n", 0, m.start()) + 1, f'"{m[1]}": a public header includes public ones only'


def banned_functions(tree):
    for name, text in tree.code():
        in_src = name.startswith(("src/", "include/"))
        for line, f in calls(text, BANNED):
            trusted = TRUSTED[0].match(name) and f in TRUSTED[1]
            if not trusted and (in_src or f not in BANNED_ONLY_IN_SRC):
                yield name, line, f"{f} is banned: {BANNED[f]}"


def heap_calls(tree):
    for name, text in tree.named(r"^src/.*\.[ch]$"):
        if name in HEAP_CALLERS:
            continue
        for line, f in calls(text, HEAP):
            if f != "free" or "getline(" not in text:  # what getline gave is the C library's
                yield name, line, f"{f}: memory comes from os/heap.h, so that an embedding program can give its own"


def connecting_calls(tree):
    for name, text in tree.named(r"^src/.*\.[ch]$"):
        if not CONNECTS.match(name):
            for line, f in calls(text, CONNECTING):
                yield name, line, f"{f}: only src/net/transfer*.c and resolve.c may reach another machine"
        if name not in STARTS:
            for line, f in calls(text, STARTING):
                yield name, line, f"{f}: only {', '.join(STARTS)} may start a program"


def exported_symbols(tree):
    libraries = sorted(tree.build.glob("src/*/lib*.a")) if tree.build else []
    if not libraries or not shutil.which("nm"):
        raise Skipped("no build with libraries (give --build), or no nm")
    for library in libraries:
        out = subprocess.run(["nm", "-g", "--defined-only", library], check=True, capture_output=True, text=True).stdout
        for line in out.splitlines():
            parts = line.split()
            if len(parts) == 3 and not parts[2].startswith("tdm_"):
                yield str(library.relative_to(tree.build)), 0, f"{parts[2]} is visible and does not begin with tdm_"


def dead_files(tree):
    builds = {posixpath.dirname(n): t for n, t in tree.files.items() if posixpath.basename(n) == "meson.build"}
    for name, _ in tree.named(r"^(src|tests|tools)/.*\.c$"):
        folder, base = posixpath.split(name)
        stem = re.sub(r"^(test|fuzz|kcheck)_", "", base[:-2])
        own = builds.get(folder, "")
        if not (any(base in t for t in builds.values()) or re.search(rf"'{re.escape(stem)}'", own)):
            yield name, 1, "no meson.build names it"
    included = {posixpath.basename(m[1]) for _, t in tree.code() for m in INCLUDE.finditer(t)}
    for name, _ in tree.named(r"^src/.*\.h$|^tests/.*\.h$"):
        if posixpath.basename(name) not in included:
            yield name, 1, "nothing includes it"
    mentions = "\n".join(t for n, t in tree.files.items() if not n.startswith("CHANGELOG"))
    for name, text in tree.named(r"^(tools|bench)/.*\.py$"):
        base = posixpath.basename(name)
        if mentions.count(base) <= text.count(base):
            yield name, 1, "nothing calls or mentions it"


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def linked_docs(tree):
    targets = set()
    for name, text in tree.named(r"\.md$"):
        for m in LINK.finditer(text):
            if "://" in m[1]:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), m[1]))
            is_there = target in tree.files or target in tree.data
            if not is_there and not any(n.startswith(target + "/") for n in tree.files):
                yield name, text.count("\n", 0, m.start()) + 1, f"the link to {m[1]} leads nowhere"
            if target != name:
                targets.add(target)
    for name, _ in tree.named(r"^docs/.*\.md$"):
        if name not in targets and posixpath.dirname(name) not in targets - {"docs"}:
            yield name, 1, "no other document links to it or to its folder"


def unique_names(tree):
    seen = collections.defaultdict(list)
    for name, _ in tree.named(r"^(src|include|tests|tools)/.*\.(c|h|py)$"):
        # a public header is always included with its folder, "tandem/model.h"
        base = posixpath.basename(name)
        seen["tandem/" + base if name.startswith("include/") else base].append(name)
    for names in seen.values():
        for name in names[1:]:
            yield name, 1, f"{names[0]} has the same name"


def header_guards(tree):
    seen = {}
    for name, text in tree.named(r"^(src|include|tests)/.*\.h$"):
        m = re.search(r"^#ifndef (\w+)\n#define (\w+)\n", text, re.M)
        tail = re.sub(r"\W", "_", posixpath.basename(name)).upper()
        if not m or m[1] != m[2] or not m[1].endswith(tail) or not text.rstrip().endswith("#endif"):
            yield name, 1, f"a header guard ending in {tail} is needed around the whole"
        elif m[1] in seen:
            yield name, 1, f"{seen[m[1]]} has the same guard"
        else:
            seen[m[1]] = name


def whitespace(tree):
    for name, text in tree.files.items():
        if not text.endswith("\n") and text:
            yield name, text.count("\n") + 1, "the last line does not end"
        if text.endswith("\n\n"):
            yield name, text.count("\n"), "blank lines at the end"
        for i, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield name, i, "blanks (or a carriage return) at the end of the line"
            if "\t" in line and not name.startswith("."):
                yield name, i, "a tab"
            if INVISIBLE.search(line):
                yield name, i, "an invisible character"


def line_length(tree):
    for name, text in tree.named(r"\.(c|h|py)$|meson\.build$|^dev$|^\.ci/"):
        if LONG_FILES.search(name):
            continue
        for i, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_MAX:
                yield name, i, f"{len(line)} characters, {LINE_MAX} are the most"


def head_comment(tree):
    for name, text in tree.code():
        base = name.removeprefix("include/") if name.startswith("include/") else posixpath.basename(name)
        if not text.startswith(f"/* {base} - "):
            yield name, 1, f'the file must open with "/* {base} - ..."'


def functions(text):
    """(first line, name, lines) of each function; braces of functions stand in the first column here."""
    lines = blank(text).split("\n")
    for i, line in enumerate(lines):
        if line != "{":
            continue
        head, j = "", i - 1
        while (
            j >= 0 and lines[j].strip() and not lines[j].startswith(("}", "#")) and not lines[j].rstrip().endswith(";")
        ):
            head, j = lines[j] + " " + head, j - 1
        m = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", "", head))
        end = next((k for k in range(i, len(lines)) if lines[k].startswith("}")), len(lines))
        yield j + 2, m[1] if m else "?", end - i + 1


def function_length(tree):
    for name, text in tree.code():
        for line, f, n in functions(text):
            ceiling = LONG_FUNCTIONS.get((name, f), FUNCTION_MAX)
            if n > ceiling:
                yield name, line, f"{f} has {n} lines, {ceiling} are the most"


def file_length(tree):
    for name, text in tree.code():
        n = text.count("\n")
        if n > FILE_MAX and not LONG_FILES.search(name):
            yield name, 1, f"{n} lines, {FILE_MAX} are the most"


def foreign_places(tree):
    for name, text in tree.files.items():
        for i, line in enumerate(text.split("\n"), 1):
            m = MACHINE_PATH.search(line)
            if m and not name.startswith("tests/"):  # tests may invent places
                yield name, i, f"{m[0]} is a path of one machine"
            for host in REGISTRIES:
                if host in line:
                    yield name, i, f"{host}: clients know their registry, the tree names none"


UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b(?!\(\w+: [^)]+\))")


def unfinished(tree):
    for name, text in tree.named(r"\.(c|h|py|md)$|meson\.build$|^dev$"):
        for i, line in enumerate(text.split("\n"), 1):
            m = UNFINISHED.search(line)
            if m and not name.startswith("tools/tidy") and not name.startswith("tools/test_tidy"):
                yield name, i, f"{m[0]} needs a name and a condition: {m[0]}(name: when ...)"


def public_headers(tree):
    if not shutil.which("gcc"):
        raise Skipped("no gcc")
    languages = [("gcc", "c", "-std=c11")] + ([("g++", "c++", "-std=c++17")] if shutil.which("g++") else [])
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in tree.named(r"^include/.*\.h$"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        for name, _ in tree.named(r"^include/.*\.h$"):
            source = f'#include "{name.removeprefix("include/")}"\n'
            for compiler, language, standard in languages:
                r = subprocess.run(
                    [
                        compiler,
                        "-x",
                        language,
                        standard,
                        "-Wall",
                        "-Wextra",
                        "-Werror",
                        "-fsyntax-only",
                        "-I",
                        root / "include",
                        "-",
                    ],
                    input=source,
                    text=True,
                    capture_output=True,
                    check=False,
                )
                if r.returncode != 0:
                    why = r.stderr.splitlines()[0] if r.stderr else "no reason given"
                    yield name, 1, f"does not compile alone as {language}: {why}"


def shell(tree):
    scripts = [(n, t) for n, t in tree.files.items() if n == "dev" or n.startswith(".ci/") or n.endswith(".sh")]
    for name, text in scripts:
        is_posix = text.startswith("#!/bin/sh") or name.endswith(".sh")
        for program in (
            ["dash", "-n"] if is_posix else ["bash", "-n"],
            ["shellcheck", "-s", "sh" if is_posix else "bash", "-"],
        ):
            if not shutil.which(program[0]):
                continue
            r = subprocess.run(program, input=text, text=True, capture_output=True, check=False)
            if r.returncode != 0:
                why = [line for line in (r.stdout + r.stderr).splitlines() if line.strip()]
                yield name, 1, f"{program[0]}: {' '.join(why[:3])}"


RULES = [
    include_direction,
    banned_functions,
    heap_calls,
    connecting_calls,
    exported_symbols,
    dead_files,
    linked_docs,
    unique_names,
    header_guards,
    whitespace,
    line_length,
    head_comment,
    function_length,
    file_length,
    foreign_places,
    unfinished,
    public_headers,
    shell,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, help="a build folder, for the rule about symbols")
    parser.add_argument("--summary", type=pathlib.Path, help="gets the three counts")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(r.__name__ for r in RULES))
    args = parser.parse_args()
    unknown = set(args.rules) - {r.__name__ for r in RULES}
    if unknown:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    tree = Tree.read(ROOT, args.build and args.build.resolve())
    passed = failed = skipped = 0
    for rule in RULES:
        if args.rules and rule.__name__ not in args.rules:
            continue
        try:
            found = list(rule(tree))
        except Skipped as why:
            print(f"tidy: {rule.__name__} skipped: {why}")
            skipped += 1
            continue
        for path, line, what in found:
            print(f"{path}:{line}: {rule.__name__}: {what}")
        passed, failed = passed + (not found), failed + bool(found)
    print(f"tidy: {passed} rules hold, {failed} do not, {skipped} skipped")
    if args.summary:
        args.summary.write_text(f"{passed} {failed} {skipped}\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
