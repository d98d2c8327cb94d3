"""Who may ask the daemon: applications' keys, names of hosts, addresses outside loopback, the proxy before it."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import tls_fixtures
from api_fixtures import FAKE, TANDEM, Daemon, read_response

if not FAKE.exists() or not TANDEM.exists():
    pytest.skip(f"{FAKE} or {TANDEM} is not built", allow_module_level=True)

CHAT = {"messages": [{"role": "user", "content": "hello"}]}
UNKNOWN = "0" * 64


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


class Home:
    """A home with its state, which the fake daemon and the tandem command share."""

    def __init__(self, folder):
        self.folder, self.state = folder, folder / "state"
        self.state.mkdir()

    def app(self, *args):
        return subprocess.run([TANDEM, "app", *args, "--home", self.folder], capture_output=True, text=True, timeout=20)

    def key(self, name):
        return (self.state / "apps" / f"{name}.key").read_text().strip()

    @property
    def owner(self):
        return (self.state / "owner.key").read_text().strip()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@contextlib.contextmanager
def running(home, *settings, listen="127.0.0.1:0"):
    d = Daemon([FAKE, listen, f"state={home.state}", *settings])
    try:
        yield d.wait_ready()
    finally:
        assert d.stop() == 0


def refused_start(home, *settings, listen="127.0.0.1:0"):
    r = subprocess.run([FAKE, listen, f"state={home.state}", *map(str, settings)], capture_output=True, text=True,
                       timeout=20)
    assert r.returncode == 1 and r.stderr.count("\n") == 1, r.stderr
    return r.stderr


def reload(d):
    count = d.text().count(" reload ")
    d.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while d.text().count(" reload ") == count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [line for line in d.text().splitlines() if " reload " in line][-1]


# ---- keys ----

def test_a_first_start_makes_a_key_for_default(home):
    with running(home) as d:
        assert re.fullmatch("[0-9a-f]{64}", home.key("default"))
        assert (home.state / "apps" / "default.key").stat().st_mode & 0o777 == 0o600
        assert (home.state / "apps").stat().st_mode & 0o777 == 0o700
        first = home.key("default")
        assert d.post(CHAT, headers=bearer(first))[0] == 200
        assert re.search(r" route=chat status=200 .*app=default ", d.text())
    with running(home):
        assert home.key("default") == first


def test_a_removed_default_does_not_come_back(home):
    with running(home):
        pass
    assert home.app("remove", "default").returncode == 0
    with running(home):
        assert home.app("list").stdout == ""


def test_the_command_adds_lists_and_removes(home):
    r = home.app("add", "mail-2")
    assert r.returncode == 0 and r.stdout.strip() == home.key("mail-2") and "kill -HUP" in r.stderr
    assert (home.state / "apps" / "mail-2.key").stat().st_mode & 0o777 == 0o600
    before = home.key("mail-2")
    assert home.app("add", "mail-2").returncode == 1 and home.key("mail-2") == before
    r = home.app("add", "b", "--json")
    assert json.loads(r.stdout) == {"app": "b", "key": home.key("b")}
    assert home.app("list").stdout == "b\nmail-2\n"
    assert json.loads(home.app("list", "--json").stdout) == {"apps": ["b", "mail-2"]}
    assert home.app("remove", "b").returncode == 0 and home.app("remove", "b").returncode == 1
    assert home.app("list").stdout == "mail-2\n"


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "a.b", "a b", "é", "x" * 65, "-\n"])
def test_names_that_are_none_are_usage_errors(home, name):
    assert home.app("add", "--", name).returncode == 2 and not (home.state / "apps").exists()


def test_on_loopback_no_key_is_the_devices_own_and_a_wrong_one_is_refused(home):
    with running(home) as d:
        assert d.post(CHAT)[0] == 200
        assert d.post(CHAT, headers=bearer("none"))[0] == 200  # SDKs insist on sending something
        status, headers, body = d.post(CHAT, headers=bearer(UNKNOWN))
        assert status == 401 and body["error"]["code"] == "invalid_api_key"
        assert headers["WWW-Authenticate"] == "Bearer"
        key = home.key("default")
        for wrong in (key[:-1] + ("0" if key[-1] != "0" else "1"), ("0" if key[0] != "0" else "1") + key[1:]):
            assert d.post(CHAT, headers=bearer(wrong))[0] == 401
        assert d.metric('tandem_refusals_total{code="invalid_api_key"}') == 3


def test_the_scheme_is_written_in_any_case_and_two_fields_are_none(home):
    with running(home, "keys_required=true") as d:
        key = home.key("default")
        for value, status in ((f"bearer {key}", 200), (f"BEARER {key}", 200), (f"Basic {key}", 401), (key, 401),
                              (f"Bearer  {key}", 401), (f"Bearer {key} x", 401), ("Bearer ", 401), ("Bearer", 401)):
            assert d.get("/v1/models", {"Authorization": value})[0] == status, value
        with d.connect() as s:
            s.sendall(f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                      f"Authorization: Bearer {key}\r\n\r\n".encode())
            assert read_response(s)[0] == 401


def test_where_keys_are_required_each_request_needs_one(home):
    with running(home, "keys_required=true") as d:
        app, owner = bearer(home.key("default")), bearer(home.owner)
        for path in ("/v1/models", "/v1/features", "/v1/device", "/v1/filings", "/metrics"):
            assert d.get(path)[0] == 401 and d.get(path, bearer("none"))[0] == 401, path
            assert d.get(path, app)[0] == 200 and d.get(path, owner)[0] == 200, path
        assert d.post(CHAT)[0] == 401 and d.post(CHAT, headers=app)[0] == 200 and d.post(CHAT, headers=owner)[0] == 200
        assert json.loads(d.get("/healthz")[2]) == {"state": "ready"}
        assert json.loads(d.get("/healthz", bearer(UNKNOWN))[2]) == {"state": "ready"}
        assert json.loads(d.get("/healthz", app)[2])["slots"] == 2
        assert d.get("/")[0] == 200  # the page holds nothing of anybody
        assert d.get("/v1/consents", app)[0] == 401 and d.get("/v1/consents", owner)[0] == 200
        link = d.post({}, "/v1/owner/link", owner)[2]["link"]
        session = d.post({"link": link}, "/v1/owner/session")[2]["session"]
        assert d.get("/v1/models", bearer(session))[0] == 200


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_may_read_is_refused_with_file_and_mode(home, mode):
    home.app("add", "mail")
    path = home.state / "apps" / "mail.key"
    path.chmod(mode)
    said = refused_start(home)
    assert str(path) in said and f"{mode:04o}" in said
    path.chmod(0o600)
    with running(home) as d:
        path.chmod(mode)
        assert "nothing has changed" in reload(d)
        assert d.post(CHAT, headers=bearer(home.key("mail")))[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_that_belongs_to_somebody_else_is_refused(home):
    home.app("add", "mail")
    os.chown(home.state / "apps" / "mail.key", 12345, -1)
    assert "mail.key cannot be read" in refused_start(home)


def test_an_owners_key_that_others_may_read_is_refused(home):
    with running(home):
        pass
    (home.state / "owner.key").chmod(0o644)
    assert "owner.key" in (said := refused_start(home)) and "0644" in said


@pytest.mark.parametrize("content", ["", "x" * 64, "0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n\n0", "\0" * 64])
def test_a_file_that_holds_no_key_is_refused(home, content):
    home.app("add", "mail")
    (home.state / "apps" / "mail.key").write_text(content)
    assert "mail.key" in refused_start(home)


def test_two_applications_with_one_key_and_strange_files_are_refused(home):
    home.app("add", "a")
    apps = home.state / "apps"
    (apps / "b.key").write_text(home.key("a"))
    (apps / "b.key").chmod(0o600)
    assert "the same key as that of" in refused_start(home)
    (apps / "b.key").unlink()
    (apps / "notes.txt").write_text("no key's file is nobody's business")
    (apps / "c.key").mkdir()
    assert "c.key" in refused_start(home)
    (apps / "c.key").rmdir()
    os.mkfifo(apps / "p.key", 0o600)
    assert "p.key" in refused_start(home)
    (apps / "p.key").unlink()
    (apps / "Bad Name.key").write_text("x")
    assert "Bad Name" in refused_start(home)
    (apps / "Bad Name.key").unlink()
    with running(home):
        pass


def test_an_application_with_the_owners_key_would_be_the_owner_and_is_refused(home):
    with running(home) as d:
        copy = home.state / "apps" / "copy.key"
        copy.write_text(home.owner)
        copy.chmod(0o600)
        assert "the same key as that of copy" in (said := reload(d)) and "warning" in said
    assert "owner.key" in refused_start(home)


def test_a_reload_adds_and_removes_applications(home):
    with running(home) as d:
        key = home.app("add", "mail").stdout.strip()
        assert d.post(CHAT, headers=bearer(key))[0] == 401
        assert "read anew" in reload(d)
        assert d.post(CHAT, headers=bearer(key))[0] == 200
        with d.connect() as s:  # an answer that is under way ends as it began
            body = json.dumps({"messages": [{"role": "user", "content": "word " * 100}], "stream": True})
            s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                       f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
            s.recv(1)
            home.app("remove", "mail")
            reload(d)
            assert d.post(CHAT, headers=bearer(key))[0] == 401
            text = b""
            while b"[DONE]" not in text:
                piece = s.recv(65536)
                assert piece
                text += piece
        deadline = time.monotonic() + 5
        while not re.search(r"status=200 .*app=mail .*note=streamed", d.text()):
            assert time.monotonic() < deadline, d.text()
            time.sleep(0.02)


def test_a_key_that_is_removed_while_its_request_comes_is_not_taken(home):
    with running(home) as d:
        key = home.app("add", "mail").stdout.strip()
        reload(d)
        body = json.dumps(CHAT)
        with d.connect() as s:
            s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                       f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body[:5]}").encode())
            time.sleep(0.1)
            home.app("remove", "mail")
            reload(d)
            s.sendall(body[5:].encode())
            assert read_response(s)[0] == 401


def test_a_new_owners_key_ends_the_sessions_of_the_old_one(home):
    with running(home) as d:
        old = bearer(home.owner)
        link = d.post({}, "/v1/owner/link", old)[2]["link"]
        session = bearer(d.post({"link": link}, "/v1/owner/session")[2]["session"])
        assert "read anew" in reload(d) and d.get("/v1/consents", session)[0] == 200  # the same key: they live on
        (home.state / "owner.key").unlink()
        assert "read anew" in reload(d)
        assert d.get("/v1/consents", old)[0] == 401 and d.get("/v1/consents", session)[0] == 401
        assert d.get("/v1/consents", bearer(home.owner))[0] == 200


# ---- names of hosts ----

def ask(d, host, origin=None, path="/v1/models", context=None, address=None):
    s = socket.create_connection((address or d.host, d.port), timeout=10)
    with context.wrap_socket(s, server_hostname="localhost") if context else s as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n".encode()
                  + (f"Origin: {origin}\r\n".encode() if origin else b"") + b"Connection: close\r\n\r\n")
        return read_response(s)[0]


def test_given_hosts_are_names_of_ours_and_others_are_not(home):
    with running(home, "hosts=phone.lan box.lan:9000") as d:
        own = f"phone.lan:{d.port}"
        for host, status in (("phone.lan", 200), (own, 200), ("PHONE.lan", 200), ("phone.lan:1", 421),
                             ("phone.lan.", 421), ("xphone.lan", 421), ("phone.lanx", 421), ("phone", 421),
                             ("box.lan:9000", 200), ("box.lan", 421), (f"box.lan:{d.port}", 421), ("localhost", 200),
                             ("evil.example", 421), ("phone.lan box.lan:9000", 421)):
            assert ask(d, host) == status, host
        for origin, status in ((f"http://{own}", 200), ("http://phone.lan", 403), ("http://box.lan:9000", 200),
                               (f"https://{own}", 403), ("http://evil.example", 403), ("null", 403)):
            assert ask(d, "phone.lan", origin) == status, origin


@pytest.mark.parametrize("host", ["Phone.lan", "a/b", "http://x", "x:", "x:y", "x:123456", ":80", "x" * 254, "[::1]"])
def test_hosts_that_are_none_are_refused(home, host):
    assert "is no name of a host" in refused_start(home, f"hosts={host}")


@pytest.mark.parametrize("host, says", [("*", "for all names"), ("0.0.0.0", "no address of one machine"),
                                        ("0.0.0.0:8420", "no address of one machine"), ("::", "no name of a host")])
def test_hosts_that_could_never_match_are_refused(home, host, says):
    assert says in refused_start(home, f"hosts={host}")


# ---- outside loopback ----

def own_address():
    """An address of this machine that is not loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            found = s.getsockname()[0]
        except OSError:
            return None
    return None if found.startswith("127.") else found


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.7:0"])
def test_outside_loopback_needs_tls_or_its_proxy(home, listen):
    said = refused_start(home, listen=listen)
    assert "--tls-cert" in said and "--behind-tls-proxy" in said


def start_outside(home, pair, *settings):
    argv = [FAKE, "0.0.0.0:0", f"state={home.state}", *pair.settings(), *settings]
    log = open(home.folder / "log", "w")
    process = subprocess.Popen([str(a) for a in argv], stderr=log)
    deadline = time.monotonic() + 20
    while not (found := re.search(r"https://0\.0\.0\.0:(\d+), keys are required", (home.folder / "log").read_text())):
        assert time.monotonic() < deadline and process.poll() is None, (home.folder / "log").read_text()
        time.sleep(0.02)
    return process, int(found[1])


def test_outside_loopback_over_tls_keys_are_required(home):
    address = own_address()
    if not address:
        pytest.skip("this machine has no address but loopback")
    pair = tls_fixtures.Pair(home.folder, names=("localhost", address))
    process, port = start_outside(home, pair, "hosts=phone.lan")
    try:
        def get(path, key=None, host="phone.lan", origin=None):
            with pair.client().wrap_socket(socket.create_connection((address, port)), server_hostname=address) as s:
                s.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
                           + (f"Authorization: Bearer {key}\r\n" if key else "")
                           + (f"Origin: {origin}\r\n" if origin else "") + "\r\n").encode())
                return read_response(s)
        key = home.key("default")
        assert get("/v1/models")[0] == 401 and get("/v1/models", key)[0] in (200, 503)
        assert get("/metrics")[0] == 401 and get("/metrics", key)[0] == 200
        assert set(json.loads(get("/healthz")[2])) == {"state"}
        assert get("/v1/models", key, host=f"{address}:{port}")[0] == 421  # 0.0.0.0 is no name: --host says which
        assert get("/v1/models", key, host=f"0.0.0.0:{port}")[0] == 421
        assert get("/v1/device", key, origin=f"https://phone.lan:{port}")[0] == 200
        assert get("/v1/device", key, origin=f"http://phone.lan:{port}")[0] == 403
        with socket.create_connection((address, port)) as s:  # no HTTP in the clear
            with contextlib.suppress(ConnectionResetError):
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: phone.lan\r\n\r\n")
                assert b"HTTP/" not in s.recv(1000)
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_behind_a_proxy_only_the_proxy_is_answered_and_keys_are_required(home):
    with running(home, "behind_tls_proxy=127.0.0.1", "hosts=phone.example") as d:
        key = home.key("default")

        def get(origin=None, key=None):
            with d.connect() as s:
                s.sendall(("GET /v1/device HTTP/1.1\r\nHost: phone.example\r\nConnection: close\r\n"
                           + (f"Authorization: Bearer {key}\r\n" if key else "")
                           + (f"Origin: {origin}\r\n" if origin else "") + "\r\n").encode())
                return read_response(s)[0]
        assert get() == 401 and get(key=key) == 200
        assert get("https://phone.example", key) == 200 and get("http://phone.example", key) == 403
        assert json.loads(d.get("/healthz")[2]) == {"state": "ready"}
        with socket.socket() as s:  # another address of this machine
            s.bind(("127.0.0.2", 0))
            s.settimeout(5)
            s.connect((d.host, d.port))
            with contextlib.suppress(OSError):
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                assert s.recv(100) == b""
            except ConnectionResetError:
                pass
        metrics = d.get("/metrics", bearer(key))[2]
        assert "tandem_connections_turned_away_total 1" in metrics


@pytest.mark.parametrize("settings,says", [
    (["behind_tls_proxy=proxy.lan"], "is no numeric address"),
    (["behind_tls_proxy=127.0.0.1:80"], "is no numeric address"),
    (["behind_tls_proxy=127.0.0.1", "tls_cert=a", "tls_key=b"], "give one")])
def test_a_proxy_is_one_numeric_address(home, settings, says):
    assert says in refused_start(home, *settings)
