"""The soak for half a minute, on the tiny model: that it runs, watches and judges. The hours are ./dev soak's."""
import subprocess
import sys
import xml.etree.ElementTree

import pytest
import watch
from api_fixtures import BUILD, ROOT, TANDEM
from test_chaos import SANITIZED, TINY_FILE

if not TANDEM.exists() or not TINY_FILE.exists():
    pytest.skip(f"{BUILD} is not built", allow_module_level=True)


@pytest.mark.skipif(SANITIZED, reason="freed blocks wait in quarantine there: memory grows")
def test_the_soak_runs_and_draws(tmp_path):
    model = tmp_path / "tiny.gguf"
    subprocess.run([TINY_FILE, model, "2048"], check=True)
    done = subprocess.run([sys.executable, ROOT / "tests/soak/soak.py", "--hours", "0.008", "--pause", "0.3",
                           "--model", model, "--out", tmp_path], capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len((tmp_path / "soak.csv").read_text().splitlines()) > 10
    drawn = xml.etree.ElementTree.parse(tmp_path / "soak.svg").getroot()
    assert len(drawn.findall(".//{*}polyline")) == 6  # two phones, three figures


def test_what_grows_is_seen_and_what_jumps_once_is_not():
    w = watch.Watch({})
    w.rows = [{"t_s": t, "flat": 100 + t % 3, "grows": 100 + 2 * t, "jumps": 100 + 900 * (t == 70)} for t in range(100)]
    assert abs(w.growth("flat")) < 0.05 and abs(w.growth("jumps")) < 0.01
    assert abs(w.growth("grows") - 2) < 0.01
