"""Daemons for the end-to-end tests: the fake one without a model, and tandem serve with real weights.

The programs are found by TANDEM_BUILD (default: build), the weights by TANDEM_MODELS (a folder of GGUF files).
"""
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build"))
FAKE = pathlib.Path(os.environ.get("TANDEM_FAKE_DAEMON", BUILD / "tests/harness/fake_daemon"))
TANDEM = BUILD / "tandem"


# A tls_fixtures.Pair: daemons that are started while it is set speak TLS, and so do those who ask them.
TLS = None


class Daemon:
    """A running daemon: where it is, what it wrote, and small ways to ask it."""

    def __init__(self, argv):
        self.context = TLS.client() if TLS else None
        argv = [*argv, *(TLS.settings() if TLS else [])]
        if argv[0] == TANDEM and "serve" in argv and "--home" not in argv:
            argv += ["--prefix", "off"]  # a test's prompts are nothing to keep in the user's cache
        self.log = tempfile.NamedTemporaryFile(mode="r")
        with open(self.log.name, "a") as out:
            self.process = subprocess.Popen([str(a) for a in argv], stdout=out, stderr=out)
        self.host, self.port = "127.0.0.1", 0
        deadline = time.monotonic() + 60
        while not self.port:
            found = re.search(r"listening on https?://127\.0\.0\.1:(\d+)", self.text())
            if found:
                self.port = int(found[1])
            elif self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the daemon did not start: " + self.text())
            else:
                time.sleep(0.02)
        self.url = f"http{'s' if self.context else ''}://127.0.0.1:{self.port}"

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def get(self, path, headers=None):
        """(status, headers, body) of a GET."""
        return self.ask(urllib.request.Request(self.url + path, headers=headers or {}))

    def post(self, body, path="/v1/chat/completions", headers=None):
        """(status, headers, parsed body); body is sent as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data,
                                         headers={"Content-Type": "application/json", **(headers or {})})
        status, got, text = self.ask(request)
        return status, got, json.loads(text)

    def ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=120, context=self.context) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, refusal.read().decode()

    def health(self):
        return json.loads(self.get("/healthz")[2])

    def wait_ready(self, seconds=120):
        return self.wait_state("ready", seconds)

    def wait_state(self, state, seconds):
        return self.wait_health("state", state, seconds)

    def wait_health(self, name, value, seconds=10):
        """Until /healthz says so; fails after the given seconds."""
        deadline = time.monotonic() + seconds
        while self.health()[name] != value:
            assert time.monotonic() < deadline and self.process.poll() is None, self.text()
            time.sleep(0.005)
        return self

    def wait_idle(self, seconds):
        """Seconds until nothing runs or waits; fails after the given ones."""
        begin = time.monotonic()
        while True:
            health = self.health()
            if health["running"] == 0 and health["queued"] == 0:
                return time.monotonic() - begin
            assert time.monotonic() - begin < seconds, health
            time.sleep(0.005)

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[2], re.M)
        return float(found[1]) if found else 0.0

    def connect(self, timeout=10, receive_bytes=None):
        s = socket.socket()
        s.settimeout(timeout)
        if receive_bytes:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        s.connect((self.host, self.port))
        return self.context.wrap_socket(s, server_hostname=self.host) if self.context else s

    def stop(self):
        """Ends it; gives the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.log.close()


@contextlib.contextmanager
def fake_daemon(*settings):
    """The daemon over the fake service; settings such as "slots=1"."""
    daemon = Daemon([FAKE, "127.0.0.1:0", *settings])
    try:
        yield daemon.wait_ready()
    finally:
        assert daemon.process.poll() is None, "the daemon ended by itself"
        assert daemon.stop() == 0


def weights(name):
    """The path of a model file, or None."""
    folder = os.environ.get("TANDEM_MODELS")
    if not folder:
        return None
    found = sorted(pathlib.Path(folder).glob(name + "*.gguf"))
    return found[0] if found else None


def read_response(sock, want_body=True):
    """(status, headers as lower-case dict, body bytes) of one answer from a raw socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None, {}, data
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    length = int(headers.get("content-length", 0)) if want_body else 0
    while len(body) < length:
        piece = sock.recv(65536)
        if not piece:
            break
        body += piece
    return int(lines[0].split()[1]), headers, body
