"""tandem filing and tandem device by their command lines, with real keys.

The oracle is securesystemslib: it verifies what tandem signs and signs what tandem reads, over its own canonical form.
"""

import hashlib
import json

import pytest

pytest.importorskip("securesystemslib", reason="securesystemslib is in tests/requirements.txt")
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import SSlibKey, Signature

DONE, FAILED, USAGE, REFUSED, INTEGRITY = range(5)
CASE_ID = "DEMO-CN-2025-0001"
FEBRUARY = "2025-02-11T08:00:00Z"
MODEL = "smollm2-135m-instruct-q4_1"


class Key:
    """A pair as NAME.key and NAME.pub, made outside of tandem from a fixed seed."""

    def __init__(self, folder, name):
        self.seed = hashlib.sha256(name.encode()).digest()
        self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.object = {"keytype": "ed25519", "keyval": {"public": public.hex()}, "scheme": "ed25519"}
        self.id = hashlib.sha256(encode_canonical(self.object).encode()).hexdigest()
        self.path = folder / f"{name}.key"
        self.pub = folder / f"{name}.pub"
        self.path.write_text(json.dumps({"keytype": "ed25519", "scheme": "ed25519", "seed": self.seed.hex()}))
        self.path.chmod(0o600)
        self.pub.write_text(json.dumps(self.object))

    def sign(self, body):
        sig = self.private.sign(encode_canonical(body).encode()).hex()
        return {"signed": body, "signatures": [{"keyid": self.id, "sig": sig}]}


def canonical_digest(body):
    return hashlib.sha256(encode_canonical(body).encode()).hexdigest()


class World:
    """Keys, a keyring, a document and one case; act() is one call of tandem filing."""

    def __init__(self, tandem, folder):
        self.tandem = tandem
        self.folder = folder
        self.case = folder / "case.json"
        self.document = folder / "self-assessment.pdf"
        self.document.write_bytes(b"the safety assessment")
        self.keys = {n: Key(folder, n) for n in ("maker", "provider", "regulator", "us", "stranger", "device")}
        self.keyring = folder / "keys.json"
        self.write_keyring()

    def write_keyring(self, revoked=()):
        def entry(name, role, market):
            return {
                "id": f"DEMO-{name.upper()}",
                "key": self.keys[name].object,
                "name": {"en": f"Demo {name}", "zh": name},
                "role": role,
                "markets": [market],
                "valid_from": "2025-01-01T00:00:00Z",
                "valid_to": "2035-01-01T00:00:00Z",
                "revoked": name in revoked,
                "demo": True,
            }

        keys = [entry("maker", "maker", "CN"), entry("provider", "provider", "CN")]
        keys += [entry("regulator", "regulator", "CN"), entry("us", "regulator", "US")]
        self.keyring.write_text(json.dumps({"_type": "keys", "demo": True, "keys": keys}))

    def act(self, action, *more, who=None, at=FEBRUARY, keyring=True):
        args = ["filing", action, "--case", self.case, "--at", at]
        args += ["--key", self.keys[who].path] if who else []
        args += ["--keys", self.keyring] if keyring else []
        return self.tandem.run(*args, *more)

    def new(self, *more, who="maker", **kwargs):
        options = ["--id", CASE_ID, "--market", "CN", "--feature", "assistant", "--feature", "proofread"]
        options += ["--model", MODEL, "--partner", "alibaba", "--partner-model", "qwen-max-2025-01-25"]
        options += ["--partner-date", "2025-01-25", "--maker", "DEMO-MAKER", "--provider", "Demo provider", "--demo"]
        return self.act("new", *options, *more, who=who, **kwargs)

    def make(self, *steps):
        """A new case and these steps, each (action, who)."""
        assert self.new()[0] == DONE
        for action, who in steps:
            more = ["--doc", self.document] if action == "submit" else []
            more += ["--text", "a text"] if action in ("ask", "answer") else []
            code, _, err = self.act(action, *more, who=who)
            assert code == DONE, err

    def view(self, **kwargs):
        code, out, err = self.act("show", "--json", **kwargs)
        assert code == DONE, err
        return json.loads(out)


SUBMITTED = [("submit", "maker"), ("submit", "provider")]
APPROVED = [*SUBMITTED, ("review", "regulator"), ("ask", "regulator"), ("answer", "provider"), ("approve", "regulator")]


@pytest.fixture
def world(tandem, tmp_path):
    folder = tmp_path / "world"
    folder.mkdir()
    return World(tandem, folder)


def test_a_case_goes_its_whole_way_and_each_state_is_told(world):
    code, out, err = world.new()
    assert code == DONE and out.startswith(CASE_ID) and " draft " in out and "DEMO" in out
    code, out, err = world.act("submit", "--doc", world.document, who="maker")
    assert code == DONE and " draft " in out
    assert "stays a draft: the provider's section is missing" in err
    code, out, err = world.act("submit", "--section", "provider", "--doc", world.document, who="provider")
    assert code == DONE and " submitted " in out and err == ""
    v = world.view()
    assert v["state"] == "submitted" and v["since"] == FEBRUARY and v["signers_checked"] is True
    assert v["sections"]["maker"]["documents"] == [
        {"name": "self-assessment.pdf", "bytes": 21, "sha256": hashlib.sha256(b"the safety assessment").hexdigest()}
    ]
    assert v["features"] == ["assistant", "proofread"] and v["hypothetical"] is False and v["verdict"] is None
    catalogue = json.loads(world.tandem.run("models", "--json")[1])["models"]
    sha256 = next(m["sha256"] for m in catalogue if m["name"] == MODEL)
    assert v["models"] == [
        {"partner": "", "model": MODEL, "sha256": sha256},
        {"partner": "alibaba", "model": "qwen-max-2025-01-25", "date": "2025-01-25"},
    ]
    for action, more, state in (
        ("review", [], "under_review"),
        ("ask", ["--text", "which languages?"], "under_review"),
        ("approve", ["--conditions", "adults only", "--expires", "2026-02-11T00:00:00Z"], "approved"),
        ("withdraw", ["--text", "a complaint"], "withdrawn"),
    ):
        if action == "approve":
            assert world.act("answer", "--text", "Chinese, English", who="provider")[0] == DONE
        code, out, err = world.act(action, *more, who="regulator")
        assert code == DONE and f" {state} " in out, err
    v = world.view()
    assert v["questions"][0]["answer"]["text"] == "Chinese, English"
    assert v["verdict"]["conditions"] == ["adults only"] and v["verdict"]["hypothetical"] is True
    assert v["withdrawal"]["text"] == "a complaint" and v["withdrawal"]["signer"]["id"] == "DEMO-REGULATOR"
    assert [h["action"] for h in v["history"]][-2:] == ["approve", "withdraw"]
    code, out, err = world.act("show")
    assert code == DONE and "checked against the keyring" in out and "a complaint" in out


def test_another_implementation_verifies_each_entry_and_the_chain(world):
    world.make(*APPROVED)
    previous = ""
    for entry in json.loads(world.case.read_text())["entries"]:
        body, (signature,) = entry["signed"], entry["signatures"]
        signer = body["signer"]
        key = SSlibKey(signature["keyid"], signer["keytype"], signer["scheme"], signer["keyval"])
        key.verify_signature(Signature(signature["keyid"], signature["sig"]), encode_canonical(body).encode())
        assert signature["keyid"] == canonical_digest(signer)
        assert body["previous"] == previous
        previous = canonical_digest(body)
    assert world.view()["head"] == previous


def test_an_entry_signed_elsewhere_is_read(world):
    world.make(*SUBMITTED, ("review", "regulator"))
    case = json.loads(world.case.read_text())
    body = {
        "_type": "filing-entry",
        "action": "approve",
        "case": CASE_ID,
        "conditions": ["“quoted” \\ 中文"],
        "date": "2025-02-12T00:00:00Z",
        "expires": "2025-03-12T00:00:00Z",
        "hypothetical": True,
        "market": "CN",
        "previous": canonical_digest(case["entries"][-1]["signed"]),
        "signer": world.keys["regulator"].object,
    }
    case["entries"].append(world.keys["regulator"].sign(body))
    world.case.write_text(json.dumps(case, indent=3, ensure_ascii=True))
    v = world.view(at="2025-03-11T23:59:59Z")
    assert v["state"] == "approved" and v["verdict"]["conditions"] == body["conditions"]
    v = world.view(at="2025-03-12T00:00:00Z")
    assert v["state"] == "expired" and v["since"] == "2025-03-12T00:00:00Z"
    code, _, err = world.act("withdraw", who="regulator", at="2025-03-12T00:00:00Z")
    assert code == REFUSED and "withdraw is not possible when a case is expired" in err


@pytest.mark.parametrize(
    "steps, action, who, words",
    [
        ([], "approve", "regulator", "approve is not possible when a case is draft"),
        ([], "submit", "regulator", "--section is missing"),
        (SUBMITTED, "approve", "regulator", "approve is not possible when a case is submitted"),
        (SUBMITTED, "review", "maker", "has no role that may review"),
        (SUBMITTED, "review", "us", "may not speak for market CN"),
        (SUBMITTED, "review", "stranger", "not in the keyring"),
        (SUBMITTED, "withdraw", "regulator", "has no role that may withdraw"),
        ([*SUBMITTED, ("review", "regulator")], "approve", "provider", "has no role that may approve"),
        ([*SUBMITTED, ("review", "regulator")], "answer", "maker", "no question waits"),
        (APPROVED, "withdraw", "maker", "has no role that may withdraw"),
        (APPROVED, "approve", "regulator", "approve is not possible when a case is approved"),
        ([*APPROVED, ("withdraw", "regulator")], "approve", "regulator", "not possible when a case is withdrawn"),
    ],
)
def test_what_is_not_allowed_is_refused_and_changes_nothing(world, steps, action, who, words):
    world.make(*steps)
    before = world.case.read_bytes()
    more = ["--text", "a text"] if action in ("ask", "answer") else ["--doc", world.document] * (action == "submit")
    code, out, err = world.act(action, *more, who=who)
    assert code == (USAGE if words.startswith("--") else REFUSED)
    assert words in err and out == "" and err.count("\n") == 1
    assert world.case.read_bytes() == before


def test_a_case_edited_by_hand_fails_with_or_without_a_keyring(world):
    world.make(*APPROVED)
    text = world.case.read_text()
    for old, new in (
        ('"proofread"', '"summarize"'),
        ("self-assessment", "Self-assessment"),
        ('"approve"', '"refuse"'),
        ("2025-02-11", "2025-02-10"),
    ):
        assert old in text
        world.case.write_text(text.replace(old, new, 1))
        for keyring in (True, False):
            code, out, err = world.act("show", keyring=keyring)
            assert code == INTEGRITY and out == "" and "entry" in err, err
    world.case.write_text(text[:-20])
    assert world.act("show")[0] == INTEGRITY


def test_a_forged_signer_passes_nowhere_but_without_a_keyring_which_is_said(world):
    world.make(*SUBMITTED)
    code, out, err = world.act("review", who="stranger", keyring=False)
    assert code == DONE and "signers were not checked" in err
    assert world.view(keyring=False)["signers_checked"] is False
    code, out, err = world.act("show", keyring=False)
    assert code == DONE and "not checked: no keyring was given" in out
    code, out, err = world.act("show")
    assert code == INTEGRITY and "not in the keyring" in err


def test_a_revoked_key_takes_its_case_with_it(world):
    world.make(*APPROVED)
    world.write_keyring(revoked=["regulator"])
    code, _, err = world.act("show")
    assert code == INTEGRITY and "was revoked" in err


def test_dates_go_forward_only_and_not_beyond_the_clock(world):
    world.make(*SUBMITTED)
    code, _, err = world.act("review", who="regulator", at="2025-02-11T07:59:59Z")
    assert code == INTEGRITY or code == REFUSED
    assert "lies before" in err or "in the future" in err
    code, _, err = world.act("review", who="regulator", at="2025-02-12T00:00:00Z")
    assert code == DONE
    code, _, err = world.act("show", at="2025-02-11T12:00:00Z")
    assert code == INTEGRITY and "lies in the future" in err


def test_list_shows_good_cases_and_fails_for_a_bad_one(world):
    cases = world.folder / "cases"
    cases.mkdir()
    world.make(*SUBMITTED)
    (cases / f"{CASE_ID}.json").write_bytes(world.case.read_bytes())
    code, out, _ = world.tandem.run("filing", "list", "--case", cases, "--keys", world.keyring)
    assert code == DONE and out.count("\n") == 1 and " submitted " in out
    (cases / "OTHER.json").write_text("{}")
    code, out, err = world.tandem.run("filing", "list", "--case", cases, "--keys", world.keyring, "--json")
    assert code == INTEGRITY and "OTHER.json" in err
    assert [c["id"] for c in json.loads(out)["filings"]] == [CASE_ID]
    code, out, _ = world.tandem.run("filing", "list", "--json")
    assert code == DONE and json.loads(out) == {"filings": []}


@pytest.mark.parametrize(
    "more, words",
    [
        (["--id", "CN-1"], "begin with DEMO-"),
        (["--id", "DEMO-../x"], "is not allowed"),
        (["--market", "cn"], "market"),
        (["--feature", "Assistant"], "feature 3"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "own=12"], "needs sha256"),
        (["--partner-date", "tomorrow"], "needs the date"),
        (["--text", "x"], "--text is no option"),
    ],
)
def test_a_wrong_new_is_one_sentence_and_no_file(world, more, words):
    code, out, err = world.new(*more)
    assert code in (USAGE, FAILED) and words in err and err.count("\n") == 1 and out == ""
    assert not world.case.exists()


def test_new_replaces_no_file(world):
    world.make()
    before = world.case.read_bytes()
    code, _, err = world.new()
    assert code == USAGE and "exists already" in err
    assert world.case.read_bytes() == before


# ---- device records ----


def make_device(world, *more, key="maker", sold_in="CN", expires="2026-02-11T00:00:00Z"):
    out = world.folder / "device.json"
    args = ["device", "make", "--key", world.keys[key].path, "--sku", "A3108", "--sold-in", sold_in, "--profile"]
    args += ["adult", "--device-pub", world.keys["device"].pub, "--expires", expires, "--out", out, "--demo"]
    return world.tandem.run(*args, "--at", FEBRUARY, *more), out


def verify(world, path, at=FEBRUARY):
    return world.tandem.run("device", "verify", path, "--keys", world.keyring, "--at", at, "--json")


def test_a_record_is_made_shown_and_verified_also_elsewhere(world):
    (code, out, err), path = make_device(world)
    assert (code, out, err) == (DONE, "", "")
    record = json.loads(path.read_text())
    body, (signature,) = record["signed"], record["signatures"]
    key = SSlibKey(world.keys["maker"].id, "ed25519", "ed25519", world.keys["maker"].object["keyval"])
    key.verify_signature(Signature(signature["keyid"], signature["sig"]), encode_canonical(body).encode())
    code, out, _ = verify(world, path)
    said = json.loads(out)
    assert code == DONE and said["state"] == "fine" and said["sold_in"] == "CN"
    assert said["device"] == f"DEMO-{world.keys['device'].id[:32]}" and said["sha256"] == canonical_digest(body)
    code, out, _ = world.tandem.run("device", "show", path)
    assert code == DONE and "sold in    CN" in out and "not checked" in out
    code, _, err = world.tandem.run("device", "verify", path)
    assert code == FAILED and "no keyring to verify against" in err


def test_forged_expired_early_and_foreign_records_have_their_own_exit_codes(world):
    _, path = make_device(world)
    assert verify(world, path, at="2026-02-11T00:00:00Z")[0] == REFUSED
    assert verify(world, path, at="2025-02-11T07:54:59Z")[0] == REFUSED
    text = path.read_text()
    path.write_text(text.replace('"CN"', '"US"'))
    code, out, _ = verify(world, path)
    assert code == INTEGRITY and json.loads(out)["state"] == "signature"
    path.write_text(text[: len(text) // 2])
    assert verify(world, path)[0] == INTEGRITY
    _, path = make_device(world, key="stranger")
    assert json.loads(verify(world, path)[1])["state"] == "key_unknown"
    _, path = make_device(world, key="regulator")
    assert verify(world, path)[0] == INTEGRITY
    _, path = make_device(world)
    world.write_keyring(revoked=["maker"])
    code, out, _ = verify(world, path)
    assert code == INTEGRITY and json.loads(out)["state"] == "key_revoked"


@pytest.mark.parametrize(
    "more, words",
    [
        (["--sold-in", "cn"], "two upper-case letters"),
        (["--sold-in", "CHN"], "two upper-case letters"),
        (["--profile", "teen"], "one of adult, child, managed"),
        (["--expires", "2025-02-11T08:00:00Z"], "ends before it begins"),
        (["--expires", "soon"], "soon"),
        (["--device", "0001"], "DEMO-"),
        (["--region", "US"], "--region is no option"),
    ],
)
def test_a_wrong_make_is_one_sentence_and_no_file(world, more, words):
    (code, out, err), path = make_device(world, *more)
    assert code == USAGE and words in err and err.count("\n") == 1 and out == ""
    assert not path.exists()
