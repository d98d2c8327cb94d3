"""A standard stream that is closed fails as that stream: no file of tandem's takes its place."""
import subprocess

import pytest

from api_fixtures import TANDEM, weights

SMOL = weights("smollm2-135m")
if not TANDEM.exists() or not SMOL:
    pytest.skip("needs build/tandem and the SmolLM2 weights (TANDEM_MODELS)", allow_module_level=True)


def run(redirection, *args):
    return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', TANDEM, *args], input="", capture_output=True,
                          text=True, timeout=60)


def test_the_model_is_not_read_as_a_closed_stdin():
    r = run("<&-", "tokenize", "-m", SMOL)
    assert r.returncode == 1 and r.stdout == ""
    assert r.stderr.startswith("tandem tokenize: stdin") and r.stderr.count("\n") == 1


def test_a_closed_stdout_is_a_failure():
    r = run(">&-", "info", SMOL)
    assert r.returncode == 1 and r.stderr.count("\n") == 1


def test_a_closed_stderr_changes_nothing():
    r = run("2>&-", "info", SMOL)
    assert r.returncode == 0 and r.stdout
