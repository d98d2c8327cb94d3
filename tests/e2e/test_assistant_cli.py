"""tandem assistant and tandem consent by their command lines: a US phone of the demonstration and ChatGPT's stand-in.

TANDEM_MODELS names the folder with SmolLM2's GGUF file.
"""

import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from api_fixtures import TANDEM, weights
from conftest import ROOT

SMOL = weights("smollm2-135m")
if not TANDEM.exists():
    pytest.skip(f"{TANDEM} is not built", allow_module_level=True)
if not SMOL:
    pytest.skip("no SmolLM2 weights: TANDEM_MODELS does not name their folder", allow_module_level=True)

ASKING = "ask ChatGPT for a word"

# The authority and the phone are made by the demonstration's own functions.
MAKE = r"""
set -e
say() { :; }
RUN_DIR=$1; shared_cache=$1/cache; export TANDEM_PROGRAM=$2 TANDEM_DEMO_PORT=$3
TANDEM_DEMO_MODEL=$4
mkdir -p "$shared_cache"
. tools/demo.sh
make_authority
make_phone phone US
"""


class World:
    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "phones" / "phone"
        self.log = folder / "requests.jsonl"
        self.faults = folder / "faults"
        self.faults.mkdir()
        port = 20000 + os.getpid() % 20000
        subprocess.run(["bash", "-c", MAKE, "make", folder, TANDEM, str(port), SMOL], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
        endpoint = (folder / "authority/in/markets/US/partners/openai.yaml").read_text()
        port = re.search(r"port: (\d+)", endpoint).group(1)
        self.stderr = open(folder / "stderr", "w", encoding="utf-8")
        self.emulator = subprocess.Popen(
            [TANDEM, "emulate", f"openai@{port}", "-m", SMOL, "--home", folder / "emulator", "--log", self.log,
             "--faults", self.faults], stdout=self.stderr, stderr=self.stderr)
        deadline = time.monotonic() + 60
        while "ready:" not in (folder / "stderr").read_text():
            assert self.emulator.poll() is None and time.monotonic() < deadline, (folder / "stderr").read_text()
            time.sleep(0.05)

    def stop(self):
        self.emulator.terminate()
        self.emulator.wait(30)
        self.stderr.close()

    def command(self, name, *args):
        return [TANDEM, name, "--home", self.home, *args]

    def run(self, name, *args, stdin=""):
        r = subprocess.run(self.command(name, *args), input=stdin, capture_output=True, text=True, timeout=120,
                           check=False)
        return r.returncode, r.stdout, r.stderr

    def assistant(self, *args, stdin=""):
        return self.run("assistant", "-m", SMOL, "-n", "24", *args, stdin=stdin)

    def seen(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("assistant"))
    code, _, err = w.run("assistant", "--device", w.home / "record.json", "-m", SMOL, "-n", "4", "-p", "Hello")
    assert code == 0, err
    yield w
    w.stop()


@pytest.fixture(autouse=True)
def as_a_stranger(world):
    (world.faults / "openai.fault").unlink(missing_ok=True)
    assert world.run("consent", "revoke")[0] == 0


def events(out):
    return [json.loads(line) for line in out.splitlines()]


def test_an_offer_without_consent_sends_nothing_and_is_exit_3(world):
    before = len(world.seen())
    code, out, err = world.assistant("-p", ASKING)
    assert (code, out) == (3, "")
    assert "ChatGPT" in err and "EMULATED" in err and f'"content":"{ASKING}"' in err
    assert len(world.seen()) == before


def test_once_sends_the_bytes_of_the_sheet_and_gives_a_receipt_for_them(world):
    before = len(world.seen())
    code, out, err = world.assistant("--json", "-p", ASKING, "--consent", "once")
    assert code == 0, err
    told = events(out)
    offer = next(e["data"] for e in told if e["event"] == "offer")
    receipt = next(e["data"] for e in told if e["event"] == "receipt")
    seen = world.seen()[before:]
    assert len(seen) == 1
    body = offer["leaves"]["body"].encode()
    assert hashlib.sha256(body).hexdigest() == offer["leaves"]["sha256"] == receipt["sha256_sent"] == seen[0]["sha256"]
    assert len(body) == offer["leaves"]["bytes"] == receipt["bytes_sent"] == seen[0]["bytes"]
    assert json.loads(body)["messages"] == [{"role": "user", "content": ASKING}]
    assert told[-1]["event"] == "done" and told[-1]["data"]["state"] == "answered" and told[-1]["data"]["emulated"]
    assert json.loads(world.run("consent", "list", "--json")[1]) == {"consents": []}


def test_never_is_kept_and_the_device_answers_from_then_on(world):
    before = len(world.seen())
    assert world.assistant("-p", ASKING, "--consent", "never")[0] == 3
    code, out, err = world.assistant("-p", ASKING)
    assert code == 0 and "EMULATED" not in out
    assert "never to ChatGPT" in err
    assert len(world.seen()) == before


def test_always_asks_no_more_until_it_is_revoked(world):
    assert world.assistant("-p", ASKING, "--consent", "always")[0] == 0
    row = json.loads(world.run("consent", "list", "--json")[1])["consents"][0]
    assert (row["partner"], row["feature"], row["mode"], row["model"]) == ("openai", "assistant", "always", "gpt-4o")
    code, out, _ = world.assistant("-p", ASKING)
    assert code == 0 and "EMULATED" in out
    assert world.run("consent", "revoke", "--partner", "openai")[0] == 0
    assert world.assistant("-p", ASKING)[0] == 3


def test_the_owner_is_asked_in_a_conversation_and_silence_is_no(world):
    before = len(world.seen())
    code, out, _ = world.assistant("--quiet", stdin=f"{ASKING}\ny\n")
    assert code == 0 and "EMULATED" in out
    assert len(world.seen()) == before + 1
    for answer in ("", "\n", "n\n", "yes please\n"):
        code, out, _ = world.assistant("--quiet", stdin=f"{ASKING}\n{answer}")
        assert (code, out) == (3, ""), answer
    assert len(world.seen()) == before + 1


def test_another_process_takes_the_consent_back_while_the_partner_answers(world):
    (world.faults / "openai.fault").write_text("slow")  # its first word comes after three seconds
    command = world.command("assistant", "-m", SMOL, "-n", "24", "--json", "-p", ASKING, "--consent", "always")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as p:
        told = []
        for line in p.stdout:
            told.append(json.loads(line))
            if told[-1]["event"] == "decision" and len(told) > 1:
                time.sleep(1)  # the question is there, the answer is not
                assert world.run("consent", "revoke")[0] == 0
        assert p.wait(60) == 1, told
    names = [e["event"] for e in told]
    assert names == ["decision", "offer", "done", "decision", "receipt", "error", "done"]
    assert told[4]["data"]["outcome"] == "cancelled"
    assert told[5]["data"]["code"] == "consent_revoked"
    assert told[6]["data"]["state"] == "failed" and told[6]["data"]["reason"] == "CONSENT_REVOKED"


def test_a_partner_that_does_not_answer_is_stood_in_for(world):
    (world.faults / "openai.fault").write_text("html")
    code, out, err = world.assistant("-p", ASKING, "--consent", "once")
    assert code == 0 and out.strip() and "EMULATED" not in out
    assert "partner_not_api" in err and "ChatGPT did not answer" in err


def test_what_is_wrong_with_a_consent_is_said(world):
    for args, code, says in [
        (("grant", "--partner", "openai", "--feature", "assistant", "--mode", "once"), 2, "belongs to one question"),
        (("grant", "--partner", "openai", "--feature", "assistant", "--mode", "yes"), 2, "always or never"),
        (("grant", "--partner", "openai"), 2, "needs --partner"),
        (("grant", "--partner", "alibaba", "--feature", "assistant", "--mode", "always"), 1, "no partner alibaba"),
        (("forget",), 2, "list, grant or revoke"),
    ]:
        got, _, err = world.run("consent", *args)
        assert got == code and says in err, (args, got, err)
    assert world.run("consent", "grant", "--partner", "openai", "--feature", "assistant", "--mode", "always")[0] == 0
    assert world.assistant("-p", ASKING)[0] == 0


def test_a_damaged_file_of_consents_is_named_and_nothing_is_sent(world):
    path = world.home / "state" / "usage.sqlite"
    good, before = path.read_bytes(), len(world.seen())
    try:
        path.write_bytes(b"x" * len(good))
        for name, args in (("consent", ["list"]), ("assistant", ["-m", SMOL, "-p", ASKING, "--consent", "once"])):
            code, _, err = world.run(name, *args)
            assert code == 4 and "usage.sqlite is damaged" in err, err
        assert path.read_bytes() == b"x" * len(good)
    finally:
        path.write_bytes(good)
    assert len(world.seen()) == before
