"""docs/FROM-THE-DOCUMENTS.md: every claim names a test, and every named test exists and is one that runs."""
import json
import pathlib
import re
import subprocess

import pytest

from api_fixtures import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "FROM-THE-DOCUMENTS.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines()
        if re.match(r"\| \d+ \|", line)]


@pytest.fixture(scope="module")
def meson_tests():
    text = subprocess.run(["meson", "introspect", "--tests", BUILD], capture_output=True, text=True, check=True).stdout
    return {t["name"] for t in json.loads(text)}


def test_the_table_has_a_row_for_each_number():
    assert [int(r[0]) for r in ROWS] == list(range(1, len(ROWS) + 1)) and len(ROWS) >= 25


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_a_claim_names_a_test_that_exists(row, meson_tests):
    state, named = row[-2], re.findall(r"`([^`]+)`", row[-1])
    if state == "later":
        assert not named, "what is not built has no test"
        return
    assert named, "what is built has a test"
    for name in named:
        if name.startswith("meson:"):
            assert name.removeprefix("meson:") in meson_tests, name
            continue
        file, _, function = name.partition("::")
        source = (ROOT / "tests" / "e2e" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {re.escape(function)}\(" if function else r"^def test_", source, re.M), name
