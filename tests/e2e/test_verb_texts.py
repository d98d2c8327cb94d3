"""The verbs on the texts of tests/e2e/texts with real weights, checked by what tools/verb_table.py knows of texts.

Fast: a few texts on the 0.5B. --long: all of them on the 0.5B and the 1.5B, with the bar of proofreading on the 1.5B;
the results stay in the build folder.
"""

import argparse
import json
import os
import pathlib
import sys

import pytest

from conftest import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import seed_typos  # noqa: E402
import verb_table  # noqa: E402

MODELS = pathlib.Path(os.environ.get("TANDEM_MODELS", "/nowhere"))
SMALL = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
LARGE = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
FAST_TEXTS = "en-chat-dinner,en-notify-evening,zh-notify-evening,zh-chat-class"


def run(model, out, ids="", verbs=",".join(verb_table.VERBS)):
    """The rows of the table."""
    if not (MODELS / model).exists():
        pytest.skip(f"{model} is not in TANDEM_MODELS")
    if not (BUILD / "tandem").exists():
        pytest.skip("the program is not built")
    verb_table.run(
        argparse.Namespace(
            tandem=BUILD / "tandem", m=str(MODELS / model), texts=verb_table.TEXTS, ids=ids, verbs=verbs,
            option=[], out=out
        )
    )
    return [json.loads(line) for line in out.read_text().splitlines()]


def judged(rows):
    """(row, passed, why) of each."""
    items = verb_table.texts()
    return [(r, *verb_table.judge(items[r["id"]], r)[:2]) for r in rows]


def hard_failures(rows):
    """Texts that were released and have a flaw that a verb promises to find: whatever the model, there are none."""
    promised = {"language", "talk", "numbers", "addresses", "length", "edits", "three", "different"}
    return [(r["verb"], r["id"], why) for r, ok, why in judged(rows) if not ok and promised & set(why.split(", "))]


def test_the_texts_and_their_errors_are_what_the_program_for_errors_makes():
    items = verb_table.texts()
    assert len(items) == 30 and sum(i["lang"] == "zh" for i in items.values()) == 15
    for item in items.values():
        assert seed_typos.restore(item["seeded"], item["typos"]) == item["text"]
        talks = item["source"] in ("chat", "notifications")
        assert (item["seeded"], item["typos"]) == seed_typos.seed_text(item["text"], item["lang"], 1, None, talks)


def test_the_score_counts_what_is_fixed_and_what_is_changed():
    item = {"seeded": "I hav a blue cat hear.", "typos": [{"at": 2, "wrong": "hav", "right": "have"},
                                                         {"at": 17, "wrong": "hear", "right": "here"}]}  # fmt: skip
    assert verb_table.score_proofread(item, "I have a blue cat here.") == (2, 2, 0, 4)
    assert verb_table.score_proofread(item, "I hav a blue cat hear.") == (0, 2, 0, 4)
    assert verb_table.score_proofread(item, "I have a red cat hear.") == (1, 2, 1, 4)


def test_what_is_released_keeps_its_promises(tmp_path):
    rows = run(SMALL, tmp_path / "fast.jsonl", FAST_TEXTS, "summarize,reply,prioritise,rewrite")
    assert len(rows) == 12
    assert hard_failures(rows) == []
    answered = [r for r in rows if r["answer"].get("suggestions")]
    assert len(answered) * 4 >= len(rows) * 3, [(r["verb"], r["id"], r["answer"]) for r in rows if r not in answered]


@pytest.mark.long
@pytest.mark.parametrize("model", [SMALL, LARGE])
def test_all_texts_keep_the_promises(model):
    out = BUILD / f"verbs-{model}.jsonl"
    out.unlink(missing_ok=True)
    rows = run(model, out)
    assert hard_failures(rows) == []


@pytest.mark.long
def test_proofreading_on_the_larger_model_fixes_half_and_leaves_the_rest():
    items = verb_table.texts()
    rows = [r for r in run(LARGE, BUILD / f"verbs-{LARGE}.jsonl", verbs="proofread") if r["verb"] == "proofread"]
    scores = [verb_table.score_proofread(items[r["id"]], r["answer"]["suggestions"][0]["text"]) for r in rows]
    fixed, errors, changed, others = map(sum, zip(*scores))
    assert fixed * 100 >= errors * 50, (fixed, errors)
    assert changed * 100 <= others * 5, (changed, others)
