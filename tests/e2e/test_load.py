"""Load tools that others wrote against the daemon, and our own meter of streams: everything is answered.

Speed is printed by ./dev load and judged by people on a quiet machine; here it is that no request fails and no stream
is left behind. GuideLLM comes into .venv-load (./dev test --long), wrk from its Debian package; TANDEM_GUIDELLM and
TANDEM_WRK name others.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from api_fixtures import BUILD, ROOT, TANDEM, Daemon, weights

sys.path.insert(0, str(ROOT / "tools"))
import load_compare  # noqa: E402
import load_streams  # noqa: E402

TINY_FILE = BUILD / "tests/harness/tiny_file"
GUIDELLM = pathlib.Path(os.environ.get("TANDEM_GUIDELLM", ROOT / ".venv-load/bin/guidellm"))
WRK = os.environ.get("TANDEM_WRK") or shutil.which("wrk")
SMOL = weights("smollm2-135m")

if not TANDEM.exists() or not TINY_FILE.exists():
    pytest.skip(f"{BUILD} is not built", allow_module_level=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([TINY_FILE, folder / "tiny.gguf", "2048"], check=True)
    d = Daemon([TANDEM, "serve", "-m", folder / "tiny.gguf", "--home", folder, "--listen", "127.0.0.1:0",
                "--parallel", "16"])
    yield d.wait_ready()
    assert d.stop() == 0


@pytest.fixture(scope="module")
def smol(tmp_path_factory):
    if not SMOL:
        pytest.skip("no SmolLM2 weights: TANDEM_MODELS does not name their folder")
    d = Daemon([TANDEM, "serve", "-m", SMOL, "--home", tmp_path_factory.mktemp("home"), "--listen", "127.0.0.1:0",
                "-c", "1024", "--parallel", "16"])
    yield d.wait_ready()
    assert d.stop() == 0


@pytest.mark.parametrize("how", [{}, {"prompt_words": 60, "stagger_ms": 30}], ids=["together", "staggered"])
def test_sixteen_streams_are_all_served(tiny, how):
    report = load_streams.measure(tiny.url, 16, 1, 200, **how)[0]
    assert report["faults"] == [] and len(report["rows"]) == 16
    for row in report["rows"]:
        assert 0 < row["tokens"] <= 200 and row["gap_max_ms"] >= row["gap_median_ms"] >= 0
    assert report["tokens"] == sum(row["tokens"] for row in report["rows"])
    tiny.wait_idle(2)


def test_the_meter_tells_a_server_that_refuses(tiny):
    report = load_streams.measure(tiny.url, 3, 1, 8, model="another")[0]
    assert len(report["faults"]) == 3 and "404" in report["faults"][0]


@pytest.mark.long
@pytest.mark.skipif(not WRK, reason="no wrk: apt install wrk")
@pytest.mark.parametrize("path,n", [("/healthz", 64), ("/v1/models", 200), ("/metrics", 16)])
def test_wrk_gets_an_answer_every_time(tiny, path, n):
    done = subprocess.run([WRK, "-t", "2", "-c", str(n), "-d", "5s", tiny.url + path], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    print(re.search(r"Requests/sec:.*", done.stdout)[0])
    assert "Non-2xx" not in done.stdout, done.stdout
    # every thousandth request is the last one on its connection, which wrk may count as a read error
    found = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
    n_requests = int(re.search(r"(\d+) requests in", done.stdout)[1])
    if found:
        connect, read, write, late = map(int, found.groups())
        assert connect == write == late == 0 and read <= n_requests / 1000 + n, done.stdout


@pytest.mark.long
@pytest.mark.skipif(not GUIDELLM.exists(), reason=f"{GUIDELLM} is not there: ./dev test --long brings it")
def test_guidellm_has_no_failed_request(smol, tmp_path):
    options = load_compare.argparse.Namespace(guidellm=GUIDELLM, streams=16, max_tokens=32)
    figures = load_compare.guidellm(options, smol.url, tmp_path)
    print(json.dumps(figures))
    assert figures["requests"]["errored"] == 0 and figures["requests"]["successful"] >= 32
    assert figures["tokens_per_s"] > 0
    smol.wait_idle(2)
