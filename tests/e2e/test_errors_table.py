"""docs/formats/errors.md: every code of the table is in the sources and has its test, each of the verbs' sources is
in the table, and nothing of Apple's or ML Kit's errors is missing. No program is run."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/formats/errors.md").read_text()

APPLE = """exceededContextWindowSize assetsUnavailable guardrailViolation unsupportedGuide unsupportedLanguageOrLocale
decodingFailure rateLimited concurrentRequests refusal contextSizeExceeded deviceNotEligible appleIntelligenceNotEnabled
modelNotReady""".split()

ML_KIT = """REQUEST_PROCESSING_ERROR NOT_AVAILABLE BUSY RESPONSE_PROCESSING_ERROR REQUEST_TOO_LARGE
RESPONSE_GENERATION_ERROR PER_APP_BATTERY_USE_QUOTA_EXCEEDED BACKGROUND_USE_BLOCKED NEEDS_SYSTEM_UPDATE
REQUEST_TOO_SMALL AICORE_INCOMPATIBLE INVALID_INPUT_IMAGE CACHE_PROCESSING_ERROR NOT_ENOUGH_DISK_SPACE CANCELLED
NOT_SUPPORTED
STRUCTURED_OUTPUT_REQUEST STRUCTURED_OUTPUT_RESPONSE STRUCTURED_OUTPUT_MAX_TOKENS AUDIO_BUFFER_OVERFLOW""".split()


def rows():
    found = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in PAGE.splitlines()
             if line.startswith("| `")]
    assert len(found) > 20 and all(len(r) == 7 for r in found)
    return found


ROWS = rows()


def sources(*patterns):
    return "\n".join(p.read_text() for pattern in patterns for p in sorted((ROOT / "src").glob(pattern)))


@pytest.mark.parametrize("row", ROWS, ids=[r[0].strip("`") for r in ROWS])
def test_a_code_is_in_the_sources_and_has_a_test(row):
    code, status, http, exit_code, _, _, test = row
    assert f'"{code.strip("`")}"' in sources("api/*.c", "cli/*.c")
    if status != "the rest":
        assert f"X({status}," in (ROOT / "include/tandem/status.h").read_text()
    assert http == "-" or 400 <= int(http) < 600
    assert exit_code == "-" or 1 <= int(exit_code) <= 4
    name = re.fullmatch(r"`(test_\w+\.py)::(test_\w+)`", test)
    assert name, test
    assert re.search(rf"^def {name[2]}\(", (ROOT / "tests/e2e" / name[1]).read_text(), re.M), test


def test_every_code_that_a_verb_can_come_to_is_in_the_table():
    text = sources("api/verb_*.c", "api/api_error.c", "cli/verb_*.c")
    used = set(re.findall(r'tdm__api_refuse\(\s*&?\w+,\s*\d+,\s*"(\w+)"', text))
    assert len(used) > 15
    assert used - {r[0].strip("`") for r in ROWS} - {"no_memory", "not_ready"} == set()


def test_each_code_has_one_row():
    codes = [r[0] for r in ROWS]
    assert len(codes) == len(set(codes))


def test_nothing_of_apples_or_ml_kits_is_missing():
    words = set(re.findall(r"\w+", PAGE))
    assert set(APPLE) - words == set() and set(ML_KIT) - words == set()
