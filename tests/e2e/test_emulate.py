"""Partners' stand-ins: the official OpenAI SDK against them, their marks, their log, and each fault as tandem sees it.

TANDEM_MODELS names the folder with SmolLM2's GGUF file.
"""

import contextlib
import fcntl
import hashlib
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from api_fixtures import TANDEM, weights
from partner_fixtures import POST_ONCE, post, profile

openai = pytest.importorskip("openai")

SMOL = weights("smollm2-135m")
if not TANDEM.exists() or not POST_ONCE.exists():
    pytest.skip(f"{TANDEM} or {POST_ONCE} is not built", allow_module_level=True)
if not SMOL:
    pytest.skip("no SmolLM2 weights: TANDEM_MODELS does not name their folder", allow_module_level=True)

PARTNERS = ["alibaba", "openai", "baidu", "deepseek", "tencent", "bytedance", "minimax", "zhipu"]
PATHS = {"alibaba": "/compatible-mode/v1/chat/completions", "baidu": "/v2/chat/completions",
         "bytedance": "/api/v3/chat/completions", "zhipu": "/api/paas/v4/chat/completions",
         "deepseek": "/chat/completions"}
QUESTION = "A question of 7 words for partners."


class Emulator:
    def __init__(self, folder, *more):
        self.log = folder / "requests.jsonl"
        self.err = folder / "stderr"
        self.faults = folder / "faults"
        self.faults.mkdir()
        with open(self.err, "w") as err:
            self.process = subprocess.Popen(
                [TANDEM, "emulate", *(p + "@0" for p in PARTNERS), "-m", SMOL, "-c", "1024", "--home", folder / "home",
                 "--log", self.log, "--faults", self.faults, *more], stderr=err, stdout=err)
        deadline = time.monotonic() + 60
        while True:
            found = re.findall(r"^tandem: emulating (\w+) on http://127\.0\.0\.1:(\d+)$", self.err.read_text(), re.M)
            self.ports = {name: int(port) for name, port in found}
            if len(self.ports) == len(PARTNERS):
                break
            assert self.process.poll() is None and time.monotonic() < deadline, self.err.read_text()
            time.sleep(0.02)

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while "ready:" not in self.err.read_text():
            assert self.process.poll() is None and time.monotonic() < deadline, self.err.read_text()
            time.sleep(0.02)
        return self

    def url(self, partner, path=""):
        return f"http://127.0.0.1:{self.ports[partner]}{path}"

    def ask(self, partner, path="/v1/chat/completions", body=None, **headers):
        """(status, headers, text)"""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url(partner, path), data, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers, refusal.read().decode()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @contextlib.contextmanager
    def fault(self, partner, name):
        assert self.ask(partner, "/emulate/fault", {"partner": partner, "fault": name})[0] == 200
        try:
            yield
        finally:
            assert self.ask(partner, "/emulate/fault", {"partner": partner, "fault": "none"})[0] == 200

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    e = Emulator(tmp_path_factory.mktemp("emulate"))
    yield e.wait_ready()
    assert e.stop() == 0, e.err.read_text()


def client(emulator, partner, base="/v1"):
    return openai.OpenAI(base_url=emulator.url(partner, base), api_key="none", max_retries=0, timeout=60)


def create(c, **more):
    return c.chat.completions.create(model="qwen-max", messages=[{"role": "user", "content": QUESTION}], max_tokens=12,
                                     **more)


# ---- somebody else's client ----


def test_the_openai_sdk_gets_an_answer(emulator):
    answer = create(client(emulator, "alibaba"))
    text = answer.choices[0].message.content
    assert text.startswith("[EMULATED Alibaba] ") and len(text) > len("[EMULATED Alibaba] ") + 5
    assert answer.choices[0].finish_reason in ("stop", "length") and answer.model == "qwen-max"
    assert answer.usage.completion_tokens <= 12 and answer.model_extra["tandem_emulated"] is True


@pytest.mark.parametrize("partner,base", [("openai", "/v1"), ("alibaba", "/compatible-mode/v1"), ("baidu", "/v2"),
                                          ("bytedance", "/api/v3"), ("zhipu", "/api/paas/v4"), ("deepseek", "")])
def test_the_openai_sdk_streams_by_each_vendors_own_path(emulator, partner, base):
    text, finish, usage = "", None, None
    for chunk in create(client(emulator, partner, base), stream=True, stream_options={"include_usage": True}):
        assert chunk.model_extra["tandem_emulated"] is True
        usage = chunk.usage or usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
    assert re.match(r"\[EMULATED \w+\] ..", text) and finish in ("stop", "length") and usage.prompt_tokens > 5


def test_the_openai_sdk_lists_models_and_reads_lists_of_parts(emulator):
    assert [m.owned_by for m in client(emulator, "zhipu").models.list()] == ["EMULATED zhipu"]
    answer = client(emulator, "zhipu").chat.completions.create(
        model="glm", max_tokens=4, messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}])
    assert answer.choices[0].message.content.startswith("[EMULATED Zhipu] ")


@pytest.mark.parametrize("fault,kind", [("rate", "RateLimitError"), ("filter", "BadRequestError"),
                                        ("territory", "PermissionDeniedError"), ("server", "InternalServerError"),
                                        ("down", "APIConnectionError")])
def test_the_openai_sdk_raises_what_it_raises_at_the_vendor(emulator, fault, kind):
    with emulator.fault("openai", fault), pytest.raises(getattr(openai, kind)):
        create(client(emulator, "openai"))


# ---- marks ----


def test_every_answer_says_emulated(emulator):
    bodies = [("/v1/chat/completions", {"model": "m", "max_tokens": 2, "messages": [{"role": "user", "content": "a"}]}),
              ("/v1/chat/completions", {"model": "m"}), ("/v1/chat/completions", {"model": 7, "messages": "x"}),
              ("/nowhere", {}), ("/emulate/fault", {}), ("/v1/models", None), ("/emulate/state", None), ("/", None)]
    for path, body in bodies:
        status, headers, text = emulator.ask("tencent", path, body)
        assert headers["x-tandem-emulated"] == "true", path
        assert "EMULATED PARTNER" in text if path == "/" else json.loads(text)["tandem_emulated"] is True, path
    for fault in ("rate", "quota", "filter", "territory", "server", "html"):
        for partner in PARTNERS:
            with emulator.fault(partner, fault):
                status, headers, text = emulator.ask(partner, body={"model": "m"})
                assert headers["x-tandem-emulated"] == "true" and "EMULATED" in text


def test_the_page_counts_requests_and_has_no_script(emulator):
    before = int(re.search(r'id="requests">(\d+)<', emulator.ask("minimax", "/")[2])[1])
    emulator.ask("minimax", body={"model": "m"})
    status, headers, page = emulator.ask("minimax", "/")
    assert int(re.search(r'id="requests">(\d+)<', page)[1]) == before + 1
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "<script" not in page


# ---- the log ----


def test_the_log_proves_who_was_asked_and_has_no_text(emulator):
    n = len(emulator.lines())
    asked = {p: emulator.ask(p, body={"model": "m", "max_tokens": 2,
                                      "messages": [{"role": "user", "content": f"secret of {p}"}]})
             for p in ("baidu", "tencent")}
    emulator.ask("baidu", "/")
    emulator.ask("baidu", "/emulate/state")
    assert all(a[0] == 200 for a in asked.values())
    new = emulator.lines()[n:]
    assert [(line["partner"], line["status"], line["path"]) for line in new] == [
        (p, 200, "/v1/chat/completions") for p in ("baidu", "tencent")]
    assert all(set(line) == {"at", "partner", "path", "bytes", "sha256", "status"} for line in new)
    body = json.dumps({"model": "m", "max_tokens": 2,
                       "messages": [{"role": "user", "content": "secret of baidu"}]}).encode()
    assert (new[0]["bytes"], new[0]["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert "secret" not in emulator.log.read_text() + emulator.err.read_text()


# ---- faults, as tandem's own client sees them ----


def call(emulator, partner, **timeouts):
    p = profile(emulator.ports[partner], partner=partner, endpoint={"path": PATHS.get(partner, "/v1/chat/completions")},
                emulated=True)
    p["timeouts"].update({"first_byte_ms": 20000, "idle_ms": 20000, **timeouts})
    return post(p, max_tokens=8)


@pytest.mark.parametrize("partner", PARTNERS)
def test_tandem_gets_a_marked_answer_of_every_stand_in(emulator, partner):
    r = call(emulator, partner)
    assert r.status == "OK" and r.emulated and r.text.startswith("[EMULATED ") and r.tokens_out > 0, r.sentence


@pytest.mark.parametrize("fault,seen", [
    ("down", "unreachable"), ("html", "not_api"), ("cut", "cut"), ("rate", "rate"), ("quota", "quota"),
    ("filter", "refused"), ("territory", "territory"), ("server", "server"), ("giant_event", "too_long")])
def test_each_fault_is_what_it_is_called(emulator, fault, seen):
    n = len(emulator.lines())
    for partner in ("alibaba", "openai"):
        with emulator.fault(partner, fault):
            r = call(emulator, partner)
            assert (r.fault, r.status == "OK") == (seen, False), r.sentence
        assert call(emulator, partner).status == "OK"
    assert len(emulator.lines()) == n + 4


def test_a_cut_comes_after_text_and_slow_comes_late(emulator):
    with emulator.fault("alibaba", "cut"):
        assert call(emulator, "alibaba").text.startswith("[EMULATED Alibaba]")
    with emulator.fault("alibaba", "slow"):
        assert call(emulator, "alibaba", first_byte_ms=500).fault == "timeout"
        r = call(emulator, "alibaba")
        assert r.status == "OK" and r.ms >= 3000
    with emulator.fault("alibaba", "hang"):
        assert call(emulator, "alibaba", first_byte_ms=500).fault == "timeout"


def test_split_characters_come_whole(emulator):
    with emulator.fault("zhipu", "split_utf8"):
        r = call(emulator, "zhipu")
    assert r.status == "OK" and r.text.startswith("[EMULATED Zhipu] é 你好 😀 ")


def test_a_note_in_the_folder_of_faults_is_a_fault(emulator):
    note = emulator.faults / "baidu.fault"
    note.write_text("rate\n")
    assert call(emulator, "baidu").fault == "rate" and call(emulator, "alibaba").status == "OK"
    note.write_text("no such fault\n")
    assert call(emulator, "baidu").fault == "rate"
    note.write_text("none\n")
    assert call(emulator, "baidu").status == "OK"
    note.unlink()


def test_a_fault_of_one_partner_is_none_of_the_others(emulator):
    with emulator.fault("alibaba", "down"):
        assert call(emulator, "baidu").status == "OK"
        state = {p["partner"]: p["fault"] for p in json.loads(emulator.ask("openai", "/emulate/state")[2])["partners"]}
    assert state["alibaba"] == "down" and set(state.values()) == {"none", "down"}


# ---- who may ask ----


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"},
                                     {"Host": "127.0.0.1:1"}])
def test_web_pages_of_others_reach_nothing(emulator, headers):
    for path in ("/v1/chat/completions", "/emulate/fault"):
        assert emulator.ask("openai", path, {"partner": "openai", "fault": "down"}, **headers)[0] == 403
    own = emulator.url("openai")
    assert emulator.ask("openai", "/emulate/fault", {"partner": "openai", "fault": "none"}, Origin=own)[0] == 200
    assert emulator.ask("openai", "/emulate/fault", {"partner": "openai", "fault": "none"},
                        **{"Content-Type": "text/plain"})[0] == 415


@pytest.mark.parametrize("body,status", [({"partner": "vivo", "fault": "down"}, 404), ({"partner": "openai"}, 400),
                                         ({"partner": "openai", "fault": "fire"}, 400), ([], 400)])
def test_a_wrong_wish_for_a_fault_is_refused(emulator, body, status):
    assert emulator.ask("openai", "/emulate/fault", body)[0] == status


# ---- the command ----


def test_the_page_is_up_and_chats_are_told_so_while_the_model_is_not_there(tandem):
    partial = tandem.models / ".partial-smollm2-135m-instruct-q4_1"
    partial.mkdir(parents=True)
    with open(partial / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as if another process fetched it: nothing is fetched here
        p = tandem.start("emulate", "alibaba@0", "-m", "smollm2")
        try:
            url = re.search(r"http://\S+", p.stderr.readline())[0]
            with urllib.request.urlopen(url, timeout=10) as page:
                assert b"EMULATED PARTNER" in page.read()
            question = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
            request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(question).encode(),
                                             {"Content-Type": "application/json"})
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(request, timeout=10)
            assert refusal.value.code == 503 and refusal.value.headers["Retry-After"]
            assert json.loads(refusal.value.read())["error"]["code"] == "model_loading"
        finally:
            p.terminate()
            assert p.wait(20) == 0


@pytest.mark.parametrize("args", [(), ("nosuch",), ("alibaba@x",), ("alibaba@99999",), ("alibaba", "--fault", "fire"),
                                  ("alibaba@0", "alibaba@0")])
def test_wrong_calls_are_usage_errors(tandem, args):
    code, out, err = tandem.run("emulate", *args, "-m", SMOL)
    assert (code, out) == (2, "") and err.count("\n") == 1


def test_a_port_in_use_is_an_error(tandem, emulator):
    code, _, err = tandem.run("emulate", f"alibaba@{emulator.ports['openai']}", "-m", SMOL)
    assert code == 1 and str(emulator.ports["openai"]) in err


def test_a_stop_in_the_middle_of_answers_is_clean(tmp_path):
    e = Emulator(tmp_path).wait_ready()
    messages = [{"role": "user", "content": "Tell a long story."}]
    question = json.dumps({"model": "m", "stream": True, "messages": messages})
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
    streams = []
    for partner in PARTNERS[:6]:  # more than there are slots: some still wait
        port = e.ports[partner]
        conn = socket.create_connection(("127.0.0.1", port))
        conn.sendall((head % port + f"Content-Length: {len(question)}\r\n\r\n{question}").encode())
        streams.append(conn)
    assert b"200 OK" in streams[0].recv(4096)
    streams[1].close()  # and one has left
    begin = time.monotonic()
    assert e.stop() == 0, e.err.read_text()
    assert time.monotonic() - begin < 5 and len(e.lines()) == 6
    for conn in streams:
        conn.close()
