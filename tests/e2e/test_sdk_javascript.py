"""OpenAI's official JavaScript SDK against the daemon, each check of tests/sdk/checks.mjs in a node of its own.

./dev test brings node by its Debian package and the SDK by tests/sdk/package-lock.json (version and hash) into
tests/sdk/node_modules. The version is the last one that has no lower bound of node above Debian 12's 18. TANDEM_NODE
names another node. Answers come from SmolLM2 (TANDEM_MODELS), refusals from the fake daemon and the demonstration.
"""
import os
import pathlib
import shutil
import subprocess

import pytest
from api_fixtures import BUILD, FAKE, TANDEM, Daemon, fake_daemon, weights
from demo_fixtures import Demo

SDK = pathlib.Path(__file__).resolve().parents[1] / "sdk"
NODE = os.environ.get("TANDEM_NODE") or shutil.which("node") or shutil.which("nodejs")
SMOL = weights("smollm2-135m")
TINY_FILE = BUILD / "tests/harness/tiny_file"

if not NODE:
    pytest.skip("no node: apt install nodejs", allow_module_level=True)
if not (SDK / "node_modules/openai").exists():
    pytest.skip("no SDK: npm ci in tests/sdk", allow_module_level=True)
if not TANDEM.exists() or not FAKE.exists():
    pytest.skip(f"{BUILD} is not built", allow_module_level=True)


def run(check, url, model="", fake=""):
    done = subprocess.run([NODE, SDK / "checks.mjs", check, url, model, fake], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and done.stdout == ""


@pytest.fixture(scope="module")
def fake():
    with fake_daemon("slots=1", "queue=0", "word_ms=5") as d:
        yield d


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    if not SMOL:
        pytest.skip("no SmolLM2 weights: TANDEM_MODELS does not name their folder")
    d = Daemon([TANDEM, "serve", "-m", SMOL, "--home", tmp_path_factory.mktemp("home"), "--listen", "127.0.0.1:0",
                "-c", "1024", "--parallel", "4"])
    yield d.wait_ready()
    assert d.stop() == 0


@pytest.mark.parametrize("check", [
    "models", "whole_and_stream", "stream_helper", "decision", "logprobs", "candidates", "abort_in_the_stream",
    "break_in_the_stream", "abort_before_the_answer", "refusals", "sixteen_at_once"])
def test_with_a_model(daemon, check):
    run(check, daemon.url, SMOL.stem)
    daemon.wait_idle(2)


@pytest.mark.parametrize("check", ["busy", "retries", "timeout", "failures"])
def test_when_it_is_busy_slow_or_broken(fake, check):
    run(check, fake.url, fake=fake.url)
    fake.wait_idle(2)


def test_before_the_model_is_there(tmp_path):
    d = Daemon([FAKE, "127.0.0.1:0", f"load_gate={tmp_path / 'never'}"])
    try:
        d.wait_state("downloading", 60)
        run("not_ready", d.url)
    finally:
        assert d.stop() == 0


@pytest.mark.skipif(not TINY_FILE.exists(), reason=f"{TINY_FILE} is not built")
def test_where_the_feature_is_not_approved(tmp_path):
    model = tmp_path / "tiny.gguf"
    subprocess.run([TINY_FILE, model, "512"], check=True)
    demo = Demo(tmp_path, 19200, TANDEM_DEMO_MODEL=str(model))
    try:
        demo.wait_ready()
        run("feature_off", demo.left.url)
    finally:
        demo.stop()
