"""A whole life of the C library in which one system call fails: tests/fault/journey.c under tests/fault/fault_shim.c.

Each call of the journey that reads, writes, opens, maps, syncs or starts a thread fails once, some of them in the fast
run. What must be: no crash, no hang, nothing leaked, no error without a sentence, no success with another answer; and
the next life in the same folder is as ever.
"""

import errno
import json
import os
import shutil
import subprocess

import pytest
from conftest import BUILD, LONG

FOLDER = BUILD / "tests" / "fault"
SANITIZED = bool(os.environ.get("TANDEM_SANITIZED"))
SECONDS_MAX = 300 if SANITIZED else 60
POINTS = int(os.environ.get("TANDEM_FAULT_POINTS", 300 if LONG else 3))  # of each call at most

ERRNO = {
    "open64": errno.EMFILE,
    "read": errno.EIO,
    "pread64": errno.EIO,
    "write": errno.ENOSPC,
    "pwrite64": errno.ENOSPC,
    "mmap64": errno.ENOMEM,
    "fstat64": errno.EIO,
    "opendir": errno.EACCES,
    "fsync": errno.EIO,
    "fdatasync": errno.EIO,
    "ftruncate64": errno.EIO,
    "rename": errno.EIO,
    "mkdir": errno.ENOSPC,
    "mkostemp64": errno.ENOSPC,
    "fchmod": errno.EPERM,
    "fopen64": errno.EMFILE,
    "getrandom": errno.ENOSYS,
    "pthread_create": errno.EAGAIN,
    "malloc": errno.ENOMEM,
}
WRITES = {"open64", "write", "pwrite64", "fsync", "fdatasync", "ftruncate64", "rename", "mkdir", "mkostemp64", "fchmod"}


def preload():
    """AddressSanitizer wants to be the first library."""
    libraries = [str(FOLDER / "fault_shim.so")]
    if SANITIZED:
        found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        libraries.insert(0, found.stdout.strip())
    return " ".join(libraries)


def live(state, **fault):
    env = {**os.environ, "LD_PRELOAD": preload(), **{k: str(v) for k, v in fault.items()}}
    r = subprocess.run(
        [FOLDER / "fault_journey", FOLDER / "fault.gguf", state],
        env=env,
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert r.returncode in (0, 1), f"ended by {r.returncode}: {r.stderr.decode(errors='replace')[-2000:]}"
    return json.loads(r.stdout)


class Usual:
    """The journey without a failure: what it says, and how often it calls what."""

    def __init__(self, folder):
        self.used = folder / "used"
        counts = folder / "counts"
        self.end = live(self.used)
        self.again = live(self.used, FAULT_COUNTS=counts)
        self.of_used = self.read(counts)
        live(folder / "fresh", FAULT_COUNTS=counts)
        self.of_fresh = self.read(counts)

    @staticmethod
    def read(counts):
        return {name: int(n) for name, n in (line.split() for line in counts.read_text().splitlines())}


@pytest.fixture(scope="session")
def usual(tmp_path_factory):
    for name in ("fault_journey", "fault_shim.so", "fault.gguf"):
        if not (FOLDER / name).exists():
            pytest.skip(f"{FOLDER / name} is not built")
    return Usual(tmp_path_factory.mktemp("usual"))


def points(n):
    return range(1, n + 1) if n <= POINTS else sorted({1 + i * (n - 1) // (POINTS - 1) for i in range(POINTS)})


def test_the_journey_is_the_same_each_time(usual):
    assert usual.end["wrong"] == usual.again["wrong"] == ""
    assert usual.end == usual.again
    assert usual.end["answer"]


@pytest.mark.parametrize("folder", ["fresh", "used"])
@pytest.mark.parametrize("call", sorted(ERRNO))
def test_one_call_fails(usual, tmp_path, call, folder):
    if call == "malloc" and SANITIZED:
        pytest.skip("the sanitizer has an allocator of its own; fault_allocations does this there")
    counts = usual.of_fresh if folder == "fresh" else usual.of_used
    for at in points(counts[call]):
        state = tmp_path / f"{at}"
        if folder == "used":
            shutil.copytree(usual.used, state)
        end = live(state, FAULT_CALL=call, FAULT_AT=at, FAULT_ERRNO=ERRNO[call])
        told = f"{call} number {at} of {counts[call]}: {end['first_failure']}"
        assert end["wrong"] == "", told
        if end["failures"] == usual.end["failures"]:
            assert end["answer"] == usual.end["answer"], told
        if LONG or call in WRITES:
            assert live(state) == usual.end, told  # the next life
        shutil.rmtree(state)
