"""The whole demonstration on ports of its own: authority, desk, stand-ins, two phones. What ./dev run starts."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from api_fixtures import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]


def call(url, body=None, key=None, headers=None, timeout=120):
    """(status, headers, text) of a GET, or of a POST of JSON."""
    head = {"Content-Type": "application/json"} if body is not None else {}
    if key:
        head["Authorization"] = "Bearer " + key
    head.update(headers or {})
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, head), timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read().decode()


def events(text):
    """[(name, data)] of a stream of server-sent events."""
    found = []
    for block in text.split("\n\n"):
        name, data = None, []
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
        if data:
            found.append((name, json.loads("\n".join(data))))
    return found


class Answer:
    """One stream of POST /v1/assistant, read to its end."""

    def __init__(self, status, headers, text):
        self.status, self.headers, self.raw = status, headers, text
        self.events = events(text) if status == 200 else []

    def all(self, name):
        return [data for n, data in self.events if n == name]

    def one(self, name):
        found = self.all(name)
        assert len(found) == 1, (name, self.raw)
        return found[0]

    @property
    def text(self):
        return "".join(t["text"] for t in self.all("text"))

    @property
    def done(self):
        assert self.events and self.events[-1][0] == "done", self.raw
        return self.events[-1][1]


class Phone:
    def __init__(self, demo, name):
        self.demo, self.name = demo, name
        self.home = demo.run / "phones" / name

    @property
    def url(self):
        return (self.home / "url").read_text().strip()

    @property
    def key(self):
        return (self.home / "state" / "owner.key").read_text().strip()

    def get(self, path, key=None):
        status, _, text = call(self.url + path, key=key)
        assert status == 200, text
        return json.loads(text)

    def post(self, path, body, key=None, headers=None):
        status, _, text = call(self.url + path, body, key, headers)
        return status, json.loads(text)

    def ask(self, text, headers=None, **more):
        body = {"messages": [{"role": "user", "content": text}], "max_tokens": 24, **more}
        return Answer(*call(self.url + "/v1/assistant", body, headers=headers))

    def answer(self, offer, consent, **more):
        return Answer(*call(self.url + "/v1/assistant", {"offer": offer["id"], "consent": consent, **more}, self.key))

    def feature(self, name="assistant"):
        return self.get("/v1/features")[name]

    def take_policy(self):
        """What the stage's page does after a change at the desk."""
        bundle = self.demo.desk_text("/desk/bundle").encode()
        status, _, text = call(self.url + "/v1/policy", bundle, self.key)
        assert status == 200, text

    def take_case(self, case):
        status, _, text = call(self.url + "/v1/filings", json.dumps(case).encode(), self.key)
        assert status == 200, text


def free_ports(port):
    """The first stage's port from here on whose phones' and stand-ins' ports are free too."""
    while True:
        try:
            for offset in (0, 20, 30, *range(701, 706)):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", port + offset))
            return port
        except OSError:
            port += 50
            assert port < 60000


class Demo:
    def __init__(self, folder, port, **env):
        port = free_ports(port)
        self.run = pathlib.Path(folder)
        self.port = port
        environment = dict(os.environ, TANDEM_RUN_DIR=str(self.run), TANDEM_PROGRAM=str(BUILD / "tandem"),
                           TANDEM_DEMO_PORT=str(port), **env)
        self.environment = environment
        self.log = open(self.run / "supervisor.log", "w", encoding="utf-8")
        self.process = subprocess.Popen([ROOT / "dev", "supervise"], cwd=ROOT, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        (self.run / "pid").write_text(f"{self.process.pid}\n")
        self.left, self.right = Phone(self, "left"), Phone(self, "right")

    def text(self):
        parts = [self.run / "supervisor.log", self.run / "log"]
        return "\n".join(p.read_text(errors="replace") for p in parts if p.exists())

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except (OSError, ValueError, AssertionError):
                pass
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, f"{what}\n{self.text()}"
            time.sleep(0.1)

    def phone_is(self, name, sold_in):
        note = json.loads((self.run / "authority" / "phones" / f"{name}.json").read_text())
        return note["state"] == "up" and note["sold_in"] == sold_in

    def wait_ready(self):
        self.wait(lambda: self.phone_is("left", "CN") and self.phone_is("right", "US"), 60, "the phones are not up")
        for phone in (self.left, self.right):
            self.wait(lambda p=phone: call(p.url + "/healthz")[0] == 200, 300, "the model is not ready")
        self.wait(lambda: call(self.emulator("openai") + "/v1/models")[0] == 200, 120, "the stand-ins are not ready")
        return self

    def emulator(self, partner):
        return json.loads((self.run / "authority" / "emulators" / f"{partner}.json").read_text())["url"]

    @property
    def desk_key(self):
        return (self.run / "authority" / "desk.key").read_text().strip()

    def desk_text(self, path, body=None):
        status, _, text = call(f"http://127.0.0.1:{self.port}{path}", body, self.desk_key)
        assert status == 200, text
        return text

    def desk(self, path, body=None):
        return json.loads(self.desk_text(path, body))

    def seen_by(self, partner):
        """The stand-in's log of requests."""
        path = self.run / "emulators.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [r for r in map(json.loads, lines)
                if r["partner"] == partner and r.get("path", "").endswith("completions")]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.log.close()
