"""Each rule of tidy.py is fed a tree that breaks it and one that does not."""

import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy  # noqa: E402

FOLDERS = (
    "# Architecture\n\n```folders\ninclude/tandem   public\nsrc/os           system\nsrc/base         basics\n"
    "src/net          wires\n```\n"
)
SLASH = "/"

# rule, a tree that breaks it, a tree that keeps it
CASES = [
    (
        "include_direction",
        {"src/os/a.h": '#include "base/b.h"\n'},
        {"src/base/b.c": '#include "os/a.h"\n#include "base/c.h"\n'},
    ),
    (
        "include_direction",
        {"src/os/a.h": '#include "b.h"\n'},
        {"src/os/a.h": '#include "os/b.h"\n#include "tandem/s.h"\n'},
    ),
    ("include_direction", {"src/os/a.h": '#include "os/../base/b.h"\n'}, {"src/os/a.h": "#include <stdio.h>\n"}),
    ("include_direction", {"src/lost/a.c": "\n"}, {}),
    (
        "include_direction",
        {"include/tandem/a.h": '#include "base/b.h"\n'},
        {"include/tandem/a.h": '#include "tandem/b.h"\n'},
    ),
    (
        "banned_functions",
        {"src/os/a.c": "x = strcpy(a, b);\n"},
        {"src/os/a.c": '/* strcpy(a) */ x = "strcpy(b)"; my_strcpy(c);\n'},
    ),
    ("banned_functions", {"tests/a.c": "n = atoi(x);\n"}, {"tests/a.c": "setenv(a, b, 1);\n"}),
    (
        "banned_functions",
        {"src/base/a.c": "sscanf(a, b);\n"},
        {"src/os/a.c": "sscanf(a, b); object.rand(); object->rand();\n"},
    ),
    (
        "heap_calls",
        {"src/os/a.c": "p = malloc(n);\n"},
        {"src/os/heap.c": "p = malloc(n);\n", "src/cli/a.c": "n = getline(&p, &n, f);\nfree(p);\n"},
    ),
    ("connecting_calls", {"src/net/http.c": "connect(fd, a, n);\n"}, {"src/net/transfer.c": "curl_easy_perform(c);\n"}),
    (
        "connecting_calls",
        {"src/net/weights.c": "evdns_base_new(a, 0);\n"},
        {"src/net/resolve.c": "evdns_base_new(a, 0);\n", "src/net/transfer_post.c": "curl_multi_perform(a, b);\n"},
    ),
    ("connecting_calls", {"src/partner/a.c": "curl_easy_init();\n"}, {"src/net/transfer_a.c": "curl_easy_init();\n"}),
    ("connecting_calls", {"src/os/a.c": "getaddrinfo(a, b, c, d);\n"}, {"src/os/a.c": "tdm__connect(a);\n"}),
    ("connecting_calls", {"src/os/a.c": "pid = fork();\n"}, {"src/net/weights_pip.c": "pid = fork();\n"}),
    (
        "dead_files",
        {"src/os/a.c": "\n", "src/os/meson.build": "'b.c'\n"},
        {"src/os/a.c": "\n", "src/os/meson.build": "'a.c'\n"},
    ),
    (
        "dead_files",
        {"tests/fuzz/fuzz_a.c": "\n"},
        {"tests/fuzz/fuzz_a.c": "\n", "tests/fuzz/meson.build": "['a', 1]\n"},
    ),
    ("dead_files", {"src/os/a.h": "\n"}, {"src/os/a.h": "\n", "src/os/b.h": '#include "os/a.h"\n#include "os/b.h"\n'}),
    ("dead_files", {"tools/x.py": "# x.py\n"}, {"tools/x.py": "# x.py\n", "dev": "python3 tools/x.py\n"}),
    (
        "linked_docs",
        {"docs/a.md": "\n"},
        {"docs/a.md": "\n", "README.md": "[a](docs/a.md), [map](docs/ARCHITECTURE.md)\n"},
    ),
    (
        "linked_docs",
        {"README.md": "[a](docs/gone.md)\n"},
        {"docs/f/a.md": "\n", "README.md": "[f](docs/f) [m](docs/ARCHITECTURE.md)\n"},
    ),
    ("unique_names", {"src/os/a.c": "\n", "tests/a.c": "\n"}, {"src/os/a.c": "\n", "tests/b.c": "\n"}),
    ("unique_names", {"include/tandem/a.h": "\n", "include/tandem/b/a.h": "\n"},
     {"include/tandem/a.h": "\n", "src/os/a.h": "\n"}),
    ("header_guards", {"src/os/a.h": "int a;\n"}, {"src/os/a.h": "#ifndef TDM_OS_A_H\n#define TDM_OS_A_H\n#endif\n"}),
    ("header_guards", {"src/os/a.h": "#ifndef A_H\n#define B_H\n#endif\n"}, {}),
    (
        "header_guards",
        {"src/os/a.h": "#ifndef A_H\n#define A_H\n#endif\n", "src/b/a.h": "#ifndef A_H\n#define A_H\n#endif\n"},
        {},
    ),
    ("whitespace", {"a.md": "text \n"}, {"a.md": "text\n"}),
    ("whitespace", {"a.md": "a\tb\n"}, {"a.md": "a b\n"}),
    ("whitespace", {"a.md": "text"}, {"a.md": ""}),
    ("whitespace", {"a.md": "text\r\n"}, {}),
    ("whitespace", {"a.md": "text\n\n"}, {}),
    ("whitespace", {"a.md": "te\u200bxt\n"}, {"a.md": "中文\n"}),
    ("line_length", {"src/os/a.c": "x" * 121 + "\n"}, {"src/os/a.c": "x" * 120 + "\n", "a.md": "x" * 500 + "\n"}),
    ("head_comment", {"src/os/a.c": "int a;\n"}, {"src/os/a.c": "/* a.c - one. */\n"}),
    ("head_comment", {"src/os/a.c": "/* b.c - two. */\n"}, {"include/tandem/a.h": "/* tandem/a.h - one. */\n"}),
    (
        "function_length",
        {"src/os/a.c": "int f(void)\n{\n" + "    g();\n" * 110 + "}\n"},
        {
            "src/os/a.c": "int f(void)\n{\n"
            + "    g();\n" * 90
            + "}\nint h(int a,\n      int b)\n{\n"
            + "    g();\n" * 90
            + "}\n"
        },
    ),
    ("file_length", {"src/os/a.c": "\n" * 801}, {"src/os/a.c": "\n" * 800, "src/os/a_tables.c": "\n" * 5000}),
    (
        "foreign_places",
        {"docs/a.md": f"see {SLASH}work/main\n"},
        {"docs/a.md": "see ~/.cache/work/x and 'src/work/x'\n"},
    ),
    ("foreign_places", {"dev": "curl https://" + "pypi" + ".org\n"}, {"dev": "pip download x\n"}),
    (
        "unfinished",
        {"src/os/a.c": "/* TO" + "DO: later */\n"},
        {"src/os/a.c": "/* TO" + "DO(ann: when libevent 2.2 is there) */\n"},
    ),
    (
        "public_headers",
        {"include/tandem/a.h": "size_t a;\n"},
        {
            "include/tandem/a.h": "#include <stddef.h>\nstatic size_t a(void);\n"
            "static size_t a(void) { return sizeof(&a); }\n"
        },
    ),
    ("public_headers", {"include/tandem/a.h": "int class;\n"}, {"include/tandem/a.h": "extern int a;\n"}),
    ("shell", {"dev": "#!/bin/sh\nif true; then\n"}, {"dev": "#!/bin/sh\nif true; then echo; fi\n"}),
]


def found(rule, files):
    return list(getattr(tidy, rule)(tidy.Tree({"docs/ARCHITECTURE.md": FOLDERS, **files})))


@pytest.mark.parametrize("rule, bad, good", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_rule_finds_the_violation_and_nothing_else(rule, bad, good):
    before = {f[0] for f in found(rule, {})} if rule != "linked_docs" else set()
    assert {f[0] for f in found(rule, bad)} - before, "the violation was not found"
    if good:
        assert {f[0] for f in found(rule, good)} <= before, "a violation was seen where there is none"


def test_every_rule_has_a_case():
    tried = {c[0] for c in CASES} | {"exported_symbols"}
    assert tried == {r.__name__ for r in tidy.RULES}


@pytest.mark.skipif(not shutil.which("gcc") or not shutil.which("ar"), reason="needs gcc and ar")
def test_exported_symbols_sees_a_name_without_the_prefix(tmp_path):
    folder = tmp_path / "src" / "os"
    folder.mkdir(parents=True)
    source = folder / "a.c"

    def build(text):
        source.write_text(text)
        subprocess.run(["gcc", "-c", "-o", folder / "a.o", source], check=True)
        subprocess.run(["ar", "rcs", folder / "libos.a", folder / "a.o"], check=True)
        return list(tidy.exported_symbols(tidy.Tree({}, build=tmp_path)))

    assert (
        build(
            "int tdm__a(void) { return 1; }\nstatic int b(void) { return tdm__a(); }\nint tdm_c(void) { return b(); }\n"
        )
        == []
    )
    assert "helper" in build("int helper(void) { return 1; }\n")[0][2]


def test_without_a_build_the_symbols_are_skipped_aloud():
    with pytest.raises(tidy.Skipped):
        list(tidy.exported_symbols(tidy.Tree({})))
