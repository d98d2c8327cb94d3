"""POST /v1/features/VERB: shapes, refusals, streams, leaving clients; over a service without a model, and with one."""
import concurrent.futures
import json
import pathlib
import time

import pytest

from api_fixtures import FAKE, TANDEM, Daemon, fake_daemon, read_response, weights
from demo_fixtures import events

if not FAKE.exists():
    pytest.skip(f"{FAKE} is not built", allow_module_level=True)

VERBS = ["proofread", "rewrite", "summarize", "reply", "prioritise"]
TEXT_BYTES_MAX = 256 * 1024
FROM_OTHERS = {"role": "user", "name": "Nina", "content": "Can you send the report by 7:30?"}


def body_of(verb, text="hello brave new world", **more):
    body = {"messages": [{"role": "user", "content": text}]} if verb == "prioritise" else {"text": text}
    return {**body, **more}


@pytest.fixture(scope="module")
def daemon():
    with fake_daemon("slots=8", "queue=8", "word_ms=5") as d:
        yield d


@pytest.fixture(autouse=True)
def still_serves(request):
    """After every test the daemon answers the next request and nothing runs."""
    yield
    if "daemon" in request.fixturenames:
        d = request.getfixturevalue("daemon")
        d.wait_idle(5)
        assert ask(d, "rewrite", {"text": "still here"})[0] == 200


def ask(daemon, verb, body, **more):
    return daemon.post(body, path="/v1/features/" + verb, **more)


def stream(daemon, verb, body):
    """(status, headers, [(name, data)] and whether [DONE] ends it) of a streamed run."""
    import urllib.request
    request = urllib.request.Request(f"{daemon.url}/v1/features/{verb}", json.dumps({**body, "stream": True}).encode(),
                                     {"Content-Type": "application/json"})
    status, headers, text = daemon.ask(request)
    if status != 200:
        return status, headers, json.loads(text), False
    assert headers["Content-Type"].startswith("text/event-stream")
    ended = text.endswith("data: [DONE]\n\n")
    return status, headers, events(text.removesuffix("data: [DONE]\n\n")), ended


def refused(daemon, verb, body, status=400, param=None, code=None, says=None, reason=None):
    got, headers, answer = ask(daemon, verb, body)
    assert got == status, answer
    error = answer["error"]
    assert set(error) - {"reason"} == {"message", "type", "param", "code"}
    assert error["code"] == code, error
    assert param is None or error["param"] == param, error
    assert says is None or says in error["message"], error
    assert error.get("reason") == reason, error
    return error


# ---- answers ----

@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_answers_in_the_official_shape(daemon, verb):
    status, headers, answer = ask(daemon, verb, body_of(verb))
    assert status == 200, answer
    assert headers["Content-Type"] == "application/json"
    assert len(answer["suggestions"]) == (3 if verb == "reply" else 1)
    assert all(isinstance(s["text"], str) and s["text"] for s in answer["suggestions"])
    assert answer["decision"] == headers["x-tandem-decision"] and len(answer["decision"]) == 32
    assert headers["x-tandem-route"] == "own" and headers["x-tandem-model"] == "fake-echo-1"
    assert "x-tandem-filing" not in headers and "x-tandem-label" not in headers  # none in this market
    assert set(answer["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert {"prompt_tokens", "prompt_ms", "decode_tokens", "decode_ms", "draft_tokens",
            "draft_accepted"} <= set(answer["timings"])
    assert isinstance(answer["label"], dict)


@pytest.mark.parametrize("verb", VERBS)
def test_null_is_absent_also_for_what_the_verb_does_not_take(daemon, verb):
    nothing = dict.fromkeys(["style", "instruction", "kind", "source", "lang", "n", "seed", "stream", "priority",
                             "model"])
    assert ask(daemon, verb, body_of(verb, **nothing))[0] == 200


@pytest.mark.parametrize("verb,more", [
    ("rewrite", {"style": s}) for s in ("friendly", "professional", "concise", "elaborate", "shorter")] + [
    ("rewrite", {"style": "custom", "instruction": "as a pirate"}), ("rewrite", {"instruction": "as a pirate"}),
    ("summarize", {"kind": "paragraph"}), ("summarize", {"kind": "points", "source": "mail"}),
    ("summarize", {"kind": "line", "source": "notifications", "lang": "zh"}), ("reply", {"n": 8, "seed": -5}),
    ("proofread", {"n": 1, "priority": "background"}), ("rewrite", {"priority": "foreground"}),
    ("rewrite", {"model": "fake"}), ("rewrite", {"model": "fake-echo-1"})])
def test_what_a_verb_takes_is_taken(daemon, verb, more):
    status, _, answer = ask(daemon, verb, body_of(verb, **more))
    assert status == 200, answer


def test_messages_have_a_role_a_content_and_perhaps_a_name(daemon):
    parts = [{"type": "text", "text": "Yes,"}, {"type": "text", "text": "gladly."}]
    messages = [FROM_OTHERS, {"role": "assistant", "content": parts}, {**FROM_OTHERS, "name": None}]
    for verb in ("summarize", "reply", "prioritise"):
        assert ask(daemon, verb, {"messages": messages})[0] == 200


def test_eight_suggestions_of_one_reply(daemon):
    assert len(ask(daemon, "reply", body_of("reply", n=8))[2]["suggestions"]) == 8


def test_each_verb_takes_chinese(daemon):
    text = "我们明天上午在公司开会，请大家提前准备好资料。"
    for verb in ("proofread", "rewrite", "summarize"):
        status, _, answer = ask(daemon, verb, {"text": text})
        assert status == 200 or answer["error"]["code"] == "no_good_answer", answer


def test_two_verbs_at_once(daemon):
    text = "one two three four five six seven eight"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda verb: ask(daemon, verb, {"text": text}), ["rewrite", "proofread"]))
    assert [f[0] for f in found] == [200, 200]
    assert found[0][2]["decision"] != found[1][2]["decision"]


def test_the_fuzzers_corpus_is_taken_as_its_names_say(daemon):
    corpus = pathlib.Path(__file__).parents[1] / "fuzz/corpus/verb_json"
    for verb in VERBS:
        body = (corpus / f"{verb}.json").read_bytes()[1:]
        status, _, answer = ask(daemon, verb, body.replace(b'"stream":true,', b""))
        assert status == 200, answer


# ---- bodies ----

@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'{"text":"a","text":"b"}', b'{"text":"a\\u0000b"}', b'{"text":"\\ud800"}', b"\xff\xfe",
    b'{"text":"\xff\xfe"}', b'{"messages":' + b"[" * 65 + b"]" * 65 + b"}", b'{"a":' * 50000])
def test_json_that_is_no_json_is_invalid_json(daemon, body):
    refused(daemon, "reply", body, code="invalid_json")


def test_an_unknown_field_gets_the_nearest_of_the_verbs_own(daemon):
    refused(daemon, "rewrite", body_of("rewrite", sytle="x"), param="sytle", code="unknown_field", says="style meant")
    error = refused(daemon, "reply", body_of("reply", sytle="x"), param="sytle", code="unknown_field")
    assert "meant" not in error["message"]
    refused(daemon, "reply", {"messages": [{**FROM_OTHERS, "tool_calls": []}]}, param="tool_calls",
            code="unknown_field")


@pytest.mark.parametrize("verb,field,value", [
    ("proofread", "style", "friendly"), ("proofread", "kind", "line"), ("proofread", "messages", [FROM_OTHERS]),
    ("rewrite", "messages", [FROM_OTHERS]), ("rewrite", "kind", "line"), ("summarize", "style", "friendly"),
    ("reply", "style", "friendly"), ("reply", "kind", "line"), ("prioritise", "text", "hello"),
    ("proofread", "n", 2), ("prioritise", "n", 3), ("summarize", "instruction", "x")])
def test_a_field_of_another_verb_names_both(daemon, verb, field, value):
    refused(daemon, verb, {**body_of(verb), field: value}, param=field, code="not_for_verb", says=verb)


@pytest.mark.parametrize("verb,more,param", [
    ("rewrite", {"text": 5}, "text"), ("rewrite", {"text": ["a"]}, "text"), ("rewrite", {"style": "pirate"}, "style"),
    ("rewrite", {"style": 1}, "style"), ("rewrite", {"style": "custom"}, "instruction"),
    ("rewrite", {"style": "concise", "instruction": "x"}, "instruction"),
    ("rewrite", {"instruction": ""}, "instruction"),
    ("rewrite", {"instruction": "x" * 1001}, "instruction"), ("summarize", {"kind": "essay"}, "kind"),
    ("summarize", {"source": "web"}, "source"), ("reply", {"n": 0}, "n"), ("reply", {"n": 9}, "n"),
    ("reply", {"n": 1.5}, "n"), ("reply", {"n": "3"}, "n"), ("rewrite", {"seed": 1.5}, "seed"),
    ("rewrite", {"stream": "yes"}, "stream"), ("rewrite", {"priority": "urgent"}, "priority"),
    ("rewrite", {"priority": True}, "priority"), ("rewrite", {"model": 1}, "model"), ("rewrite", {"lang": 1}, "lang"),
    ("reply", {"messages": [FROM_OTHERS]}, "messages")])
def test_a_wrong_value_names_its_field(daemon, verb, more, param):
    refused(daemon, verb, {**body_of(verb), **more}, param=param, code="invalid_field")


@pytest.mark.parametrize("messages,param,code", [
    ("hi", "messages", "invalid_field"), ([1], "messages[0]", "invalid_field"),
    ([{}], "messages[0].role", "invalid_field"), ([{"role": "system", "content": "a"}], "messages[0].role",
                                                  "invalid_field"),
    ([{"role": "user", "content": "a", "name": 5}], "messages[0].name", "invalid_field"),
    ([{"role": "user", "content": "a", "name": "a\nb"}], "messages[0].name", "invalid_field"),
    ([{"role": "user", "content": "a", "name": "x" * 201}], "messages[0].name", "invalid_field"),
    ([FROM_OTHERS, {"role": "user"}], "messages[1].content", None),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "messages[0].content[0]", "not_built"),
    ([{"role": "user", "content": "a\u0007b"}], "messages[0].content", "not_text"), ([], "messages", "text_too_short")])
def test_a_wrong_message_names_its_place(daemon, messages, param, code):
    refused(daemon, "reply", {"messages": messages}, param=param, code=code)


def test_pictures_are_not_built(daemon):
    parts = [{"type": "image_url", "image_url": {"url": "data:,x"}}]
    refused(daemon, "summarize", {"messages": [{"role": "user", "content": parts}]}, code="not_built")


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_text_it_is_missing(daemon, verb):
    refused(daemon, verb, {}, code="text_missing", says=verb)


@pytest.mark.parametrize("text", ["", "   \n", "a"])
def test_an_empty_text_or_one_letter_is_too_short(daemon, text):
    refused(daemon, "rewrite", {"text": text}, param="text", code="text_too_short")


def test_a_text_over_the_limit_is_too_long(daemon):
    assert ask(daemon, "rewrite", {"text": "a" * TEXT_BYTES_MAX})[0] == 200
    refused(daemon, "rewrite", {"text": "a" * (TEXT_BYTES_MAX + 1)}, param="text", code="text_too_long",
            says=str(TEXT_BYTES_MAX))
    refused(daemon, "rewrite", {"text": "word " * 200000}, param="text", code="text_too_long")  # 1 MB
    long = [{"role": "user", "content": "a" * 2000}] * 150
    refused(daemon, "reply", {"messages": long}, param="messages", code="text_too_long")


def test_a_thousand_messages_are_too_many(daemon):
    assert ask(daemon, "summarize", {"messages": [FROM_OTHERS] * 200})[0] == 200
    refused(daemon, "summarize", {"messages": [FROM_OTHERS] * 1000}, param="messages", code="text_too_long",
            says="1000 entries")


def test_what_does_not_fit_the_context_is_too_long(daemon):
    refused(daemon, "rewrite", {"text": "!limit of the context"}, param="text", code="text_too_long")


@pytest.mark.parametrize("text", ["a\u0001b", "\u001b[31mred", "\u007f\u007f\u007f"])
def test_binary_is_no_text(daemon, text):
    refused(daemon, "rewrite", {"text": text}, param="text", code="not_text")


@pytest.mark.parametrize("more", [{"lang": "ja"}, {"lang": ""}, {"text": "!japanese text"}])
def test_a_language_that_no_verb_writes(daemon, more):
    refused(daemon, "rewrite", {"text": "hello you", **more}, code="language_not_supported")


def test_a_verb_of_another_name_and_another_method(daemon):
    refused(daemon, "replyy", {"text": "hello you"}, status=404, code="not_found", says="reply meant")
    refused(daemon, "visual", {"text": "hello you"}, status=404, code="not_found")
    assert daemon.get("/v1/features/reply")[0] == 405


def test_another_model_is_not_loaded(daemon):
    refused(daemon, "rewrite", {"text": "hello you", "model": "gpt-4"}, status=404, param="model",
            code="model_not_found")


# ---- ends without an answer ----

def test_off_is_403_with_the_reason(daemon):
    refused(daemon, "rewrite", {"text": "!off please"}, status=403, code="feature_off", reason="FEATURE_KILLED",
            says="switched this feature off")


def test_a_partners_feature_needs_consent(daemon):
    refused(daemon, "rewrite", {"text": "!consent please"}, status=403, code="consent_needed")


def test_a_stopped_text_and_a_stopped_answer(daemon):
    refused(daemon, "rewrite", {"text": "!input is bad"}, param="text", code="content_filter", reason="SCREEN_INPUT")
    refused(daemon, "rewrite", {"text": "!stop this answer"}, code="content_filter", reason="SCREEN_OUTPUT")


def test_no_answer_that_passes_the_checks(daemon):
    refused(daemon, "rewrite", {"text": "!bad answers only"}, status=422, code="no_good_answer")


def test_a_broken_model_is_an_internal_error(daemon):
    refused(daemon, "rewrite", {"text": "!broken model"}, status=500, code="internal_error")


def test_rules_that_change_meanwhile_end_it(daemon):
    refused(daemon, "rewrite", {"text": "!changed in the middle"}, status=503, code="rules_changed",
            reason="FILING_WITHDRAWN")


def test_an_apps_share_is_used_up(daemon):
    refused(daemon, "rewrite", {"text": "!quota of an app"}, status=429, code="app_quota_exceeded")
    assert ask(daemon, "rewrite", {"text": "!quota of an app"})[1]["Retry-After"] == "1234"  # the fake ledger's word


def test_a_full_queue_is_429():
    with fake_daemon("slots=1", "queue=1", "word_ms=20") as d, concurrent.futures.ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: ask(d, "rewrite", {"text": "a b c d e f g h i j"}), range(6)))
        d.wait_idle(10)
    codes = [a["error"]["code"] for s, _, a in found if s == 429]
    assert {s for s, _, _ in found} == {200, 429} and set(codes) == {"queue_full"}
    assert all(h["Retry-After"] for s, h, _ in found if s == 429)


def test_while_the_model_is_on_its_way(tmp_path):
    gate = tmp_path / "gate"
    d = Daemon([FAKE, "127.0.0.1:0", f"load_gate={gate}"])
    try:
        d.wait_state("downloading", 10)
        refused(d, "rewrite", {"text": "hello you"}, status=503, code="model_loading")
        features = json.loads(d.get("/v1/features")[2])
        for verb in VERBS:
            assert features[verb]["state"] == "downloading" and features[verb]["reason"] == "MODEL_NOT_HERE"
            assert features[verb]["percent"] == 38
        gate.touch()
        d.wait_ready()
        features = json.loads(d.get("/v1/features")[2])
        assert {features[verb]["state"] for verb in VERBS} == {"device_only"}
    finally:
        assert d.stop() == 0


def test_features_list_the_limits_of_the_verbs(daemon):
    features = json.loads(daemon.get("/v1/features")[2])
    for verb in VERBS:
        limits = features[verb]["limits"]
        assert limits["text_bytes"] == TEXT_BYTES_MAX and limits["languages"] == ["en", "zh"]
        assert limits["suggestions"] == (1 if verb in ("proofread", "prioritise") else 8)
        assert ("messages" in limits) == (verb in ("summarize", "reply", "prioritise"))
        assert limits["app_tokens_per_hour"] == 0 and limits["app_requests_at_once"] == 0
    assert "limits" not in features["chat"] and features["visual"]["state"] == "off"


# ---- streams ----

def test_the_order_of_a_stream(daemon):
    status, headers, told, ended = stream(daemon, "rewrite", {"text": "hello brave new world"})
    assert status == 200 and ended
    names = [name for name, _ in told]
    assert names[0] == "decision" and names[-1] == "result" and set(names[1:-1]) == {"text"}
    assert told[0][1]["decision"] == headers["x-tandem-decision"] == told[-1][1]["decision"]
    assert told[0][1]["path"] == "own" and told[0][1]["feature"] == "rewrite"
    text = "".join(data["text"] for name, data in told if name == "text")
    assert text == told[-1][1]["suggestions"][0]["text"]
    assert told[-1][1]["suggestions"] == ask(daemon, "rewrite", {"text": "hello brave new world"})[2]["suggestions"]


def test_a_stream_of_several_suggestions_and_one_that_is_taken_back(daemon):
    _, _, told, ended = stream(daemon, "reply", {"text": "!again my old friend", "n": 3})
    assert ended
    texts = [""] * 3
    retracts = 0
    for name, data in told:
        if name == "text":
            texts[data["suggestion"]] += data["text"]
        elif name == "retract":
            texts[data["suggestion"]] = ""
            retracts += 1
    assert retracts == 3 and texts == [s["text"] for s in told[-1][1]["suggestions"]]


def test_what_was_shown_is_taken_back_before_a_stopped_streams_error(daemon):
    _, _, told, ended = stream(daemon, "reply", {"text": "!stop this answer", "n": 2})
    assert ended and told[-1][0] == "error"
    assert told[-1][1]["error"]["code"] == "content_filter" and told[-1][1]["error"]["reason"] == "SCREEN_OUTPUT"
    assert [(n, d["suggestion"]) for n, d in told[-3:-1]] == [("retract", 0), ("retract", 1)]


@pytest.mark.parametrize("text,status,code", [
    ("!off please", 403, "feature_off"), ("!limit of it", 400, "text_too_long"),
    ("!input is bad", 400, "content_filter"),
    ("!broken model", 500, "internal_error")])
def test_a_stream_that_never_began_is_a_plain_error(daemon, text, status, code):
    got, headers, answer, _ = stream(daemon, "rewrite", {"text": text})
    assert (got, answer["error"]["code"]) == (status, code)
    assert headers["x-tandem-decision"]


def raw(daemon, verb, body):
    data = json.dumps(body).encode()
    return (f"POST /v1/features/{verb} HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


@pytest.mark.parametrize("more", [{}, {"stream": True}])
@pytest.mark.parametrize("text", ["!mute for an hour", "word " * 5000])
def test_a_client_that_leaves_frees_its_place(daemon, more, text):
    gone = daemon.metric("tandem_clients_gone_total")
    with daemon.connect() as s:
        s.sendall(raw(daemon, "rewrite", {"text": text, **more}))
        daemon.wait_health("running", 1)
    assert daemon.wait_idle(2) < 2
    assert daemon.metric("tandem_clients_gone_total") == gone + 1
    line = [n for n in daemon.text().splitlines() if "route=verb" in n][-1]
    assert "status=499" in line and "decision=" in line and "the client left" in line


def test_a_daemon_that_stops_lets_a_verb_end_and_cancels_one_that_does_not():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        d = Daemon([FAKE, "127.0.0.1:0", "word_ms=20", "drain_time=800ms"])
        d.wait_ready()
        short = pool.submit(ask, d, "rewrite", {"text": "a b c d"})
        mute = pool.submit(ask, d, "proofread", {"text": "!mute for an hour"})
        d.wait_health("running", 2)
        begin = time.monotonic()
        assert d.stop() == 0 and time.monotonic() - begin < 20
        assert short.result()[0] == 200
        status, _, answer = mute.result()
        assert status == 503 and answer["error"]["code"] == "cancelled"
