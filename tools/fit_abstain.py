#!/usr/bin/env python3
"""Thresholds of the abstain rule (src/feature/abstain.h), from the items in tests/golden/abstain.

    fit_abstain.py measure --tandem build/tandem --model FILE --name NAME   runs a model over the items, greedily, and
                                                                            writes tests/golden/abstain/NAME.jsonl
    fit_abstain.py fit [NAME..]                                             thresholds and rates, from those files alone

The labels were decided by the kind of the question before any model saw it. Thresholds are fitted on the half "train"
and the rates are counted on the half "test". A false offer is an answerable question for which a partner is offered; a
miss is an unanswerable one that the device's model answers. Fitted is what makes misses + false offers (as shares)
least among all rules whose false offers on "train" are at most OFFERS_MAX: people forgive a model that is wrong
sooner than one that keeps asking. Answers that decline in words (the table in src/feature/abstain.c) are offered
whatever the thresholds say; they are counted apart.
"""

import argparse
import hashlib
import itertools
import json
import math
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "golden" / "abstain"
TOKENS = 24  # TDM__ABSTAIN_TOKENS
TOP = 5
OFFERS_MAX = 0.15
PORT = 18733


def items():
    rows = [json.loads(line) for line in (FOLDER / "items.jsonl").read_text().splitlines()]
    for row in rows:
        half = "train" if hashlib.sha256(row["text"].encode()).digest()[0] % 2 == 0 else "test"
        assert row["half"] == half, row["id"]
    return rows


def ask(text):
    body = {
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": TOKENS,
        "logprobs": True,
        "top_logprobs": TOP,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["choices"][0]


def wait_until_ready(seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/v1/models", timeout=5) as answer:
                if answer.status == 200 and ask("Hi"):
                    return
        except OSError:
            time.sleep(0.2)
    sys.exit("the model was not ready in time")


def measure(tandem, model, name):
    serve = [tandem, "serve", "-m", model, "--listen", f"127.0.0.1:{PORT}"]
    daemon = subprocess.Popen(serve, stdout=subprocess.DEVNULL)
    try:
        wait_until_ready()
        with open(FOLDER / f"{name}.jsonl", "w", encoding="utf-8") as out:
            for item in items():
                choice = ask(item["text"])
                tokens = choice["logprobs"]["content"]
                row = {
                    "id": item["id"],
                    "text": choice["message"]["content"],
                    "logprobs": [round(t["logprob"], 3) for t in tokens],
                    "top": [[round(p["logprob"], 3) for p in t["top_logprobs"]] for t in tokens],
                }
                out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    finally:
        daemon.terminate()
        daemon.wait()


def entropy(top):
    """Of the candidates that are known, in nats; what they leave of 1 counts as one more candidate."""
    probabilities = [math.exp(p) for p in top]
    probabilities.append(max(0.0, 1.0 - sum(probabilities)))
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def features(row):
    """Mean and least logprob, mean entropy, and whether the answer declines."""
    n = len(row["logprobs"])
    if n == 0:
        return (0.0, 0.0, 0.0, False)
    return (
        sum(row["logprobs"]) / n,
        min(row["logprobs"]),
        sum(entropy(t) for t in row["top"]) / n,
        declines(row["text"]),
    )


def openers():
    source = (ROOT / "src" / "feature" / "abstain.c").read_text(encoding="utf-8")
    table = re.search(r"decline_openers\[\] = \{(.*?)\};", source, re.DOTALL).group(1)
    return re.findall(r'"([^"]+)"', table)


def declines(text):
    return any(text.lstrip(" \n").lower().startswith(o) for o in openers())


def abstains(rule, f):
    return f[3] or f[0] < rule[0] or f[1] < rule[1] or f[2] > rule[2]


def wilson(k, n, z=1.96):
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


def rates(rule, rows):
    good = [f for is_answerable, f in rows if is_answerable]
    bad = [f for is_answerable, f in rows if not is_answerable]
    return sum(abstains(rule, f) for f in good), len(good), sum(not abstains(rule, f) for f in bad), len(bad)


def candidates(values, is_max, n=40):
    """Thresholds halfway between neighbours, thinned out to n, and one that never abstains."""
    v = sorted(set(values))
    between = [(a + b) / 2 for a, b in itertools.pairwise(v)]
    thin = between[:: max(1, len(between) // n)]
    return thin + [math.inf if is_max else -math.inf]


def fit(rows):
    """Over what the words have not decided; equally good rules differ in how many thresholds they need."""
    rows = [(a, f) for a, f in rows if not f[3]]
    columns = list(zip(*(f for _, f in rows)))
    best = None
    for rule in itertools.product(
        candidates(columns[0], False), candidates(columns[1], False), candidates(columns[2], True)
    ):
        offers, n_good, misses, n_bad = rates(rule, rows)
        if offers / n_good > OFFERS_MAX:
            continue
        # among equals the one with fewer thresholds, then with fewer offers
        key = (offers / n_good + misses / n_bad, sum(map(math.isfinite, rule)), offers)
        if best is None or key < best[0]:
            best = (key, rule)
    return best[1]


def show(name):
    half, labels = {}, {}
    for item in items():
        half[item["id"]], labels[item["id"]] = item["half"], item["answerable"]
    rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
    parts = {h: [(labels[r["id"]], features(r)) for r in rows if half[r["id"]] == h] for h in ("train", "test")}
    rule = fit(parts["train"])
    rounded = tuple(round(x, 3) if math.isfinite(x) else x for x in rule)
    print(f"{name}: mean_logprob_min {rounded[0]} least_logprob_min {rounded[1]} entropy_max {rounded[2]}")
    for part in ("train", "test"):
        said = [a for a, f in parts[part] if f[3]]
        print(f"  {part:5} declined in words: {sum(said)} answerable, {len(said) - sum(said)} unanswerable")
        offers, n_good, misses, n_bad = rates(rounded, parts[part])
        for what, k, n in (("false offers", offers, n_good), ("misses", misses, n_bad)):
            low, high = wilson(k, n)
            print(f"  {part:5} {what:12} {k:3} of {n:3} = {k / n:6.1%}  (95%: {low:.1%} to {high:.1%})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    m = verbs.add_parser("measure")
    m.add_argument("--tandem", required=True)
    m.add_argument("--model", required=True)
    m.add_argument("--name", required=True)
    f = verbs.add_parser("fit")
    f.add_argument("names", nargs="*")
    a = parser.parse_args()
    if a.verb == "measure":
        measure(a.tandem, a.model, a.name)
    for name in a.names if a.verb == "fit" and a.names else sorted(
        p.stem for p in FOLDER.glob("*.jsonl") if p.stem != "items"
    ):
        show(name)


if __name__ == "__main__":
    main()
