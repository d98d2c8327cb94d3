"""The five minutes of the reports, over HTTP: two phones, the regulator's case, the partners' stand-ins.

One demonstration for the whole file; the tests run in order, each goes on where the one before has stopped.
"""
import json
import subprocess

import pytest

from api_fixtures import TANDEM, weights
from demo_fixtures import ROOT, Demo, call

pytestmark = pytest.mark.skipif(not TANDEM.exists() or not weights("qwen2.5-coder-0.5b-instruct-q4_k_m"),
                                reason="the program or the weights of qwen2.5-coder-0.5b are not here")

CASE = "DEMO-CN-2025-0001"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    d = Demo(tmp_path_factory.mktemp("demo"), 18400)
    try:
        yield d.wait_ready()
    finally:
        d.stop()


def act(demo, action, case=CASE, **more):
    """At the regulator's desk; then the phones are handed the case, as the stage's page does."""
    made = demo.desk(f"/desk/filings/{case}", {"action": action, **more})
    for phone in (demo.left, demo.right):
        phone.take_case(made)
    return made


def change(demo, **what):
    demo.desk("/desk/policy", what)
    for phone in (demo.left, demo.right):
        phone.take_policy()


def reason(answer):
    return answer.one("decision")["reason"]


def test_each_phone_says_where_it_was_sold(demo):
    left, right = demo.left.get("/v1/device"), demo.right.get("/v1/device")
    assert (left["sold_in"], left["market"]["id"]) == ("CN", "CN")
    assert (right["sold_in"], right["market"]["id"]) == ("US", "US")
    assert left["record"]["demo"] and left["market"]["demo"] and left["record"]["state"] == "fine"


def test_the_mainland_phone_is_off_because_its_case_is_submitted(demo):
    a = demo.left.ask("What is the capital of France?")
    assert a.status == 200 and a.done["state"] == "off" and reason(a) == "FILING_SUBMITTED" and a.text == ""
    assert CASE in a.done["text"] and "2025-02-11" in a.done["text"]
    f = demo.left.feature()
    assert f["state"] == "off" and f["reason"] == "FILING_SUBMITTED" and f["text_zh"]
    status, body = demo.left.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]})
    assert status == 403 and body["error"]["code"] == "feature_off" and body["error"]["reason"] == "FILING_SUBMITTED"


def test_the_us_phone_answers_with_its_own_model(demo):
    a = demo.right.ask("What is the capital of France?")
    assert a.done["state"] == "answered" and a.done["source"] == "own" and "Paris" in a.text
    assert a.one("decision")["path"] == "own" and a.headers["x-tandem-decision"] == a.one("decision")["decision"]
    assert a.headers["x-tandem-route"] == "own" and a.headers["x-tandem-model"].startswith("qwen2.5-coder-0.5b")


def test_it_offers_chatgpt_and_sends_nothing_before_consent(demo):
    before = len(demo.seen_by("openai"))
    a = demo.right.ask("Ask ChatGPT: what is the capital of Italy?")
    offer = a.one("offer")
    assert a.done["state"] == "offered" and offer["partner"]["id"] == "openai" and offer["partner"]["emulated"]
    assert offer["cause"] == "named" and "capital of Italy" in offer["leaves"]["text"]
    assert len(demo.seen_by("openai")) == before
    b = demo.right.answer(offer, "once")
    assert b.done["state"] == "answered" and b.done["source"] == "openai" and "EMULATED" in b.text
    receipt = b.one("receipt")
    assert receipt["sha256_sent"] == offer["leaves"]["sha256"] and receipt["bytes_sent"] > 0
    assert demo.right.get("/v1/receipts", demo.right.key)["receipts"][0]["id"] == receipt["id"]
    seen = demo.seen_by("openai")
    assert len(seen) == before + 1 and seen[-1]["sha256"] == offer["leaves"]["sha256"]
    assert demo.right.answer(offer, "once").status == 409  # used up


def test_no_partner_was_asked_by_the_mainland_phone_before_approval(demo):
    for text in ("问通义:法国的首都是哪里?", "Ask ChatGPT something", "Ask Alibaba something"):
        for partner in ("", "alibaba", "openai", "baidu"):
            a = demo.left.ask(text, **({"partner": partner} if partner else {}))
            assert a.done["state"] == "off" and a.all("offer") == []
    assert demo.seen_by("alibaba") == [] and demo.seen_by("baidu") == []
    assert len(demo.seen_by("openai")) == 1  # the US phone's


SPOOFS = [{"X-Forwarded-For": "8.8.8.8"}, {"CF-IPCountry": "US"}, {"Accept-Language": "en-US"},
          {"X-Region": "US", "X-Sold-In": "US"}, {"Cookie": "region=US; sold_in=US"},
          {"X-SIM-Country": "US", "X-Timezone": "America/New_York"}, {"Forwarded": "for=8.8.8.8;host=us"}]


@pytest.mark.parametrize("headers", SPOOFS)
def test_no_header_moves_a_phone_to_another_market(demo, headers):
    a = demo.left.ask("hello", headers=headers)
    assert a.one("decision")["market"] == "CN" and a.done["state"] == "off"
    assert demo.right.ask("Say hi.", headers={k: "CN" for k in headers}).one("decision")["market"] == "US"


def test_no_field_moves_a_phone_to_another_market(demo):
    for field in ("region", "market", "sold_in", "country", "locale", "device", "sim"):
        status, body = demo.left.post("/v1/assistant", {"messages": [{"role": "user", "content": "x"}], field: "US"})
        assert status == 400 and body["error"]["code"] == "unknown_field"


def test_approval_opens_the_mainland_phone_and_is_marked_hypothetical(demo):
    act(demo, "review")
    assert demo.left.feature()["reason"] == "FILING_UNDER_REVIEW"
    act(demo, "approve")
    assert demo.left.feature()["state"] == "on" and demo.left.feature()["filing"] == CASE
    a = demo.left.ask("What is the capital of France?", lang="zh")
    assert a.done["state"] == "answered" and a.done["source"] == "own" and a.done["filing"] == CASE
    assert a.headers["x-tandem-filing"] == CASE
    assert [t["text"] for t in a.all("text") if t["label"]], "the market asks for a visible line"
    case = next(f for f in demo.left.get("/v1/filings")["filings"] if f["id"] == CASE)
    assert case["state"] == "approved" and case["hypothetical"] and case["demo"]


def test_the_mainland_phone_hands_off_to_alibaba_and_never_to_openai(demo):
    asked = len(demo.seen_by("openai"))
    refused = demo.left.ask("Ask ChatGPT: what is the capital of Italy?", partner="openai")
    assert refused.all("offer") == [] or refused.one("offer")["partner"]["id"] != "openai"
    a = demo.left.ask("What is the capital of Italy?", partner="alibaba", lang="zh")
    offer = a.one("offer")
    assert offer["partner"]["id"] == "alibaba" and offer["filing"]["id"] == CASE and offer["filing"]["hypothetical"]
    b = demo.left.answer(offer, "always", lang="zh")
    assert b.done["state"] == "answered" and b.done["source"] == "alibaba" and b.done["emulated"]
    c = demo.left.ask("What is the capital of Spain?", partner="alibaba")  # always: not asked again
    assert c.all("offer") == [] and c.done["source"] == "alibaba" and c.one("receipt")
    assert len(demo.seen_by("alibaba")) == 2 and len(demo.seen_by("openai")) == asked


def test_a_swapped_partner_is_a_stranger_and_needs_its_own_case(demo):
    consents = demo.left.get("/v1/consents", demo.left.key)["consents"]
    assert [(c["partner"], c["mode"]) for c in consents] == [("alibaba", "always")]
    change(demo, market="CN", feature="assistant", change="swap", partner="baidu")
    assert demo.left.get("/v1/consents", demo.left.key)["consents"] == []
    a = demo.left.ask("What is the capital of Italy?", partner="baidu")
    assert a.all("offer") == []  # another partner, another case: it is not approved
    act(demo, "review", "DEMO-CN-2025-0002")
    act(demo, "approve", "DEMO-CN-2025-0002")
    b = demo.left.ask("What is the capital of Italy?", partner="baidu")
    assert b.one("offer")["partner"]["id"] == "baidu" and b.one("offer")["filing"]["id"] == "DEMO-CN-2025-0002"
    change(demo, market="CN", feature="assistant", change="swap", partner="alibaba")
    c = demo.left.ask("What is the capital of Italy?", partner="alibaba")
    assert c.one("offer")["partner"]["id"] == "alibaba"  # asked anew


def test_kill_switch_and_canary_take_the_partner_away(demo):
    change(demo, market="CN", feature="assistant", change="kill", partner="alibaba")
    f = demo.left.feature()
    assert f["state"] == "device_only" and f["reason"] == "BACKEND_KILLED"
    change(demo, market="CN", feature="assistant", change="unkill", partner="alibaba")
    change(demo, market="CN", feature="assistant", change="canary", canary_bp=0)
    assert demo.left.feature()["reason"] == "CANARY_NOT_CHOSEN"
    change(demo, market="CN", feature="assistant", change="canary", canary_bp=10000)
    assert demo.left.feature()["state"] == "on"


def test_without_a_network_the_device_answers_alone(demo):
    assert demo.left.post("/v1/network", {"off": True}, demo.left.key)[0] == 200
    f = demo.left.feature()
    assert f["state"] == "device_only" and f["reason"] == "NETWORK_OFF"
    assert demo.left.ask("What is the capital of France?").done["source"] == "own"
    assert (demo.left.home / "state" / "network-off").exists()  # a restart does not switch it on again
    assert demo.left.post("/v1/network", {"off": False}, demo.left.key)[0] == 200
    assert not (demo.left.home / "state" / "network-off").exists()


def test_withdrawal_turns_it_off_again(demo):
    act(demo, "withdraw", text="hypothetical")
    f = demo.left.feature()
    assert f["state"] == "off" and f["reason"] == "FILING_WITHDRAWN"
    assert demo.left.ask("hello").done["state"] == "off"
    again = act(demo, "again")
    assert demo.left.feature()["reason"] in ("FILING_SUBMITTED", "FILING_WITHDRAWN")
    assert json.dumps(again).count("DEMO-CN-2025-0003") > 0


def test_only_the_owner_changes_what_is_the_owners(demo):
    for path, body in (("/v1/policy", {}), ("/v1/filings", {}), ("/v1/network", {"off": True}), ("/v1/owner/link", {}),
                       ("/v1/consents", {"partner": "alibaba", "feature": "assistant", "mode": "always"}),
                       ("/v1/receipts/erase", {"all": True})):
        for key in (None, "0" * 64, demo.right.key, demo.desk_key):
            status, answer = demo.left.post(path, body, key)
            assert status == 401 and answer["error"]["code"] == "owner_required", path


def test_a_link_opens_one_session(demo):
    link = demo.left.post("/v1/owner/link", {}, demo.left.key)[1]["link"]
    status, answer = demo.left.post("/v1/owner/session", {"link": link})
    assert status == 200 and demo.left.get("/v1/receipts", answer["session"])
    assert demo.left.post("/v1/owner/session", {"link": link})[1]["error"]["code"] == "link_used"
    assert demo.left.post("/v1/owner/session", {"link": "0" * 64})[1]["error"]["code"] == "link_unknown"
    assert demo.right.post("/v1/owner/session", {"link": link})[0] == 403


def test_another_market_is_another_phone(demo):
    before = demo.left.get("/v1/device")
    demo.desk("/desk/phones/left", {"sold_in": "HK"})
    demo.wait(lambda: demo.phone_is("left", "HK"), 60, "the other phone did not come")
    after = demo.left.get("/v1/device")
    assert after["market"]["id"] == "HK" and after["device"] != before["device"]


def test_a_stand_in_gives_way_to_the_real_partner_by_a_signed_policy(demo):
    """Nothing is sent: what a yes would do is the real partner's to see."""
    secret = "sk-demo-not-a-key-of-anybody"
    r = subprocess.run([ROOT / "dev", "live", "openai"], cwd=ROOT, capture_output=True, text=True, timeout=120,
                       env=dict(demo.environment, OPENAI_API_KEY=secret))
    assert r.returncode == 0, r.stderr
    offer = demo.right.ask("Ask ChatGPT: what is the capital of Italy?").one("offer")
    assert not offer["partner"]["emulated"] and offer["partner"]["region"] == "the United States"
    assert "EMULATED" not in json.dumps(offer)
    kept = demo.run / "secrets" / "openai"
    assert kept.read_text() == secret and kept.stat().st_mode & 0o777 == 0o600
    for path in demo.run.rglob("*"):
        if path.is_file() and path != kept and "cache" not in path.parts:
            assert secret.encode() not in path.read_bytes(), path


def test_the_desk_wants_its_key(demo):
    for path in ("/desk/state", "/desk/bundle"):
        assert call(f"http://127.0.0.1:{demo.port}{path}")[0] == 401
        assert call(f"http://127.0.0.1:{demo.port}{path}", key=demo.left.key)[0] == 401


def test_nothing_of_what_was_asked_is_in_a_log(demo):
    for path in (demo.run / "log", demo.run / "emulators.log", demo.run / "supervisor.log"):
        text = path.read_text(errors="replace")
        assert "capital" not in text and "首都" not in text and "Paris" not in text
