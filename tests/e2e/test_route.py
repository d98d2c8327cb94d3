"""tandem route: what would be decided, explained from signed files; and decisions of a journal decided again.

The journal is written here, after docs/formats/journal.md, with securesystemslib's canonical form: if replaying it
gives the same bytes, then the page, the writer and the reader agree.
"""

import copy
import hashlib
import json
import struct

import pytest

pytest.importorskip("securesystemslib", reason="securesystemslib is in tests/requirements.txt")
from authority import Authority
from securesystemslib.formats import encode_canonical

DONE, FAILED, USAGE, REFUSED, INTEGRITY = range(5)
FEBRUARY = "2025-02-11T08:00:00Z"
WEIGHTS = "ab" * 32
CASE = "DEMO-CN-2025-0001"


class Market:
    """The two shipped markets, released in February 2025; a phone of each; a folder of cases."""

    def __init__(self, tandem, path):
        self.tandem, self.path = tandem, path
        self.authority = Authority(tandem, path)
        self.authority.write_input()
        self.keys = path / "in" / "keys"
        self.cases = path / "cases"
        self.cases.mkdir()
        for name in ("maker", "provider", "device"):
            self.authority.keygen(name)
        rows = [("DEMO-CAC", "regulator", "cac")]
        rows += [("DEMO-MAKER", "maker", "maker"), ("DEMO-PROVIDER", "provider", "provider")]
        (path / "in" / "keys.yaml").write_text(
            "".join(
                f"- {{id: {name}, name: {{en: {name}, zh: {name}}}, role: {role}, pub: keys/{key}.pub,\n"
                "   markets: [CN, US], valid_from: 2025-01-01T00:00:00Z, valid_to: 2040-01-01T00:00:00Z,\n"
                "   revoked: false}\n"
                for name, role, key in rows
            )
        )
        self.authority.release("--at", FEBRUARY)
        for country in ("CN", "US", "GB"):
            self.must(
                *("device", "make", "--key", self.keys / "maker.key", "--sku", "P1", "--sold-in", country),
                *("--profile", "adult", "--device-pub", self.keys / "device.pub", "--expires", "2030-01-01T00:00:00Z"),
                *("--out", self.phone(country), "--at", "2025-01-02T00:00:00Z", "--demo"),
            )

    def phone(self, country):
        return self.path / f"phone-{country}.json"

    def must(self, *args):
        code, out, err = self.tandem.run(*args)
        assert code == DONE, (args, err)
        return out

    def file_case(self, *actions):
        """A case about the assistant with the device's own model and Alibaba's, and what was done with it."""
        where = ("--case", self.cases / f"{CASE}.json", "--keys", self.keyring())
        for action, who, *more in actions:
            more += ["--doc", self.phone("CN")] if action == "submit" else []  # any file will do
            self.must("filing", action, *where, "--key", self.keys / f"{who}.key", "--at", FEBRUARY, *more)

    def keyring(self):
        found = list((self.authority.repo / "targets").glob("*.keys.json"))
        assert len(found) == 1
        return found[0]

    NEW = (
        *("new", "maker", "--id", CASE, "--market", "CN", "--feature", "assistant", "--demo", "--maker", "DEMO-MAKER"),
        *("--provider", "DEMO-PROVIDER", "--model", f"own={WEIGHTS}", "--partner", "alibaba"),
        *("--partner-model", "qwen-max", "--partner-date", "2025-01-25"),
    )
    SUBMIT = [("submit", "maker"), ("submit", "provider")]
    APPROVE = [("review", "cac"), ("approve", "cac", "--hypothetical")]

    def explain(self, country, *more, feature="assistant", at=FEBRUARY, root=True):
        args = ["route", "explain", "--feature", feature, "--device", self.phone(country), "--cases", self.cases]
        args += ["--policy", self.authority.repo, "--at", at, "--json", *more]
        args += ["--root", self.authority.first_root] if root else []
        code, out, err = self.tandem.run(*args)
        return code, json.loads(out) if out else None, err

    def replay(self, journal, *more):
        args = ["route", "replay", "--journal", journal, "--device", self.phone("CN"), "--cases", self.cases, "--json"]
        args += ["--policy", self.authority.repo, "--root", self.authority.first_root, *more]
        code, out, err = self.tandem.run(*args)
        return code, [json.loads(line) for line in out.splitlines()], err


@pytest.fixture
def market(tandem, tmp_path):
    return Market(tandem, tmp_path)


def backends(document):
    return [step["backend"] for step in document["plan"]]


def reasons(document):
    return {row["backend"]: row["reason"] for row in document["refused"]}


def test_without_a_record_it_is_zz(tandem):
    code, out, _ = tandem.run("route", "explain", "--feature", "chat", "--json")
    document = json.loads(out)
    assert (code, document["market"], backends(document), document["reason"]) == (DONE, "ZZ", ["own"], "NONE")


def test_mainland_is_off_until_its_case_is_approved(market):
    code, document, _ = market.explain("CN")
    assert (code, document["reason"]) == (REFUSED, "FILING_MISSING")
    market.file_case(market.NEW, *market.SUBMIT)
    code, document, _ = market.explain("CN")
    assert (code, document["market"], document["plan"]) == (REFUSED, "CN", [])
    assert document["text"] == f"case {CASE} was submitted on 2025-02-11 and is not approved"
    assert reasons(document) == {"own": "FILING_SUBMITTED", "alibaba": "FILING_SUBMITTED"}
    market.file_case(*market.APPROVE)
    code, document, _ = market.explain("CN")
    assert (code, backends(document), document["refused"]) == (DONE, ["own", "alibaba"], [])
    assert [step["hypothetical"] for step in document["plan"]] == [True, True]
    assert [step["needs_consent"] for step in document["plan"]] == [False, True]
    assert {step["filing"] for step in document["plan"]} == {CASE}
    market.file_case(("withdraw", "cac", "--text", "an incident"))
    code, document, _ = market.explain("CN")
    assert (code, document["reason"]) == (REFUSED, "FILING_WITHDRAWN")


def test_the_us_answers_at_once_and_no_record_reaches_another_market(market):
    code, document, _ = market.explain("US")
    assert (code, document["market"], backends(document)) == (DONE, "US", ["own", "openai"])
    code, document, _ = market.explain("GB")
    assert (code, document["reason"], document["market"]) == (REFUSED, "MARKET_UNKNOWN", "")
    code, document, _ = market.explain("CN", "--partner", "openai")
    assert (code, reasons(document)["openai"]) == (REFUSED, "PARTNER_UNKNOWN")


def test_consent_network_and_partners_count(market, tmp_path):
    state, consent = tmp_path / "state.json", tmp_path / "consent.json"
    consent.write_text(json.dumps([{"partner": "openai", "feature": "assistant", "mode": "always"}]))
    _, document, _ = market.explain("US", "--consent", consent)
    assert [step["needs_consent"] for step in document["plan"]] == [False, False]
    consent.write_text(json.dumps({"consents": [{"partner": "openai", "feature": "assistant", "mode": "never"}]}))
    _, document, _ = market.explain("US", "--consent", consent)
    assert reasons(document) == {"openai": "CONSENT_NEVER"}
    state.write_text('{"network":"off","own":"loading"}')
    code, document, _ = market.explain("US", "--state", state)
    assert (code, document["reason"]) == (REFUSED, "MODEL_NOT_HERE")
    assert reasons(document) == {"own": "MODEL_NOT_HERE", "openai": "NETWORK_OFF"}
    state.write_text('{"partners":{"openai":"down"},"prompt_tokens":5,"device_tokens_max":4}')
    _, document, _ = market.explain("US", "--state", state)
    assert reasons(document) == {"own": "TOO_LONG_FOR_DEVICE", "openai": "PARTNER_DOWN"}
    for wrong in ('{"region":"US"}', '{"own":"perhaps"}', "[]", '{"network":true}', "{"):
        state.write_text(wrong)
        code, _, err = market.explain("US", "--state", state)
        assert code == FAILED and "state.json" in err, wrong


def test_time_ends_policies(market):
    code, document, _ = market.explain("US", at="2025-02-12T07:59:59Z")
    assert (code, document["freshness"]) == (DONE, "fresh")
    code, document, _ = market.explain("CN", at="2025-02-20T00:00:00Z")
    assert (code, document["reason"], document["freshness"]) == (REFUSED, "POLICY_STALE", "stale")
    code, document, _ = market.explain("CN", at="2031-01-01T00:00:00Z")
    assert (code, document["reason"]) == (REFUSED, "RECORD_EXPIRED")


def test_a_policy_that_does_not_verify_is_an_error(market):
    path = next((market.authority.repo / "targets" / "markets" / "CN").glob("*.policy.json"))
    path.write_bytes(path.read_bytes().replace(b"own-and-partner", b"own-and-partnes"))
    code, document, err = market.explain("CN")
    assert code == INTEGRITY and document is None and "TARGET_HASH" in err


def test_without_a_root_the_command_says_whom_it_believes(market):
    code, _, err = market.explain("US", root=False)
    assert code == DONE and "the repository's own root is believed" in err


def test_the_installed_policy_and_its_updates(market):
    market.authority.install("--at", FEBRUARY)
    args = ["route", "explain", "--feature", "assistant", "--device", market.phone("US"), "--at", FEBRUARY, "--json"]
    code, out, err = market.tandem.run(*args)
    assert code == DONE, err
    assert json.loads(out)["policy"]["version"] == 1
    market.authority.change_policy("US")
    market.authority.release("--at", FEBRUARY)
    code, out, err = market.tandem.run(*args, "--policy", market.authority.repo)
    assert code == DONE and json.loads(out)["policy"]["version"] == 2 and "own root" not in err
    assert json.loads(market.tandem.run(*args)[1])["policy"]["version"] == 1  # explaining has installed nothing


class Journal:
    """Written by the page, not by tandem."""

    def __init__(self, folder):
        self.folder, self.n, self.previous = folder, 0, bytes(32)
        folder.mkdir()
        self.bytes = b"tandem-journal1\n"

    def add(self, kind, decision_id, *fields):
        body = b"".join(struct.pack("<HI", tag, len(value)) + value for tag, value in fields)
        length = 80 + len(body) + 32
        head = struct.pack("<IIHHIQq", length, length ^ 0xFFFFFFFF, 1, kind, 0, self.n, 1739260800)
        leaf = head + bytes.fromhex(decision_id) + self.previous + body
        self.previous = hashlib.sha256(leaf).digest()
        self.bytes += leaf + self.previous
        self.n += 1
        (self.folder / "journal").write_bytes(self.bytes)

    def open(self, document):
        text = encode_canonical(document).encode()
        self.add(1, document["decision"], (2, bytes(32)), (1, text), (77, b"a later field"))

    def close(self, document):
        self.add(2, document["decision"], (2, bytes(32)), (3, b"\x01"), (4, b""), (5, bytes(8)))


def test_decisions_are_replayed_after_the_world_went_on(market, tmp_path):
    journal = Journal(tmp_path / "journal")
    market.file_case(market.NEW, *market.SUBMIT)
    documents = [market.explain("CN", *more)[1] for more in ((), ("--partner", "openai"), ("--partner", "alibaba"))]
    market.file_case(*market.APPROVE)
    documents += [market.explain("CN", *more)[1] for more in ((), ("--partner", "alibaba"), ("--partner", "two words"))]
    documents.append(market.explain("CN", feature="none")[1])
    documents.append(market.explain("CN", feature="proofread")[1])
    for document in documents:
        journal.open(document)
        journal.close(document)
    market.file_case(("withdraw", "cac", "--text", "later"))
    code, rows, err = market.replay(journal.folder)
    assert [row["result"] for row in rows] == ["same"] * len(documents), rows
    assert code == DONE and "8 decisions follow" in err


def test_a_decision_that_does_not_follow_is_seen(market, tmp_path):
    market.file_case(market.NEW, *market.SUBMIT)
    _, document, _ = market.explain("CN")
    lies = []
    for change in (
        lambda d: d.update(off=False, reason="NONE"),
        lambda d: d["refused"].pop(),
        lambda d: d["facts"].update(prompt_tokens=7, extra=1),
        lambda d: d.update(market="US"),
    ):
        lies.append(copy.deepcopy(document))
        change(lies[-1])
    journal = Journal(tmp_path / "lies")
    for lie in lies:
        journal.open(lie)
    code, rows, _ = market.replay(journal.folder)
    assert code == INTEGRITY and [row["result"] for row in rows] == ["different"] * len(lies)


def test_what_is_not_here_is_named(market, tmp_path):
    market.file_case(market.NEW, *market.SUBMIT)
    _, document, _ = market.explain("CN")
    journal = Journal(tmp_path / "journal")
    journal.open(document)
    (market.cases / f"{CASE}.json").rename(tmp_path / "away.json")
    code, rows, _ = market.replay(journal.folder)
    assert code == FAILED and rows[0]["result"] == "not_replayed" and CASE in rows[0]["text"]
    (tmp_path / "away.json").rename(market.cases / f"{CASE}.json")
    code, rows, _ = market.replay(journal.folder, "--device", market.phone("US"))
    assert code == FAILED and "device record" in rows[0]["text"]
    market.authority.change_policy("CN")
    market.authority.release("--at", FEBRUARY)
    code, rows, _ = market.replay(journal.folder)
    assert code == FAILED and "the policy" in rows[0]["text"]


def test_a_journal_that_was_changed_is_not_replayed(market, tmp_path):
    market.file_case(market.NEW)
    _, document, _ = market.explain("CN")
    journal = Journal(tmp_path / "journal")
    journal.open(document)
    (journal.folder / "journal").write_bytes(journal.bytes.replace(b'"off":true', b'"off":trve'))
    code, _, err = market.replay(journal.folder)
    assert code == INTEGRITY and "leaf 0" in err
