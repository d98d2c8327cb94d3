"""How the daemon is run: reload, drain, what it tells the service manager, the log, the metrics, the unit."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest

import tls_fixtures
from api_fixtures import BUILD, FAKE, ROOT, TANDEM, Daemon, fake_daemon, read_response

parser = pytest.importorskip("prometheus_client.parser")

if not FAKE.exists():
    pytest.skip(f"{FAKE} is not built", allow_module_level=True)


def chat(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


def raw_chat(text):
    body = json.dumps(chat(text, stream=True))
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def read_all(sock, end=b"[DONE]"):
    text = b""
    while end not in text:
        piece = sock.recv(65536)
        if not piece:
            break
        text += piece
    return text


TINY_FILE = BUILD / "tests/harness/tiny_file"


@contextlib.contextmanager
def configured(folder, yaml, *settings, env=None):
    """A daemon with a configuration file and a state of its own; gives it with the file's path."""
    config = folder / "daemon.yaml"
    config.write_text(yaml)
    (folder / "state").mkdir(exist_ok=True)
    with_env = ["env", *(f"{k}={v}" for k, v in (env or {}).items())]
    d = Daemon([*with_env, FAKE, "127.0.0.1:0", f"config={config}", f"state={folder / 'state'}", *settings])
    d.config = config
    d.owner = {"Authorization": "Bearer " + (folder / "state" / "owner.key").read_text().strip()}
    try:
        yield d.wait_ready()
    finally:
        assert d.stop() == 0


def wait_for(condition, what="", seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# ---- reload ----

def test_a_reload_puts_new_settings_into_force_and_says_so(tmp_path):
    with configured(tmp_path, "hosts: [a.lan]\n") as d:
        assert d.get("/v1/models", {"Host": "b.lan"})[0] == 421
        d.config.write_text("hosts: [b.lan]\nbody_size: 4KiB\nlog: json\n")
        status, _, body = d.post({}, "/v1/reload", d.owner)
        assert status == 200 and body == {"state": "reloaded"}
        assert d.get("/v1/models", {"Host": "b.lan"})[0] == 200 and d.get("/v1/models", {"Host": "a.lan"})[0] == 421
        assert d.post(chat("x" * 5000))[0] == 413
        lines = [line for line in d.text().splitlines() if line.startswith("{")]
        assert json.loads(lines[0])["event"] == "reload" and json.loads(lines[-1])["status"] == 413


@pytest.mark.parametrize("yaml,says", [
    ("queue: 010\n", "queue is '010'"), ("hosts: [A]\n", "is no name of a host"),
    ("parallel: 9\n", "parallel cannot change while the daemon runs"), ("x: 1\n", "no setting"), ("[", "daemon.yaml:"),
    ("tls_cert: /none\ntls_key: /none\n", "cannot be added"), ("behind_tls_proxy: 127.0.0.1\n", "behind_tls_proxy"),
    (None, "cannot be read")])
def test_a_reload_that_fails_changes_nothing(tmp_path, yaml, says):
    with configured(tmp_path, "hosts: [a.lan]\n") as d:
        if yaml is None:
            d.config.unlink()
        else:
            d.config.write_text("log: json\n" + yaml if yaml != "[" else yaml)
        status, _, body = d.post({}, "/v1/reload", d.owner)
        assert status == 409 and body["error"]["code"] == "reload_failed" and says in body["error"]["message"], body
        assert says in d.text() and "nothing has changed" in d.text()
        assert d.get("/v1/models", {"Host": "a.lan"})[0] == 200
        assert not any(line.startswith("{") for line in d.text().splitlines())
        assert d.metric("tandem_reloads_failed_total") == 1 and d.metric("tandem_reloads_total") == 0


def test_a_flag_that_hides_a_change_of_the_file_is_no_change(tmp_path):
    with configured(tmp_path, "{}\n") as d:
        d.config.write_text("listen: \"127.0.0.1:1\"\n")
        assert d.post({}, "/v1/reload", d.owner)[0] == 200


def test_reload_and_drain_are_the_owners_and_take_no_field(tmp_path):
    with configured(tmp_path, "{}\n") as d:
        for path in ("/v1/reload", "/v1/drain"):
            assert d.post({}, path)[0] == 401
            assert d.post({"now": True}, path, d.owner)[0] == 400
            assert d.post(b"[]", path, d.owner)[0] == 400
            assert d.get(path)[0] == 405
        assert d.post(chat("still here"))[0] == 200


def test_reloads_under_load_lose_no_answer(tmp_path):
    with configured(tmp_path, "{}\n", "slots=4", "queue=8", "word_ms=2") as d:
        streams = []
        for i in range(8):
            s = d.connect()
            s.sendall(raw_chat(f"s{i} " * 200))
            streams.append(s)
        for _ in range(50):
            d.process.send_signal(signal.SIGHUP)
            time.sleep(0.005)
        for i, s in enumerate(streams):
            text = read_all(s)
            assert b"[DONE]" in text and text.count(f"s{i} ".encode()) >= 199
            s.close()
        assert d.metric("tandem_reloads_total") >= 1


# ---- drain ----

def test_a_drain_ends_running_answers_whole_and_refuses_new_ones(tmp_path):
    (tmp_path / "state").mkdir()
    d = Daemon([FAKE, "127.0.0.1:0", f"state={tmp_path / 'state'}", "word_ms=10"])
    d.wait_ready()
    owner = {"Authorization": "Bearer " + (tmp_path / "state" / "owner.key").read_text().strip()}
    with d.connect() as running, d.connect() as waiting:
        running.sendall(raw_chat("word " * 50))
        running.recv(1)
        waiting.sendall(raw_chat("late")[:40])  # a request on its way
        time.sleep(0.05)
        status, headers, body = d.post({}, "/v1/drain", owner)
        assert status == 200 and body == {"state": "stopping"} and headers["Connection"] == "close"
        waiting.sendall(raw_chat("late")[40:])
        status, headers, body = read_response(waiting)
        assert status == 503 and json.loads(body)["error"]["code"] == "stopping"
        assert b"[DONE]" in read_all(running)
    assert d.process.wait(10) == 0


# ---- the service manager ----

class Manager:
    """The socket of a service manager."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name)
        self.socket.settimeout(10)

    def next(self):
        """The next message that is more than a status, which the loader's thread sends when it will."""
        said = {"STATUS": ""}
        while set(said) == {"STATUS"}:
            said = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))
        return said

    def until(self, name):
        while name not in (said := self.next()):
            pass
        return said


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told_of_ready_reload_and_stop(tmp_path, abstract):
    name = f"tandem-test-{os.getpid()}"
    manager = Manager("\0" + name if abstract else str(tmp_path / "notify"))
    env = {"NOTIFY_SOCKET": "@" + name if abstract else str(tmp_path / "notify")}
    with configured(tmp_path, "{}\n", env=env) as d:
        assert manager.next()["READY"] == "1"
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        d.process.send_signal(signal.SIGHUP)
        said = manager.until("RELOADING")
        assert said["RELOADING"] == "1" and before <= int(said["MONOTONIC_USEC"]) <= before + 5_000_000
        assert manager.next() == {"READY": "1"}
        d.config.write_text("nonsense: 1\n")
        d.process.send_signal(signal.SIGHUP)
        assert manager.until("RELOADING") and manager.next() == {"READY": "1"}  # it goes on as it was
        d.process.terminate()
        assert manager.until("STOPPING")["STOPPING"] == "1"
        d.process.wait(timeout=30)  # the fixture signals again: nobody may watch by then


def test_the_watchdog_is_fed_at_half_its_time(tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    with configured(tmp_path, "{}\n", env={"NOTIFY_SOCKET": tmp_path / "notify", "WATCHDOG_USEC": "200000"}):
        begin = time.monotonic()
        for _ in range(5):
            manager.until("WATCHDOG")
        assert 0.3 < time.monotonic() - begin < 2


@pytest.mark.parametrize("env", [{"NOTIFY_SOCKET": "/none/there"}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"},
                                 {"NOTIFY_SOCKET": "/" + "x" * 200}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "-5"},
                                 {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
def test_a_manager_that_is_none_does_not_matter(tmp_path, env):
    with configured(tmp_path, "{}\n", env=env) as d:
        assert d.post(chat("hello"))[0] == 200


# ---- the unit ----

UNIT = ROOT / "share" / "systemd" / "tandem.service"


def unit_as_installed(tmp_path):
    text = UNIT.read_text().replace("@bindir@", str(tmp_path))
    (tmp_path / "tandem").write_text("#!/bin/sh\n")
    (tmp_path / "tandem").chmod(0o755)
    path = tmp_path / "tandem.service"
    path.write_text(text)
    return path


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_verifies(tmp_path):
    r = subprocess.run(["systemd-analyze", "verify", "--man=no", unit_as_installed(tmp_path)], capture_output=True,
                       text=True, timeout=60)
    said = [line for line in r.stderr.splitlines() if "tandem" in line]
    assert not said, r.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_is_confined(tmp_path):
    """Exposure from 0 (confined) to 10; 2 and above would be what systemd calls OK."""
    r = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit_as_installed(tmp_path)],
                       capture_output=True, text=True, timeout=60)
    found = re.search(r"Overall exposure level for tandem.service: ([\d.]+)", r.stdout)
    if not found:
        pytest.skip("systemd-analyze security does not work here: " + r.stderr.strip())
    assert float(found[1]) < 2.0, r.stdout


# ---- the log ----

MARK = "MARKED-7f3a"
EVENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|note|info) \w+ \S")


def ask_everything(d, owner):
    """Marked texts through every endpoint, in every place that takes one."""
    marked = {"x-marked": MARK, "User-Agent": MARK, "Cookie": f"a={MARK}", "Referer": f"http://localhost/{MARK}"}
    body = chat(MARK)
    d.post(body, headers=marked)
    for fields in ({"model": MARK}, {MARK: 1}, {"stop": [MARK]}, {"user": MARK}, {"messages": MARK}, {"tools": [MARK]},
                   {"messages": [{"role": MARK, "content": MARK}]}, {"n": MARK}, {"temperature": MARK}):
        d.post({**body, **fields}, headers=marked)
    for raw in (f"{MARK}".encode(), f'{{"messages": "{MARK}'.encode(), f'["{MARK}"]'.encode(), MARK.encode() * 200000):
        with contextlib.suppress(OSError):
            d.post(raw, headers=marked)
    paths = re.findall(r'\{"(/[^"]*)", (?:true|false), (true|false)', (ROOT / "src" / "api" / "api.c").read_text())
    assert len(paths) > 20
    for path, is_post in paths:
        if path == "/v1/drain":
            continue
        for key in ({}, owner, {"Authorization": f"Bearer {MARK}"}, {"Authorization": MARK}):
            headers = {**marked, **key}
            full = path + MARK if path.endswith("/") and path != "/" else path
            if is_post == "true":
                for fields in ({MARK: MARK}, {"text": MARK, "messages": [{"role": "user", "content": MARK}]},
                               {"messages": [{"role": "user", "content": MARK}]}, {"text": MARK}, {"link": MARK},
                               {"partner": MARK, "feature": MARK, "mode": MARK}, {"id": MARK}, {"feature": MARK}):
                    with contextlib.suppress(ValueError):
                        d.post(fields, full, headers)
            else:
                d.get(f"{full}?{MARK}={MARK}", headers)
    for path in (f"/{MARK}", f"/v1/{MARK}", f"/v1/features/{MARK}"):
        d.get(path, marked)
    for host, origin in ((MARK, None), ("localhost", f"http://{MARK}.example")):
        d.get("/v1/models", {"Host": host, **({"Origin": origin} if origin else {})})
    for raw in (f"{MARK} / HTTP/1.1\r\nHost: x\r\n\r\n", f"GET /{MARK} HTTP/9\r\n\r\n",
                f"GET / HTTP/1.1\r\n{MARK}\r\n\r\n"):
        with d.connect() as s, contextlib.suppress(OSError):
            s.sendall(raw.encode())
            s.recv(1000)
    d.ask(urllib.request.Request(d.url + "/v1/chat/completions", json.dumps(chat(MARK, stream=True)).encode(),
                                 {**marked, "Content-Type": "application/json"}))
    with d.connect() as s:  # a client that leaves
        s.sendall(raw_chat((MARK + " ") * 500))
        s.recv(1)


@contextlib.contextmanager
def serving(folder, *settings):
    """tandem serve itself, with a model of no sense."""
    if not TANDEM.exists() or not TINY_FILE.exists():
        pytest.skip(f"{TANDEM} or {TINY_FILE} is not built")
    subprocess.run([TINY_FILE, folder / "tiny.gguf", "512"], check=True, timeout=20)
    d = Daemon([TANDEM, "serve", "--home", folder / "home", "-m", folder / "tiny.gguf", "--listen", "127.0.0.1:0",
                "--threads", "1", *settings])
    d.owner = {"Authorization": "Bearer " + (folder / "home" / "state" / "owner.key").read_text().strip()}
    try:
        yield d.wait_ready()
    finally:
        assert d.stop() == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_users_text_is_in_the_log_or_the_metrics(tmp_path, form):
    with serving(tmp_path, "--log", form, "--log-lines-per-second", "0") as d:
        ask_everything(d, d.owner)
        d.wait_idle(20)
        log = d.text()
        assert MARK not in log and MARK.lower() not in log and MARK not in d.get("/metrics")[2]
        lines = log.splitlines()
        assert len(lines) > 100
        for line in lines:
            if form == "text":
                assert EVENT.match(line), line
            else:
                row = json.loads(line)
                allowed = {"time", "level", "event", "message", "request", "route", "status", "ms", "app", "decision",
                           "prompt_tokens", "tokens", "note"}
                assert set(row) <= allowed and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["time"])
                assert row["event"] in ("start", "model", "device", "reload", "request", "stopping", "log")


def test_a_request_has_its_fields(tmp_path):
    with configured(tmp_path, "log: json\n") as d:
        key = (tmp_path / "state" / "apps" / "default.key").read_text().strip()
        status, headers, _ = d.post(chat("one two three"), headers={"Authorization": f"Bearer {key}"})
        row = [json.loads(line) for line in d.text().splitlines()][-1]
        assert status == 200 and row["event"] == "request" and row["level"] == "info"
        assert row["route"] == "chat" and row["status"] == 200 and row["ms"] >= 0 and row["app"] == "default"
        assert row["decision"] == headers["x-tandem-decision"] and row["tokens"] >= 3 and row["prompt_tokens"] > 0
        d.get("/nothing")
        row = [json.loads(line) for line in d.text().splitlines()][-1]
        assert row["route"] == "other" and row["status"] == 404 and row["note"] == "not_found" and "app" not in row


def test_lines_of_requests_are_bounded_and_what_is_left_out_is_said():
    with fake_daemon("log_lines_per_second=10") as d:
        with d.connect() as s:
            for _ in range(200):
                s.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert read_response(s)[0] == 404
        assert d.text().count(" request ") <= 40
        time.sleep(1.1)
        d.get("/nothing")
        left_out = sum(int(n) for n in re.findall(r" log (\d+) lines of requests were left out", d.text()))
        assert left_out + d.text().count(" status=404 ") == 201
        assert d.metric('tandem_requests_total{route="other",class="4xx"}') == 201  # counted all the same


# ---- the journal ----

def test_a_decision_is_found_in_the_journal_beside_the_loop(tmp_path):
    with serving(tmp_path) as d:
        ids = [d.post(chat(f"n {i}", max_tokens=2))[1]["x-tandem-decision"] for i in range(3)]
        for i in ids:
            status, _, text = d.get(f"/v1/decisions/{i}", d.owner)
            leaves = json.loads(text)
            assert status == 200 and leaves["opened"]["decision"] and leaves["closed"]["outcome"] == "answered"
            assert leaves["opened"]["index"] < leaves["closed"]["index"]
        for unknown in ("0" * 32, ids[0][:-1], ids[0] + "0", ids[0].upper(), "x"):
            assert d.get(f"/v1/decisions/{unknown}", d.owner)[0] == 404
        assert d.get(f"/v1/decisions/{ids[0]}")[0] == 401
        key = d.owner["Authorization"]
        request = f"GET /v1/decisions/{ids[0]} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\n\r\n"
        for _ in range(20):  # clients that do not wait
            with d.connect() as s:
                s.sendall(request.encode())
        wait_for(lambda: d.get(f"/v1/decisions/{ids[0]}", d.owner)[0] == 200)


# ---- the metrics ----

def families(d):
    return {f.name: f for f in parser.text_string_to_metric_families(d.get("/metrics")[2])}


def test_the_official_parser_reads_the_metrics_and_they_add_up():
    with fake_daemon("slots=2", "word_ms=5") as d:
        before = families(d)
        for i in range(5):
            assert d.post(chat("one two three four"))[0] == 200
        for i in range(3):
            assert d.post({"text": "one two three"}, path="/v1/features/rewrite")[0] == 200
        d.post({}, headers={})
        d.get("/nothing")
        f = families(d)
        assert set(before) <= set(f)
        samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for x in f.values() for s in x.samples}

        def value(name, **labels):
            return samples[name, tuple(sorted(labels.items()))]
        assert value("tandem_requests_total", route="chat", **{"class": "2xx"}) == 5
        assert value("tandem_requests_total", route="chat", **{"class": "4xx"}) == 1
        assert value("tandem_refusals_total", code="not_found") == 1
        assert value("tandem_request_duration_seconds_count", route="chat") == 6
        assert value("tandem_time_to_first_token_seconds_count", route="chat") == 5
        assert value("tandem_inter_token_seconds_count", route="chat") == 15
        assert 0.02 < value("tandem_inter_token_seconds_sum", route="chat") < 2
        assert value("tandem_time_to_first_token_seconds_count", route="verb") == 3
        assert value("tandem_inter_token_seconds_count", route="verb") == 6
        assert 0.01 < value("tandem_inter_token_seconds_sum", route="verb") < 2
        assert value("tandem_queue_seconds_count") >= 0
        assert value("tandem_slots") == 2 and value("tandem_ready") == 1 and value("tandem_running") == 0
        assert value("tandem_engine_queued", priority="background") == 0
        for name in ("time_to_first_token", "inter_token", "queue", "request_duration"):
            family = f[f"tandem_{name}_seconds"]
            assert family.type == "histogram"
            by_labels = {}
            for s in family.samples:
                if s.name.endswith("_bucket"):
                    key = tuple(sorted((k, v) for k, v in s.labels.items() if k != "le"))
                    by_labels.setdefault(key, []).append((float(s.labels["le"]), s.value))
            for buckets in by_labels.values():
                assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
                assert [v for _, v in buckets] == sorted(v for _, v in buckets)
        for name, x in f.items():
            assert x.documentation and x.type in ("counter", "gauge", "histogram"), name


def test_the_process_is_seen_as_it_is():
    with fake_daemon() as d:
        f = families(d)
        one = {name: x.samples[0].value for name, x in f.items() if len(x.samples) == 1}
        status = pathlib.Path(f"/proc/{d.process.pid}/status").read_text()
        resident = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024
        assert abs(one["process_resident_memory_bytes"] - resident) < 4 << 20
        n_files = len(os.listdir(f"/proc/{d.process.pid}/fd"))
        assert abs(one["process_open_fds"] - n_files) <= 2 and one["process_max_fds"] >= n_files
        assert abs(one["process_start_time_seconds"] - time.time()) < 60
        assert 0 <= one["process_cpu_seconds"] < 60
        assert f["tandem_build_info"].samples[0].labels["version"]


def test_nothing_that_a_client_sends_becomes_a_label():
    with fake_daemon("log_lines_per_second=1") as d:
        def labels():
            return {(s.name, tuple(sorted(s.labels.items()))) for x in families(d).values() for s in x.samples}
        for path in ("/v1/models", "/nothing", "/v1/chat/completions", "/"):
            d.get(path)
        d.post(chat("x"))
        before = labels()
        for i in range(300):
            d.get(f"/path-{i}", {"x-app": f"app-{i}", "User-Agent": f"agent-{i}"})
            d.get(f"/v1/models/model-{i}")
            if i % 10 == 0:
                d.post({**chat("x"), "model": f"m-{i}", "user": f"u-{i}"})
        after = labels()
        assert len(after) - len(before) < 60 and not any("-17" in str(row) for row in after)
        assert len(d.get("/metrics")[2]) < 64 * 1024


# ---- the command line ----

@pytest.mark.skipif(not TANDEM.exists(), reason=f"{TANDEM} is not built")
def test_print_config_shows_what_is_in_force_and_is_taken_back(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("queue: 9\nhosts: [a.lan]\n")

    def printed(*args):
        r = subprocess.run([TANDEM, "serve", "--print-config", *args], capture_output=True, text=True, timeout=20)
        assert r.returncode == 0, r.stderr
        return r.stdout
    first = printed("--config", config, "--queue", "11", "--host", "b.lan", "--host", "c.lan", "--keys-required")
    assert "queue: 11\n" in first and 'hosts: ["b.lan", "c.lan"]\n' in first and "keys_required: true\n" in first
    config.write_text(first)
    assert printed("--config", config) == first
    for line in printed().splitlines():
        assert line.startswith("#") or re.match(r"[a-z_]+: ", line)


@pytest.mark.skipif(not TANDEM.exists(), reason=f"{TANDEM} is not built")
@pytest.mark.parametrize("args,code,says", [
    (["--drain-time", "30"], 2, "--drain-time is '30'"), (["--log", "xml"], 2, "text|json"),
    (["-c", "010"], 2, "-c is '010'"), (["--host", "A"], 2, "no name of a host"),
    (["--listn", "x"], 2, "--listen is the nearest"),
    (["--behind-tls-proxy", "x"], 2, "numeric address"), (["--tls-cert", "x"], 2, "without --tls-key"),
    (["--keys-required=yes"], 2, "takes no value")])
def test_wrong_flags_are_usage_errors(tmp_path, args, code, says):
    r = subprocess.run([TANDEM, "serve", "--home", tmp_path, *args], capture_output=True, text=True, timeout=20)
    assert r.returncode == code and r.stderr.count("\n") == 1 and says in r.stderr, r.stderr


# ---- quotas, end to end ----

def test_one_applications_share_ends_and_the_others_do_not(tmp_path):
    with serving(tmp_path, "--app-tokens-per-hour", "40") as d:
        state = tmp_path / "home" / "state"
        keys = {}
        for name in ("a", "b"):
            keys[name] = {"Authorization": "Bearer " + subprocess.run(
                [TANDEM, "app", "add", name, "--home", tmp_path / "home"], capture_output=True, text=True, check=True,
                timeout=20).stdout.strip()}
        assert d.post({}, "/v1/reload", d.owner)[0] == 200 and (state / "apps" / "a.key").exists()
        got = [d.post(chat("x y z", max_tokens=8), headers=keys["a"]) for _ in range(12)]
        refused = [g for g in got if g[0] == 429]
        assert got[0][0] == 200 and refused and got[-1][0] == 429
        status, headers, body = refused[0]
        assert body["error"]["code"] == "app_quota_exceeded" and body["error"]["type"] == "rate_limit_error"
        assert 1 <= int(headers["Retry-After"]) <= 3600
        assert d.post(chat("x"), headers=keys["b"])[0] == 200 and d.post(chat("x"))[0] == 200
        assert d.metric('tandem_refusals_total{code="app_quota_exceeded"}') == len(refused)
        assert d.metric("tandem_kv_bytes") > 0
        f = families(d)
        counts = {n: next(s.value for s in f[n].samples if s.name.endswith("_count")) for n in (
            "tandem_queue_seconds", "tandem_longest_gap_seconds", "tandem_time_to_first_token_seconds")}
        assert len(set(counts.values())) == 1 and counts["tandem_queue_seconds"] == sum(g[0] == 200 for g in got) + 2


# ---- what the unit allows ----

@pytest.mark.skipif(not shutil.which("systemd-analyze") or not shutil.which("strace"),
                    reason="systemd-analyze or strace is not installed")
def test_the_daemon_makes_no_call_that_its_unit_forbids(tmp_path):
    """Filters only show where the service runs; strace shows the calls anywhere."""
    def members(name, seen=()):
        r = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, timeout=20)
        if r.returncode != 0:
            pytest.skip("systemd-analyze syscall-filter does not work here: " + r.stderr.strip())
        calls = set()
        for line in r.stdout.splitlines()[1:]:
            word = line.strip()
            if word.startswith("@") and word not in seen:
                calls |= members(word, (*seen, name))
            elif word and not word.startswith("#"):
                calls.add(word)
        return calls
    if re.search(r"lib[at]san", subprocess.run(["ldd", TANDEM], capture_output=True, text=True, check=False).stdout):
        pytest.skip("a sanitizer makes calls of its own")
    filters = re.findall(r"^SystemCallFilter=(~?)(.*)$", UNIT.read_text(), re.M)
    allowed = set().union(*(members(n) for sign, names in filters if not sign for n in names.split()))
    forbidden = set().union(*(members(n) for sign, names in filters if sign for n in names.split()))
    families = re.search(r"^RestrictAddressFamilies=(.*)$", UNIT.read_text(), re.M)[1].split()
    subprocess.run([TINY_FILE, tmp_path / "tiny.gguf", "512"], check=True, timeout=20)
    trace = tmp_path / "trace"
    d = Daemon(["strace", "-f", "-qq", "-o", trace, TANDEM, "serve", "--home", tmp_path / "home", "-m",
                tmp_path / "tiny.gguf", "--listen", "127.0.0.1:0"])
    d.wait_ready()
    assert d.post(chat("hello", max_tokens=4))[0] == 200
    d.get("/metrics")
    strace_pid = d.process.pid
    daemon_pid = int(pathlib.Path(f"/proc/{strace_pid}/task/{strace_pid}/children").read_text().split()[0])
    os.kill(daemon_pid, signal.SIGHUP)
    wait_for(lambda: " reload " in d.text())
    os.kill(daemon_pid, signal.SIGTERM)
    assert d.process.wait(20) == 0
    d.log.close()
    lines = trace.read_text().splitlines()
    calls = {m[1] for line in lines if (m := re.match(r"\d+ +(?:<\.\.\. )?(\w+)[ (]", line))}
    assert len(calls) > 30 and {"openat", "accept4", "futex"} <= calls
    of_root = {"fchown"} if os.geteuid() == 0 else set()  # SQLite's, which asks who it is; the unit's user is not root
    assert calls - allowed == set() and calls & forbidden <= of_root
    assert set(re.findall(r"\bsocket\((AF_\w+)", "\n".join(lines))) <= set(families)


# ---- session keys ----

@pytest.mark.skipif(not TANDEM.exists(), reason=f"{TANDEM} is not built")
def test_the_environment_cannot_have_session_keys_written(tmp_path):
    """The fetch of the weights goes over the environment's proxy: one that speaks TLS. curl shows that it would."""
    pair = tls_fixtures.Pair(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert_path, pair.key_path)
    met = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(s, server_side=True) as t:
                t.recv(100)
            met.set()
    threading.Thread(target=serve, daemon=True).start()
    proxy = f"https://localhost:{listener.getsockname()[1]}"

    def environment(log):
        return {**os.environ, "SSLKEYLOGFILE": str(log), "https_proxy": proxy, "HTTPS_PROXY": proxy,
                "XDG_CACHE_HOME": str(tmp_path)}
    log = tmp_path / "of-curl"
    subprocess.run(["curl", "-s", "--max-time", "5", "https://localhost/"], env=environment(log), timeout=20,
                   check=False)
    if not log.exists():
        pytest.skip("this curl writes no session keys")
    met.clear()
    log = tmp_path / "of-tandem"
    p = subprocess.Popen([TANDEM, "pull", "--home", tmp_path / "home"], env=environment(log),
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert met.wait(20), "nothing was fetched"
        time.sleep(0.2)
        assert not log.exists()
    finally:
        p.kill()
        p.wait()
        listener.close()
