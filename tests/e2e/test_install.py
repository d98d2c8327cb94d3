"""The C library as others find it: installed, asked for through pkg-config, with examples built and run.

Everything is built by this test outside the tree against the installed prefix alone. TANDEM_CC chooses the compiler.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.c"))
CC = os.environ.get("TANDEM_CC", "gcc")
SANITIZED = bool(os.environ.get("TANDEM_SANITIZED"))
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]


def run(*args, timeout=120, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=timeout, check=False, **more)


def meson_options(build):
    return {o["name"]: o["value"] for o in json.loads(run("meson", "introspect", build, "--buildoptions").stdout)}


class Prefix:
    def __init__(self, build, root):
        self.root = root
        r = run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
        assert r.returncode == 0, r.stdout + r.stderr
        self.pc = next(root.rglob("tandem.pc"))
        self.lib = self.pc.parent.parent
        self.env = {
            **os.environ,
            "PKG_CONFIG_LIBDIR": f"{self.pc.parent}:{run('pkg-config', '--variable', 'pc_path', 'pkg-config').stdout}",
            "PKG_CONFIG_SYSROOT_DIR": "",
            "LD_LIBRARY_PATH": str(self.lib),
        }
        # --destdir moves a whole system; the .pc file says where it will lie in the end
        prefix = re.search(r"^prefix=(.*)$", self.pc.read_text(), re.M)[1]
        self.variable = f"--define-variable=prefix={root}{prefix}"

    def flags(self, *what):
        r = run("pkg-config", self.variable, *what, "tandem", env=self.env)
        assert r.returncode == 0, r.stderr
        return r.stdout.split()

    def compile(self, source, out, *args, compiler=CC, standard="-std=c11"):
        return run(compiler, standard, "-O1", *STRICT, *self.flags("--cflags"), source, "-o", out, *args, env=self.env)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    for program in ("meson", "pkg-config", CC):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    if SANITIZED:
        pytest.skip("the sanitizers' runtime must be linked first, a program without them cannot load the library")
    if not list(BUILD.glob("src/lib/libtandem.so*")):
        pytest.skip(f"{BUILD} is not built as a whole")
    return Prefix(BUILD, tmp_path_factory.mktemp("prefix"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    program = BUILD / "tests" / "harness" / "tiny_file"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    assert run(program, path, 512).returncode == 0
    return path


@pytest.fixture(scope="session")
def examples(prefix, tmp_path_factory):
    """Each example built from what pkg-config says and nothing else."""
    folder = tmp_path_factory.mktemp("examples")
    for source in EXAMPLES:
        r = prefix.compile(source, folder / source.stem, *prefix.flags("--libs"), "-pthread")
        assert r.returncode == 0, r.stderr
    return folder


def real_model(name):
    folder = os.environ.get("TANDEM_MODELS")
    found = sorted(pathlib.Path(folder).glob(f"{name}*.gguf")) if folder else []
    if not found:
        pytest.skip(f"no {name} in TANDEM_MODELS")
    return found[0]


# ---- what is installed


def test_each_public_header_is_installed_and_nothing_else(prefix):
    headers = {p.name for p in prefix.root.rglob("include/tandem/*")}
    wanted = {p.name for p in (ROOT / "include" / "tandem").glob("*.h")}
    if not meson_options(BUILD)["engine_api"]:
        wanted.discard("session.h")
    assert headers == wanted


def exported(library):
    r = run("nm", "-D", "--defined-only", library)
    assert r.returncode == 0, r.stderr
    return {line.split()[-1] for line in r.stdout.splitlines()}


def recorded(engine_api):
    names = set((ROOT / "include" / "tandem" / "symbols.txt").read_text().split())
    if not engine_api:
        header = (ROOT / "include" / "tandem" / "session.h").read_text()
        names -= set(re.findall(r"^TDM_API [^(]*?\b(tdm_\w+)\(", header, re.M))
    return names


def test_exported_symbols_are_the_recorded_ones(prefix):
    assert exported(prefix.lib / "libtandem.so") == recorded(meson_options(BUILD)["engine_api"])


def test_every_function_of_the_headers_is_recorded():
    declared = set()
    for header in (ROOT / "include" / "tandem").glob("*.h"):
        declared |= set(re.findall(r"^TDM_API [^(]*?\b(tdm_\w+)\(", header.read_text(), re.M))
    assert declared == recorded(True)


def test_the_reference_page_is_made_from_these_headers():
    r = run(sys.executable, ROOT / "tools" / "api_reference.py", "--check")
    assert r.returncode == 0, r.stderr


def test_the_shared_library_has_a_soname(prefix):
    r = run("readelf", "-d", prefix.lib / "libtandem.so")
    assert "Library soname: [libtandem.so.0]" in r.stdout
    assert "TEXTREL" not in r.stdout


@pytest.mark.long
def test_without_the_engine_layer_its_symbols_are_gone(tmp_path):
    if SANITIZED or not shutil.which("meson"):
        pytest.skip("one build of it is enough")
    build = tmp_path / "build"
    r = run("meson", "setup", build, ROOT, "-Dengine_api=false", "-Dbuildtype=debug", "-Doptimization=0", timeout=300)
    assert r.returncode == 0, r.stdout
    r = run("ninja", "-C", build, "src/lib/libtandem.so.0", timeout=900)
    if "unknown target" in r.stderr + r.stdout:
        version = re.search(r"version: '([^']*)'", (ROOT / "meson.build").read_text())[1]
        r = run("ninja", "-C", build, f"src/lib/libtandem.so.{version}", timeout=900)
    assert r.returncode == 0, r.stdout[-2000:]
    assert exported(next(build.glob("src/lib/libtandem.so.*.*"))) == recorded(False)


# ---- what builds against it


def test_the_first_example_is_short():
    assert len((ROOT / "examples" / "hello.c").read_text().splitlines()) <= 40


@pytest.mark.parametrize("language", ["c", "c++"])
def test_all_headers_in_one_file(prefix, tmp_path, language):
    compiler = {"c": CC, "c++": "g++"}[language]
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    headers = sorted(p.name for p in prefix.root.rglob("include/tandem/*.h"))
    lines = [f"#include <tandem/{h}>" for h in headers + headers]  # and each of them twice
    lines += ["#include <stdio.h>", "int main(void)", "{"]
    lines += ["    tdm_error err = tdm_error();" if language == "c++" else "    tdm_error err = {0};"]
    lines += ["    tdm_runtime *rt = NULL;", "    tdm_runtime_options o;"]
    lines += ["    tdm_runtime_options_default(&o, sizeof o);"]
    lines += ["    if (tdm_runtime_create(&o, &rt, &err) != TDM_ERR_INVAL)", "        return 1;"]
    lines += ["    tdm_runtime_destroy(&rt);", '    printf("%s\\n", tdm_version());', "    return 0;", "}"]
    source = tmp_path / ("guard.cc" if language == "c++" else "guard.c")
    source.write_text("\n".join(lines) + "\n")
    standard = "-std=c++11" if language == "c++" else "-std=c11"
    r = prefix.compile(source, tmp_path / "guard", *prefix.flags("--libs"), compiler=compiler, standard=standard)
    assert r.returncode == 0, r.stderr
    r = run(tmp_path / "guard", env=prefix.env)
    assert (r.returncode, r.stdout.strip()) == (0, prefix.flags("--modversion")[0])


def test_a_program_may_link_it_statically(prefix, tiny, tmp_path):
    below = prefix.flags("--print-requires-private")  # these as shared libraries: Debian has few of them as archives
    libraries = run("pkg-config", "--libs", *below).stdout.split()
    libraries += re.search(r"^Libs.private: (.*)$", prefix.pc.read_text(), re.M)[1].split()
    r = prefix.compile(ROOT / "examples" / "hello.c", tmp_path / "hello", prefix.lib / "libtandem.a", *libraries)
    assert r.returncode == 0, r.stderr
    env = {**os.environ, "LD_LIBRARY_PATH": ""}
    r = run(tmp_path / "hello", tiny, tmp_path / "state", input="hello\n", env=env)
    assert (r.returncode, r.stderr) == (0, "")
    assert len(r.stdout) > 1


# ---- the examples run


def test_hello_answers_each_line(prefix, examples, tiny, tmp_path):
    one = run(examples / "hello", tiny, tmp_path / "state", input="hello\n", env=prefix.env)
    two = run(examples / "hello", tiny, tmp_path / "state", input="hello\nand you\n", env=prefix.env)
    assert (one.returncode, one.stderr, two.returncode, two.stderr) == (0, "", 0, "")
    assert two.stdout.startswith(one.stdout.rstrip("\n")) and len(two.stdout) > len(one.stdout)


def test_hello_knows_the_capital_of_france(prefix, examples, tmp_path):
    question = "What is the capital of France? One word.\n"
    r = run(examples / "hello", real_model("smollm2"), tmp_path / "state", input=question, env=prefix.env)
    assert (r.returncode, r.stderr) == (0, "")
    assert "Paris" in r.stdout


@pytest.mark.parametrize("arguments", [[], ["/nowhere.gguf"], ["/dev/null", "state"], ["{tiny}"]])
def test_hello_says_what_is_wrong(prefix, examples, tiny, tmp_path, arguments):
    args = [str(tiny) if a == "{tiny}" else a for a in arguments]
    r = run(examples / "hello", *args, input="hello\n", env=prefix.env, cwd=tmp_path)
    assert r.returncode == 1
    assert r.stdout == "" and r.stderr.startswith("hello: ") and len(r.stderr.splitlines()) == 1


def test_two_models_answer_as_each_alone(prefix, examples, tiny, tmp_path):
    r = run(examples / "two_models", tiny, tmp_path / "a", tiny, tmp_path / "b", "hello", env=prefix.env)
    assert (r.returncode, r.stderr) == (0, "")
    answer = r.stdout[3 : (len(r.stdout) - len("1: \n2: \n")) // 2 + 3]  # both are the same noise, with any character
    assert answer and r.stdout == f"1: {answer}\n2: {answer}\n"


def test_an_answer_is_cancelled_from_another_thread(prefix, examples, tmp_path):
    r = run(examples / "cancel", real_model("smollm2"), tmp_path / "s", "Count to a thousand.", 20, env=prefix.env)
    assert (r.returncode, r.stderr) == (0, "")
    assert re.search(r"\(cancelled after \d+ tokens\)$", r.stdout.rstrip())


def test_an_answer_that_is_over_is_not_cancelled(prefix, examples, tiny, tmp_path):
    r = run(examples / "cancel", tiny, tmp_path / "s", "hello", 3000, env=prefix.env)
    assert (r.returncode, r.stderr) == (0, "")
    assert "(finished after" in r.stdout


def test_verbs_give_checked_text(prefix, examples, tmp_path):
    text = "hey, can u send me the report by friday, need it for the meeting with Anna at 10. thx"
    model = real_model("qwen2.5-coder-0.5b")
    r = run(examples / "verbs", model, tmp_path / "s", "rewrite", input=text, env=prefix.env)
    assert r.returncode == 0, r.stderr
    assert "Anna" in r.stdout and "10" in r.stdout
    r = run(examples / "verbs", model, tmp_path / "s", "dance", input=text, env=prefix.env)
    assert r.returncode == 1 and "verb is 0" in r.stderr
