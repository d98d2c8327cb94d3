"""What all end-to-end tests share: the program under test and a home of its own.

TANDEM_BUILD names the build folder (default: build), TANDEM_MODELS a folder of real weights, TANDEM_LONG is set for the
long ones. Tests that miss something skip with the reason. Each home is a test's own, but the packed weights are shared
by all homes of a session, in a folder that goes at its end (TANDEM_PACKED, unless the caller has set it): packing a
model takes seconds and as many bytes as it has.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build"))
LONG = bool(os.environ.get("TANDEM_LONG"))


def pytest_configure(config):
    if "TANDEM_PACKED" not in os.environ:
        os.environ["TANDEM_PACKED"] = config.tandem_packed = tempfile.mkdtemp(prefix="tandem-packed-")
    config.addinivalue_line("markers", "long: runs only in ./dev test --long")


def pytest_unconfigure(config):
    if folder := getattr(config, "tandem_packed", None):
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ["TANDEM_PACKED"]


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("long") and not LONG:
            item.add_marker(pytest.mark.skip(reason="a long one: ./dev test --long"))


class Tandem:
    """The program with a home of its own; run() gives exit code, stdout and stderr as text."""

    def __init__(self, home):
        self.program = BUILD / "tandem"
        self.home = home
        self.models = home / "cache" / "models"
        self.env = {**os.environ, "TANDEM_HOME": str(home)}

    def run(self, *args, timeout=60, env=None):
        r = subprocess.run(
            [self.program, *map(str, args)],
            env={**self.env, **(env or {})},
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return r.returncode, r.stdout, r.stderr

    def start(self, *args, env=None):
        return subprocess.Popen(
            [self.program, *map(str, args)],
            env={**self.env, **(env or {})},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def tandem(tmp_path):
    program = Tandem(tmp_path / "home")
    if not program.program.exists():
        pytest.skip(f"{program.program} is not built")
    return program
