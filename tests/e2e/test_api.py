"""The daemon's HTTP surface over a service without a model: limits, refusals, leaving clients, stopping."""
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from api_fixtures import FAKE, TANDEM, Daemon, fake_daemon, read_response

if not FAKE.exists():
    pytest.skip(f"{FAKE} is not built", allow_module_level=True)


def chat(text, **more):
    return {"model": "fake-echo-1", "messages": [{"role": "user", "content": text}], **more}


def raw_chat(daemon, body, extra=""):
    """The bytes of a chat request."""
    data = json.dumps(body).encode()
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\n{extra}"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data


@pytest.fixture(scope="module")
def daemon():
    with fake_daemon("slots=2", "queue=2", "word_ms=5") as d:
        yield d


@pytest.fixture(autouse=True)
def still_serves(request):
    """After every test the daemon answers the next request."""
    yield
    if "daemon" in request.fixturenames:
        d = request.getfixturevalue("daemon")
        d.wait_idle(5)
        status, _, body = d.post(chat("still here"))
        assert status == 200 and body["choices"][0]["message"]["content"] == "still here"


# ---- bodies ----

def refused(daemon, body, status=400, param=None, code=None, says=None):
    got, headers, answer = daemon.post(body)
    assert got == status, answer
    error = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert headers["Content-Type"] == "application/json"
    if param:
        assert error["param"] == param, error
    if code:
        assert error["code"] == code, error
    if says:
        assert says in error["message"], error
    return error


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"{'a':1}", b'{"messages":NaN}', b'{"messages":[]} x', b"\xff\xfe",
    b'{"messages":[{"role":"user","content":"\\ud800"}]}', b'{"messages":[{"role":"user","content":"a\\u0000b"}]}',
    b'{"messages":[{"role":"user","content":"a"}],"messages":[]}',
    b'{"messages":[{"role":"user","role":"user","content":"a"}]}',
    b'{"temperature":1e999,"messages":[]}', b'{"seed":99999999999999999999,"messages":[]}',
    b'{"messages":' + b"[" * 65 + b"]" * 65 + b"}", b"[" * 100000, b'{"a":' * 50000])
def test_json_that_is_no_json_is_a_400(daemon, body):
    refused(daemon, body, code="invalid_json")


def test_a_body_over_the_limit_is_a_413(daemon):
    with daemon.connect() as s:
        s.sendall(raw_chat(daemon, {})[:-2].replace(b"Length: 2", b"Length: 1048577"))
        assert read_response(s)[0] == 413
    with daemon.connect() as s:
        s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{daemon.port}\r\nContent-Type: "
                  "application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises((ConnectionError, StopIteration)):
            for _ in range(64):
                s.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            raise StopIteration
        status, _, body = read_response(s)
        assert status == 413 and json.loads(body)["error"]["code"] == "bad_request"


@pytest.mark.parametrize("more,param,code", [
    ({"tools": [{"type": "function"}]}, "tools", "not_built"), ({"tool_choice": "auto"}, "tool_choice", "not_built"),
    ({"response_format": {"type": "json_object"}}, "response_format", "not_built"), ({"n": 9}, "n", None),
    ({"logit_bias": {"5": 1}}, "logit_bias", "not_built"), ({"store": True}, "store", "not_built"),
    ({"audio": {"voice": "x"}}, "audio", "not_built"), ({"modalities": ["text", "audio"]}, "modalities", "not_built"),
    ({"functions": [{}]}, "functions", "not_built"), ({"metadata": {"a": "b"}}, "metadata", "not_built"),
    ({"reasoning_effort": "high"}, "reasoning_effort", "not_built"),
    ({"prediction": {"type": "content"}}, "prediction", None), ({"prediction": "x"}, "prediction", None),
    ({"prediction": {"type": "text", "content": "x"}}, "prediction", None),
    ({"moderation": {"a": 1}}, "moderation", "not_built"),
    ({"service_tier": "flex"}, "service_tier", "not_built"),
    ({"web_search_options": {"a": 1}}, "web_search_options", None),
    ({"temprature": 1}, "temprature", "unknown_field"), ({"foo": None}, "foo", "unknown_field"),
    ({"temperature": 2.1}, "temperature", None), ({"temperature": "1"}, "temperature", None),
    ({"temperature": -0.1}, "temperature", None), ({"temperature": True}, "temperature", None),
    ({"top_p": 1.5}, "top_p", None), ({"presence_penalty": -3}, "presence_penalty", None),
    ({"frequency_penalty": 2.5}, "frequency_penalty", None), ({"min_p": 1}, "min_p", None),
    ({"repeat_penalty": 0}, "repeat_penalty", None),
    ({"repeat_penalty": 1e-38}, "repeat_penalty", None), ({"top_k": -1}, "top_k", None),
    ({"max_tokens": 0}, "max_tokens", None), ({"max_tokens": -1}, "max_tokens", None),
    ({"max_tokens": 1.5}, "max_tokens", None), ({"max_completion_tokens": 0}, "max_completion_tokens", None),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens", None),
    ({"seed": 1.5}, "seed", None), ({"stop": ["a"] * 5}, "stop", None), ({"stop": [1]}, "stop", None),
    ({"stop": ""}, "stop", None), ({"stop": "x" * 300}, "stop", None), ({"logprobs": 1}, "logprobs", None),
    ({"top_logprobs": 3}, "top_logprobs", None), ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", None),
    ({"stream": "yes"}, "stream", None), ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ({"stream": True, "stream_options": {"x": 1}}, "stream_options", "unknown_field"),
    ({"user": 5}, "user", None), ({"n": "1"}, "n", None), ({"model": 1}, "model", None)])
def test_what_is_not_built_or_wrong_names_its_field(daemon, more, param, code):
    refused(daemon, chat("a", **more), param=param, code=code)


def test_an_unknown_field_gets_the_nearest_known_name(daemon):
    refused(daemon, chat("a", max_token=5), param="max_token", says="is max_tokens meant")


@pytest.mark.parametrize("messages,param", [
    (None, "messages"), ([], "messages"), ("hi", "messages"), ([1], "messages[0]"), ([{}], "messages[0].role"),
    ([{"role": "tool", "content": "a", "tool_call_id": "x"}], "messages[0].role"),
    ([{"role": "wizard", "content": "a"}], "messages[0].role"), ([{"role": "user"}], "messages[0].content"),
    ([{"role": "user", "content": None}], "messages[0].content"),
    ([{"role": "user", "content": 5}], "messages[0].content"),
    ([{"role": "user", "content": []}], "messages[0].content"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "messages[0].content[0]"),
    ([{"role": "user", "content": "a", "name": "bob"}], "messages[0].name"),
    ([{"role": "assistant", "content": "a", "tool_calls": [{}]}], "messages[0].tool_calls"),
    ([{"role": "user", "content": "a"}, {"role": "user", "content": "a", "x": 1}], "messages[1].*")])
def test_messages_are_checked_one_by_one(daemon, messages, param):
    refused(daemon, {"messages": messages}, param=param)


def test_neutral_values_pass(daemon):
    status, _, body = daemon.post(chat(
        "fine", tools=None, tool_choice="none", user="u", store=False, logit_bias={}, n=1, service_tier="auto",
        response_format={"type": "text"}, metadata=None, stop=None, seed=None, logprobs=None, top_logprobs=None,
        temperature=None, max_tokens=None, stream=None, stream_options=None, modalities=["text"], functions=[],
        function_call="none", parallel_tool_calls=True, reasoning_effort=None, audio=None, prediction=None,
        presence_penalty=0, frequency_penalty=0, top_p=1, verbosity="medium", top_k=40, min_p=0.1, repeat_penalty=1.1))
    assert status == 200, body
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "fine", "refusal": None}


def test_roles_and_parts(daemon):
    status, _, body = daemon.post({"messages": [
        {"role": "developer", "content": "be kind"},
        {"role": "assistant", "content": "hi", "refusal": None, "annotations": [], "tool_calls": None},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}]})
    assert status == 200 and body["choices"][0]["message"]["content"] == "one\ntwo"


@pytest.mark.parametrize("name,status", [("fake-echo-1", 200), ("fake-echo", 200), ("fake", 200), ("fak", 404),
                                         ("gpt-4o", 404), ("", 404), ("fake-echo-1-x", 404)])
def test_the_model_must_be_the_loaded_one(daemon, name, status):
    got, _, body = daemon.post({**chat("a"), "model": name})
    assert got == status
    if status == 404:
        assert body["error"]["code"] == "model_not_found" and body["error"]["param"] == "model"


def test_a_prompt_beyond_the_context_is_a_400_with_both_numbers(daemon):
    for stream in (False, True):
        error = refused(daemon, chat("!limit", stream=stream), code="context_length_exceeded")
        assert "5000" in error["message"] and "4096" in error["message"]


# ---- answers ----

def events(text):
    """The data of all events of a stream."""
    return [line[6:] for line in text.split("\n") if line.startswith("data: ")]


def test_a_whole_answer_has_openais_shape(daemon):
    status, headers, body = daemon.post(chat("one two three", max_tokens=2, logprobs=True, top_logprobs=2))
    assert status == 200 and body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-")
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["choices"][0]["message"]["content"] == "one two "
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    assert headers["x-tandem-decision"] == body["tandem"]["decision"] and len(body["tandem"]["decision"]) == 32
    tokens = body["choices"][0]["logprobs"]["content"]
    assert len(tokens) == 2 and tokens[0]["bytes"] == list(b"word")
    assert tokens[0]["top_logprobs"][1]["bytes"] == [0xE4, 0xB8]


@pytest.mark.parametrize("usage", [False, True])
def test_a_stream_has_openais_shape(daemon, usage):
    status, headers, text = daemon.ask(urllib.request.Request(
        daemon.url + "/v1/chat/completions", headers={"Content-Type": "application/json"},
        data=json.dumps(chat("one \"two\"\n three", stream=True, stream_options={"include_usage": usage})).encode()))
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    data = events(text)
    assert data[-1] == "[DONE]"
    chunks = [json.loads(d) for d in data[:-1]]
    assert all(c["object"] == "chat.completion.chunk" and c["id"] == chunks[0]["id"] for c in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    said = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert said == "one \"two\"\n three"
    finish = [c for c in chunks if c["choices"] and c["choices"][0]["finish_reason"]]
    assert len(finish) == 1 and finish[0]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["tandem"]["decision"] == headers["x-tandem-decision"]
    assert [("usage" in c) for c in chunks] == [usage] * len(chunks)
    if usage:
        assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 3


def test_a_failure_before_the_first_text_is_a_plain_error_and_later_an_event(daemon):
    status, headers, body = daemon.post(chat("!broken", stream=True))
    assert status == 500 and body["error"]["type"] == "server_error" and "x-tandem-decision" in headers
    with daemon.connect() as s:
        s.sendall(raw_chat(daemon, chat("!late b c d", stream=True)))
        text = b""
        while piece := s.recv(65536):
            text += piece
    assert b"[DONE]" not in text and text.endswith(b"0\r\n\r\n")
    assert json.loads(events(text.decode())[-1])["error"]["message"] == "the model broke"


def test_rules_that_change_meanwhile_end_an_answer_with_the_reason(daemon):
    status, headers, body = daemon.post(chat("!changed"))
    assert status == 503 and headers["Retry-After"] and "has changed" in body["error"]["message"]
    assert (body["error"]["code"], body["error"]["reason"]) == ("rules_changed", "FILING_WITHDRAWN")
    with daemon.connect() as s:
        s.sendall(raw_chat(daemon, chat("!late changed c d", stream=True)))
        text = b""
        while piece := s.recv(65536):
            text += piece
    assert b"[DONE]" not in text and json.loads(events(text.decode())[-1])["error"]["code"] == "rules_changed"


def test_the_assistant_of_a_device_without_a_record_answers_alone(daemon):
    request = urllib.request.Request(
        daemon.url + "/v1/assistant", headers={"Content-Type": "application/json"},
        data=json.dumps({"messages": [{"role": "user", "content": "one two"}]}).encode())
    status, _, text = daemon.ask(request)
    done = json.loads(text.split("event: done\ndata: ")[1].split("\n")[0])
    assert status == 200 and done["state"] == "answered" and done["source"] == "own"


def test_small_endpoints(daemon):
    assert daemon.health()["state"] == "ready"
    models = json.loads(daemon.get("/v1/models")[2])
    assert models["data"][0]["id"] == "fake-echo-1" and models["object"] == "list"
    assert json.loads(daemon.get("/v1/models/fake-echo-1")[2])["object"] == "model"
    assert daemon.get("/v1/models/other")[0] == 404
    status, headers, text = daemon.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    label = r'[a-z_]+="[^"]*"'
    for line in text.splitlines():
        assert re.fullmatch(rf"# (HELP|TYPE) .*|[a-z_]+(\{{{label}(,{label})*\}})? [0-9.e+-]+", line), line


# ---- who may ask ----

@pytest.mark.parametrize("headers,status", [
    ({"Host": "evil.example"}, 421), ({"Host": "127.0.0.1:1"}, 421), ({"Host": "localhost.evil.example"}, 421),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "http://127.0.0.1"}, 403),
    ({"Origin": "http://localhost"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Host": "localhost"}, 200),
    ({"Content-Type": "text/plain"}, 415), ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ({"Content-Encoding": "gzip"}, 415)])
def test_requests_of_other_pages_are_refused(daemon, headers, status):
    got, reply, body = daemon.post(chat("hello"), headers=headers)
    assert got == status
    assert "Access-Control-Allow-Origin" not in reply
    if status != 200:
        assert body["error"]["message"]


def test_our_own_page_may_ask(daemon):
    for name in ("127.0.0.1", "localhost"):
        origin = f"http://{name}:{daemon.port}"
        assert daemon.post(chat("hello"), headers={"Origin": origin})[0] == 200


# ---- HTTP itself ----

def raw(daemon, text, host=True):
    """(status, headers, body) of the bytes; {H} stands for the Host field."""
    with daemon.connect() as s:
        s.sendall(text.replace("{H}", f"Host: 127.0.0.1:{daemon.port}\r\n").encode("latin-1"))
        return read_response(s)


@pytest.mark.parametrize("text,status", [
    ("GET /nothing HTTP/1.1\r\n{H}\r\n", 404), ("GET /v1/chat/completions HTTP/1.1\r\n{H}\r\n", 405),
    ("DELETE /healthz HTTP/1.1\r\n{H}\r\n", 405), ("OPTIONS /v1/chat/completions HTTP/1.1\r\n{H}\r\n", 405),
    ("GET /healthz HTTP/1.1\r\n\r\n", 400), ("GET /healthz HTTP/3.0\r\n{H}\r\n", 505), ("BLAH\r\n\r\n", 400),
    ("POST /v1/chat/completions HTTP/1.1\r\n{H}Content-Type: application/json\r\nContent-Length: 2\r\n"
     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("GET /healthz HTTP/1.1\r\n{H}X: a\r\n b\r\n\r\n", 400), ("GET /" + "a" * 3000 + " HTTP/1.1\r\n{H}\r\n", 414),
    ("GET /healthz HTTP/1.1\r\n{H}" + "X: y\r\n" * 70 + "\r\n", 431),
    ("GET /healthz HTTP/1.1\r\n{H}X: " + "y" * 20000 + "\r\n\r\n", 431), ("GET /healthz HTTP/1.0\r\n{H}\r\n", 200)])
def test_bytes_that_are_refused_get_a_status(daemon, text, status):
    got, headers, body = raw(daemon, text)
    assert got == status
    if status != 200:
        assert json.loads(body)["error"]["message"]
    if status == 405:
        assert headers["allow"]


def test_endless_headers_are_cut(daemon):
    with daemon.connect() as s:
        s.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\n".encode())
        with pytest.raises(OSError):
            for i in range(100000):
                s.sendall(f"X-{i}: {'y' * 100}\r\n".encode())


def test_head_has_no_body_and_the_connection_goes_on(daemon):
    with daemon.connect() as s:
        for _ in range(3):
            s.sendall(f"HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\n\r\n".encode())
            status, headers, body = read_response(s, want_body=False)
            assert status == 200 and int(headers["content-length"]) > 0 and body == b""
        s.sendall(raw_chat(daemon, chat("after head")))
        assert b"after head" in read_response(s)[2]


def test_requests_sent_ahead_are_answered_in_order(daemon):
    with daemon.connect() as s:
        s.sendall(b"".join(raw_chat(daemon, chat(f"number {i}")) for i in range(5)))
        for i in range(5):
            assert f"number {i}".encode() in read_response(s)[2]


def test_expect_100_continue(daemon):
    with daemon.connect() as s:
        request = raw_chat(daemon, chat("big upload"), "Expect: 100-continue\r\n")
        head, body = request.split(b"\r\n\r\n", 1)
        s.sendall(head + b"\r\n\r\n")
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(body)
        assert read_response(s)[0] == 200


def test_a_body_that_never_comes_and_slow_headers_time_out():
    with fake_daemon("head_timeout=300ms", "body_timeout=300ms") as d:
        for text in ("GET / HTTP/1.1\r\nHo", raw_chat(d, chat("x"))[:-5].decode()):
            with d.connect() as s:
                s.sendall(text.encode())
                begin = time.monotonic()
                assert read_response(s)[0] == 408
                assert 0.2 < time.monotonic() - begin < 2
        with d.connect() as s:  # not a byte
            assert s.recv(10) == b""


def test_too_many_connections_are_turned_away_and_then_served():
    with fake_daemon() as d:
        held = [d.connect() for _ in range(256)]
        time.sleep(0.2)
        with d.connect() as s:
            status, headers, body = read_response(s)
            assert int(headers["content-length"]) == len(body)
            assert status == 503 and json.loads(body)["error"]["code"] == "too_many_connections"
        for s in held:
            s.close()
        time.sleep(0.5)
        assert d.post(chat("a"))[0] == 200


# ---- clients that leave, and queues ----

def test_a_client_that_leaves_is_seen_while_it_waits_reads_or_streams():
    with fake_daemon("slots=1", "queue=2", "word_ms=20") as d:
        for text in ("!mute", "word " * 500):
            for stream in (False, True):
                with d.connect() as s:
                    s.sendall(raw_chat(d, chat(text, stream=stream)))
                    d.wait_health("running", 1)
                    time.sleep(0.1)  # let words flow
                assert d.wait_idle(0.2) < 0.2
        with d.connect() as first:
            first.sendall(raw_chat(d, chat("!mute")))
            d.wait_health("running", 1)
            with d.connect() as queued:
                queued.sendall(raw_chat(d, chat("!mute")))
                d.wait_health("queued", 1)
            d.wait_health("queued", 0, 0.2)
        d.wait_idle(1)
        assert d.metric("tandem_clients_gone_total") == 6


def test_a_full_queue_is_a_429_with_retry_after():
    with fake_daemon("slots=1", "queue=1") as d:
        held = [d.connect(), d.connect()]
        for s in held:
            s.sendall(raw_chat(d, chat("!mute")))
        d.wait_health("queued", 1)
        status, headers, body = d.post(chat("one more"))
        assert status == 429 and headers["Retry-After"] == "1" and body["error"]["type"] == "rate_limit_error"
        for s in held:
            s.close()
        d.wait_idle(1)
        assert d.post(chat("now"))[0] == 200


def test_a_client_that_does_not_read_is_given_up():
    with fake_daemon("slots=1", "word_ms=0", "write_timeout=500ms") as d:
        s = d.connect(receive_bytes=4096)
        s.sendall(raw_chat(d, chat("w " * 100000, stream=True)))
        deadline = time.monotonic() + 20
        while d.metric("tandem_clients_slow_total") + d.metric("tandem_clients_gone_total") == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        d.wait_idle(1)
        s.close()
        assert d.post(chat("next"))[0] == 200


def test_sixteen_at_once_get_their_own_answers():
    with fake_daemon("slots=4", "queue=12", "word_ms=2") as d:
        texts = [" ".join(f"w{i}-{j}" for j in range(30)) for i in range(16)]
        got = [None] * 16

        def one(i):
            got[i] = d.post(chat(texts[i]))[2]["choices"][0]["message"]["content"]
        threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert got == texts


# ---- beginning and ending ----

def test_it_answers_before_the_model_is_there(tmp_path):
    gate = tmp_path / "the model is here"
    d = Daemon([FAKE, "127.0.0.1:0", f"load_gate={gate}"])
    try:
        d.wait_state("downloading", 60)
        status, headers, body = d.post(chat("early"))
        assert status == 503 and headers["Retry-After"] and body["error"]["code"] == "model_loading"
        assert re.search(r"downloading \d+%", body["error"]["message"])
        status, _, text = d.get("/healthz")
        assert status == 503 and json.loads(text)["state"] == "downloading"
        assert d.get("/v1/models")[0] == 503 and d.get("/")[0] == 200
        gate.touch()
        d.wait_ready()
        assert d.post(chat("late"))[0] == 200
    finally:
        assert d.stop() == 0


def test_two_daemons_on_one_port(daemon):
    second = subprocess.run([FAKE, f"127.0.0.1:{daemon.port}"], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and second.stdout == ""
    assert second.stderr.count("\n") == 1 and f"{daemon.port} is in use" in second.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.168.1.1:8420", "[::]:0", "example.com:80", "127.0.0.1"])
def test_only_loopback_addresses_are_taken(address):
    second = subprocess.run([FAKE, address], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and second.stderr.count("\n") == 1


def test_sigterm_lets_running_answers_end_and_takes_no_new_ones():
    d = Daemon([FAKE, "127.0.0.1:0", "word_ms=20"])
    d.wait_ready()
    with d.connect() as s, d.connect() as idle:
        s.sendall(raw_chat(d, chat("word " * 30, stream=True)))
        s.recv(10)
        d.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        with pytest.raises(OSError):
            d.connect(1)
        text = b""
        while piece := s.recv(65536):
            text += piece
        assert b"[DONE]" in text and idle.recv(1) == b""
    assert d.process.wait(5) == 0


def test_a_drain_has_an_end_and_a_second_signal_hurries():
    for settings, signals in ((["drain_time=300ms"], 1), (["drain_time=30s"], 2)):
        d = Daemon([FAKE, "127.0.0.1:0", *settings])
        d.wait_ready()
        with d.connect() as s:
            s.sendall(raw_chat(d, chat("!mute")))
            time.sleep(0.1)
            for _ in range(signals):
                d.process.send_signal(signal.SIGINT)
                time.sleep(0.05)
            status, headers, body = read_response(s)
            assert int(headers["content-length"]) == len(body)
            assert status == 503 and json.loads(body)["error"]["code"] == "stopping"
        assert d.process.wait(5) == 0


# ---- the command itself ----

@pytest.mark.skipif(not TANDEM.exists(), reason=f"{TANDEM} is not built")
@pytest.mark.parametrize("args,code,says", [
    (["--listen", "0.0.0.0:0"], 1, "no loopback address"), (["--listen", "localhost"], 2, "no numeric address"),
    (["-m", "no-such-model"], 1, "no-such-model"), (["-m", "./missing.gguf"], 1, "./missing.gguf"),
    (["--config", "x"], 1, "x cannot be read"), (["--queue", "-1"], 2, "--queue"),
    (["--parallel", "100000"], None, "--parallel")])
def test_serve_refuses_in_one_sentence(args, code, says, tmp_path):
    r = subprocess.run([TANDEM, "serve", "--home", tmp_path, *args], capture_output=True, text=True, timeout=20)
    assert r.returncode in ((1, 2) if code is None else (code,)), r.stderr
    assert r.stdout == "" and r.stderr.count("\n") == 1 and says in r.stderr


@pytest.mark.skipif(not TANDEM.exists(), reason=f"{TANDEM} is not built")
def test_a_file_that_is_no_model_fails_in_healthz_and_the_daemon_stays(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\xff" * 100)
    d = Daemon([TANDEM, "serve", "--home", tmp_path, "-m", broken, "--listen", "127.0.0.1:0"])
    try:
        deadline = time.monotonic() + 10
        while d.health()["state"] != "failed":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "broken.gguf" in d.health()["message"]
        status, _, body = d.post(chat("hello"))
        assert status == 503 and body["error"]["code"] == "model_failed"
    finally:
        assert d.stop() == 0
