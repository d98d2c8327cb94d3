"""tandem proofread, rewrite, summarize, reply, prioritise by their command lines, and the endpoints beside them.

TANDEM_MODELS names the folder with Qwen2.5 Coder 0.5B's GGUF file. What the model writes is measured elsewhere; here it
is who writes what where, and what comes of bad input.
"""
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from api_fixtures import TANDEM, Daemon, weights
from conftest import ROOT

QWEN = weights("qwen2.5-coder-0.5b")
if not TANDEM.exists():
    pytest.skip(f"{TANDEM} is not built", allow_module_level=True)
if not QWEN:
    pytest.skip("no weights of the 0.5B: TANDEM_MODELS does not name their folder", allow_module_level=True)

VERBS = ["proofread", "rewrite", "summarize", "reply", "prioritise"]
TEXT = ("The report on the harbour is done. Nina asked for it on Monday, and I will send it to her at 7:30 tomorrow "
        "morning. Please tell me whether the figures of page 12 should be checked once more before that.\n")
MESSAGES = [{"role": "user", "name": "Nina", "content": "Can you send me the report by 7:30? The bank is waiting."},
            {"role": "assistant", "content": "Nearly done."},
            {"role": "user", "name": "Shop", "content": "This week all shoes are cheaper."}]
ARABIC = "هذا تقرير عن الميناء وسوف أرسله غدا صباحا إلى نينا في الساعة السابعة والنصف"

# A phone of mainland China before and after the regulator's yes; made by the demonstration's own functions.
MAKE = r"""
set -e
say() { :; }
RUN_DIR=$1; shared_cache=$1/cache; export TANDEM_PROGRAM=$2 TANDEM_DEMO_PORT=$3
TANDEM_DEMO_MODEL=$4
mkdir -p "$shared_cache"
. tools/demo.sh
make_authority
make_phone submitted CN
for action in review "approve --hypothetical"; do
    $TANDEM filing $action --quiet --case "$AUTHORITY/cases/DEMO-CN-2025-0001.json" \
        --key "$AUTHORITY/keys/regulator-CN.key" >/dev/null
done
make_phone approved CN
"""


class World:
    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "self-hosted"
        port = 20000 + os.getpid() % 20000
        subprocess.run(["bash", "-c", MAKE, "make", folder, TANDEM, str(port), QWEN], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def command(self, verb, *args, home=None, model=QWEN):
        return [TANDEM, verb, "--home", home or self.home, "-m", model, *map(str, args)]

    def run(self, verb, *args, stdin=TEXT, home=None):
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        r = subprocess.run(self.command(verb, *args, home=home), input=data, capture_output=True, timeout=300,
                           check=False)
        return r.returncode, r.stdout.decode(), r.stderr.decode()

    def phone(self, name):
        return self.folder / "phones" / name

    def refused(self, verb, *args, code, rc=1, **more):
        got, out, err = self.run(verb, *args, **more)
        assert (got, out) == (rc, ""), (got, out, err)
        assert err.rstrip().endswith(f"({code})"), err
        return err


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("verbs"))


def source_of(verb):
    return json.dumps(MESSAGES) if verb == "prioritise" else TEXT


# ---- answers ----

@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_writes_its_answer_alone_to_stdout(world, verb):
    code, out, err = world.run(verb, "--seed", "1", stdin=source_of(verb))
    if code == 1 and "(no_good_answer)" in err:  # a small model may fail its checks; then nothing is on stdout
        assert out == ""
        return
    assert code == 0, err
    assert out.endswith("\n") and out.strip() and "loading" not in out and "tokens read" not in out
    assert "tokens read" in err
    if verb == "reply":
        assert out.split("\n").count("---") == 2
    if verb == "prioritise":
        rows = [line.split("\t") for line in out.splitlines()]
        assert len(rows) == len(MESSAGES) and all(len(r) == 3 and 0 <= int(r[0]) <= 100 for r in rows)


def test_json_is_the_document_of_the_endpoint(world):
    code, out, err = world.run("rewrite", "--json", "--style", "concise", "--seed", "5")
    assert code == 0 and err == "", err
    told = json.loads(out)
    again = json.loads(world.run("rewrite", "--json", "--style", "concise", "--seed", "5")[1])
    assert told["suggestions"] == again["suggestions"] and told["decision"] != again["decision"]
    daemon = Daemon([TANDEM, "serve", "--home", world.home, "-m", QWEN, "--listen", "127.0.0.1:0"])
    try:
        daemon.wait_ready()
        status, headers, answer = daemon.post({"text": TEXT, "style": "concise", "seed": 5},
                                              path="/v1/features/rewrite")
    finally:
        daemon.stop()
    assert status == 200 and headers["x-tandem-model"] == answer["model"]
    assert set(answer) == set(told) and answer["suggestions"] == told["suggestions"]


def test_a_file_and_stdin_give_the_same(world, tmp_path):
    path = tmp_path / "text"
    path.write_text(TEXT)
    outs = {world.run("rewrite", "--quiet", "--seed", "2", *args, stdin=stdin)[1]
            for args, stdin in (([path], ""), ([], TEXT), (["-"], TEXT))}
    assert len(outs) == 1 and outs.pop().strip()


def test_quiet_says_nothing_but_the_answer(world):
    code, out, err = world.run("rewrite", "--quiet", "--draft", "off")
    assert code == 0 and out.strip() and err == ""


def test_several_suggestions_are_apart(world):
    code, out, err = world.run("rewrite", "-n", "2", "--seed", "1")
    assert code == 0 and out.split("\n").count("---") <= 1, err


def test_the_approved_phone_ends_its_answer_with_the_label(world):
    home = world.phone("approved")
    code, out, err = world.run("rewrite", "--device", home / "record.json", home=home)
    assert code == 0, err
    assert out.rstrip().endswith("DEMO-CN-2025-0001]")
    told = json.loads(world.run("rewrite", "--json", home=home)[1])
    assert told["label"]["text"].endswith("DEMO-CN-2025-0001]")
    assert told["label"]["text"] not in str(told["suggestions"])


# ---- refused by policy: exit 3 ----

def test_before_the_regulators_yes_each_verb_is_off(world):
    home = world.phone("submitted")
    for verb in VERBS:
        err = world.refused(verb, "--device", home / "record.json", code="feature_off", rc=3, home=home,
                            stdin=source_of(verb))
        assert "was submitted on 2025-02-11 and is not approved" in err


def test_a_record_that_is_none_turns_the_verbs_off(world, tmp_path):
    (tmp_path / "record").write_text("{}")
    world.refused("rewrite", "--device", tmp_path / "record", code="feature_off", rc=3, home=tmp_path / "home")


def test_a_term_of_the_markets_pack_stops_the_text(world):
    home = world.phone("approved")
    err = world.refused("rewrite", "--device", home / "record.json", code="content_filter", rc=3, home=home,
                        stdin="Please tell Nina about zorbleflux tomorrow.")
    assert "zorbleflux" not in err


# ---- bad input: exit 1, and nothing on stdout ----

@pytest.mark.parametrize("stdin,code", [
    ("", "text_too_short"), (" \n\t\n", "text_too_short"), ("a", "text_too_short"), ("word " * 200000, "text_too_long"),
    ("a" * (2 << 20), "text_too_long"), (b"\x00\x01\x02\xff" * 100, "not_text"), (b"abc\xff", "not_text"),
    (b"\x89PNG\r\n\x1a\n", "not_text"), ("bell \x07 rings", "not_text"), (ARABIC, "language_not_supported")])
def test_bad_input_is_refused_by_its_code(world, stdin, code):
    world.refused("rewrite", code=code, stdin=stdin)


@pytest.mark.parametrize("stdin,code", [
    (json.dumps(MESSAGES * 400), "text_too_long"), (json.dumps([{"role": "wizard", "content": "a"}]), "invalid_field"),
    (json.dumps({"messages": [{"role": "user", "content": "a", "colour": 1}]}), "unknown_field"),
    ("[" * 100000, "text_missing"), ('{"messages":"no"}', "text_missing"), ("Just a text.", "text_missing")])
def test_bad_messages_are_refused_by_their_code(world, stdin, code):
    world.refused("prioritise", code=code, stdin=stdin)


def test_mixed_languages_are_taken_in_the_one_that_has_more(world):
    code, out, err = world.run("rewrite", "--json", "--seed", "1", stdin=TEXT + "请在明天早上发送。")
    assert code == 0 or "(no_good_answer)" in err, err
    assert code != 0 or json.loads(out)["language"] == "en"


def test_a_missing_file_is_unreadable(world, tmp_path):
    err = world.refused("rewrite", tmp_path / "nothing", code="unreadable")
    assert "No such file" in err
    world.refused("rewrite", tmp_path, code="unreadable")


@pytest.mark.parametrize("args,says", [
    (["--style", "pirate"], "--style is pirate"), (["--styl", "x"], "--style is the nearest"),
    (["--kind", "line"], "--kind"),
    (["-n", "9"], "-n is 9"), (["-n", "0"], "-n is 0"), (["--lang", "ja"], "--lang is ja"),
    (["--draft", "maybe"], "--draft is maybe"), (["--instruction", ""], "--instruction has 0 bytes"),
    (["--instruction", "x" * 1001], "1 to 1000"), (["--seed", "x"], "--seed"), (["a", "b"], "one argument too many")])
def test_a_wrong_call_is_exit_2(world, args, says):
    code, out, err = world.run("rewrite", *args)
    assert (code, out) == (2, "") and says in err


def test_a_model_that_is_not_there_is_exit_1(world):
    r = subprocess.run(world.command("rewrite", model="nobody"), input=TEXT, capture_output=True, text=True,
                       check=False)
    assert r.returncode == 1 and r.stdout == "" and "nobody" in r.stderr


def test_suggestions_that_are_written_in_turn_take_one_place():
    d = Daemon([TANDEM, "serve", "-m", QWEN, "--listen", "127.0.0.1:0", "--parallel", "2", "--queue", "0", "--quiet"])
    try:
        d.wait_ready()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            both = [pool.submit(d.post, {"text": TEXT, "n": 3}, "/v1/features/rewrite") for _ in range(2)]
            for status, _, body in (r.result() for r in both):
                assert status == 200 and len(body["suggestions"]) == 3, body
    finally:
        d.stop()


def test_suggestions_beyond_the_slots_wait_for_them(world):
    code, out, err = world.run("rewrite", "-n", "3", "--parallel", "1")
    assert code == 0 and len(out.split("\n---\n")) == 3, err


def test_a_disk_that_is_full_is_exit_1(world):
    with open("/dev/full", "wb") as full:
        r = subprocess.run(world.command("rewrite"), input=TEXT.encode(), stdout=full, stderr=subprocess.PIPE,
                           check=False)
    assert r.returncode == 1 and b"could not be written" in r.stderr


def test_ctrl_c_cancels(world):
    p = subprocess.Popen(world.command("rewrite", "--style", "elaborate"), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p.stdin.write(TEXT * 10)
    p.stdin.close()
    assert "loading" in p.stderr.readline()
    time.sleep(2)
    begin = time.monotonic()
    p.send_signal(signal.SIGINT)
    assert p.wait(30) == 1 and time.monotonic() - begin < 10
    assert p.stdout.read() == "" and "(cancelled)" in p.stderr.read()


# ---- the daemon with a real model ----

def test_a_client_that_leaves_frees_the_engine(world):
    daemon = Daemon([TANDEM, "serve", "--home", world.home, "-m", QWEN, "--listen", "127.0.0.1:0", "--parallel", "4"])
    try:
        daemon.wait_ready()
        data = json.dumps({"text": TEXT * 20, "style": "elaborate"}).encode()
        with socket.create_connection((daemon.host, daemon.port)) as s:
            s.sendall((f"POST /v1/features/rewrite HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nContent-Type: "
                       f"application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data)
            daemon.wait_health("running", 1, 30)
        assert daemon.wait_idle(20) < 20
        status, _, answer = daemon.post({"text": ARABIC}, path="/v1/features/rewrite")
        assert status == 400 and answer["error"]["code"] == "language_not_supported"
        assert daemon.post({"text": TEXT, "style": "concise"}, path="/v1/features/rewrite")[0] in (200, 422)
    finally:
        daemon.stop()


def test_a_model_that_is_none_has_failed(world, tmp_path):
    (tmp_path / "junk.gguf").write_bytes(b"GGUF" + bytes(100))
    daemon = Daemon([TANDEM, "serve", "--home", world.home, "-m", tmp_path / "junk.gguf", "--listen", "127.0.0.1:0"])
    try:
        daemon.wait_state("failed", 20)
        status, _, answer = daemon.post({"text": TEXT}, path="/v1/features/rewrite")
        features = json.loads(daemon.get("/v1/features")[2])
    finally:
        daemon.stop()
    assert status == 503 and answer["error"]["code"] == "model_failed"
    assert {(features[v]["state"], features[v]["reason"]) for v in VERBS} == {("off", "DEVICE_FAILED")}
