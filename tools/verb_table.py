#!/usr/bin/env python3
"""Runs every verb on the texts of tests/e2e/texts, checks what comes, and makes docs/verbs-table.md.

    verb_table.py run --tandem PROGRAM -m MODEL [--texts DIR] [--ids A,B] [--verbs V,W] OUT.jsonl  (goes on with it)
    verb_table.py table OUT.jsonl.. > docs/verbs-table.md
    verb_table.py others --seed N --texts DIR OUT_DIR      the same texts with other errors

The checks are written anew here and share nothing with the program: numbers, names, addresses, language, length, talk
around the text, likeness of replies, and how many of the seeded errors are gone. A verb that says it has no good answer
(no_good_answer) counts as "none", not as passed.
"""

import argparse
import difflib
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import seed_typos  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEXTS = ROOT / "tests/e2e/texts"
INTRODUCTION = """Made by `tools/verb_table.py`, which has the checks;
the texts: [tests/e2e/texts](../tests/e2e/texts/README.md).
Greedy or with fixed seeds, so the same build gives the same texts on every machine. How the verbs work and what they
cannot see: [internals/verbs.md](internals/verbs.md)."""
LEGEND = """"none": the verb itself said that no text passed its checks. "not run": not yet. Proofread has
"errors gone / seeded, other words changed / other words", rewrite and summarize the length in per cent of the
source's."""
VERBS = ["prioritise", "summarize", "reply", "rewrite", "proofread"]
TALK = re.compile(
    r"^\W*((sure|certainly|of course)[,!.]? here|here is|here's|here are|below is|the (corrected|rewritten) text|"
    r"summary:|以下是|下面是|好的，以下|当然，以下|改写后|修改后|校对后|摘要：|总结：)",
    re.I,
)
ADDRESS = re.compile(r"https?://[!-~]*[\w/]|www\.[!-~]*[\w/]|[\w.]+@[\w.]+\w|@\w+", re.ASCII)
NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
HAN = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[A-Za-z0-9]+(?:['’.:,-][A-Za-z0-9]+)*|[\u3400-\u9fff]|[^\sA-Za-z0-9]")


def texts(folder=TEXTS):
    return {p.stem: json.loads(p.read_text()) for p in sorted(pathlib.Path(folder).glob("*.json"))}


# ---- checks


def numbers(text):
    return {n.replace(",", "") for n in NUMBER.findall(text)}


def names(text, lang):
    text = ADDRESS.sub(" ", text)
    if lang == "zh":
        return set(re.findall(r"《([^》]+)》", text)) | {w for w in re.findall(r"[A-Za-z]{2,}", text) if w != "me"}
    found = set()
    for line in text.split("\n"):
        words = re.findall(r"[A-Za-z]+", line)
        if 4 <= len(words) <= 16 and sum(w[0].isupper() for w in words) * 3 > 2 * len(words):
            continue  # a heading
        found |= set(re.findall(r"(?<=[a-z,] )([A-Z][a-z]+)", line))
    return found


def is_in_language(text, lang):
    han = len(HAN.findall(text))
    latin = len(re.findall(r"[A-Za-z]+", text))
    return han >= latin if lang == "zh" else han * 10 <= latin


def check_text(item, out, source, keeps):
    """Names of the checks that a text fails."""
    failed = []
    if not is_in_language(out, item["lang"]):
        failed.append("language")
    if TALK.search(out) and not TALK.search(source):
        failed.append("talk")
    if not numbers(out) <= numbers(source) or (keeps and not numbers(source) <= numbers(out)):
        failed.append("numbers")
    low = source.lower()
    if any(a.lower() not in low for a in ADDRESS.findall(out)) or (
        keeps and any(a.lower() not in out.lower() for a in ADDRESS.findall(source))
    ):
        failed.append("addresses")
    if any(n.lower() not in low for n in names(out, item["lang"])) or (
        keeps and any(n.lower() not in out.lower() for n in names(source, item["lang"]))
    ):
        failed.append("names")
    return failed


def likeness(a, b):
    words_a, words_b = ({w.lower() for w in WORD.findall(t) if re.match(r"\w", w)} for t in (a, b))
    return len(words_a & words_b) / max(1, len(words_a | words_b))


def tokens_of(seeded, typos):
    """The seeded text's tokens and, of each, which typo it belongs to (or None)."""
    tokens, owners, done = [], [], 0
    for i, t in enumerate(typos):
        for part, owner in ((seeded[done : t["at"]], None), (t["wrong"], i)):
            found = WORD.findall(part)
            tokens += found
            owners += [owner] * len(found)
        done = t["at"] + len(t["wrong"])
    rest = WORD.findall(seeded[done:])
    return tokens + rest, owners + [None] * len(rest)


def is_word(token):
    return re.match(r"\w", token) is not None


def score_proofread(item, out):
    """(errors that are gone, errors, other words that changed, other words)."""
    old, owners = tokens_of(item["seeded"], item["typos"])
    new = WORD.findall(out)
    place, changed = {}, 0
    for op, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            place.update((i1 + k, j1 + k) for k in range(i2 - i1))
            continue
        others = [old[k] for k in range(i1, i2) if owners[k] is None and is_word(old[k])]
        come = [w for w in new[j1:j2] if is_word(w)]
        if all(owners[k] is None for k in range(i1, i2)):
            changed += max(len(others), len(come))
        else:
            same = difflib.SequenceMatcher(None, others, come, autojunk=False).get_matching_blocks()
            changed += len(others) - sum(b.size for b in same)
    fixed = 0
    for i in range(len(item["typos"])):
        mine = [k for k, o in enumerate(owners) if o == i]
        first, last = mine[0], mine[-1]
        while first >= 0 and first not in place or first in mine:
            first -= 1
        while last < len(old) and (last not in place or last in mine):
            last += 1
        got = new[place[first] + 1 if first >= 0 else 0 : place[last] if last < len(old) else len(new)]
        wanted, k = [], first + 1
        while k < last:
            owner = owners[k]
            wanted += [old[k]] if owner is None else WORD.findall(item["typos"][owner]["right"])
            k += 1
            while owner is not None and k < last and owners[k] == owner:
                k += 1
        fixed += [w.lower() for w in got] == [w.lower() for w in wanted]
    return fixed, len(item["typos"]), changed, sum(is_word(w) for w, o in zip(old, owners) if o is None)


def check_edits(source, suggestion):
    """The edits, in bytes, give the text."""
    old, new, at = source.encode(), b"", 0
    for e in suggestion["edits"]:
        if not at <= e["start"] <= e["end"] <= len(old):
            return ["edits"]
        new += old[at : e["start"]] + e["text"].encode()
        at = e["end"]
    return [] if (new + old[at:]).decode() == suggestion["text"] else ["edits"]


def check_replies(item, suggestions):
    replies = [s["text"] for s in suggestions]
    failed = [] if len(replies) == 3 else ["three"]
    if any(likeness(a, b) > 0.7 for i, a in enumerate(replies) for b in replies[:i]):
        failed.append("different")
    for r in replies:
        failed += check_text(item, r, item["text"], keeps=False)
    return failed


def check(item, verb, suggestions):
    """Names of failed checks, and a figure to show."""
    first = suggestions[0]["text"]
    if verb == "rewrite":
        failed = check_text(item, first, item["text"], keeps=True)
        if item["style"] in ("concise", "shorter") and len(first) >= len(item["text"]):
            failed.append("length")
        return failed, f"{100 * len(first) // len(item['text'])} %"
    if verb == "summarize":
        share = 100 * len(first) / len(item["text"].strip())
        return check_text(item, first, item["text"], keeps=False) + (["length"] if share > 40 else []), f"{share:.0f} %"
    if verb == "reply":
        return check_replies(item, suggestions), ""
    if verb == "prioritise":
        rank = {s["item"]: i for i, s in enumerate(suggestions)}
        wrong = [(u, low) for u in item["urgent"] for low in item["low"] if rank[u] > rank[low]]
        return ["order"] if wrong else [], ""
    fixed, n, changed, others = score_proofread(item, first)
    failed = check_text(item, first, item["seeded"], keeps=True) + check_edits(item["seeded"], suggestions[0])
    return failed, f"{fixed}/{n}, {changed}/{others}"


# ---- running


def messages_of(item):
    return [
        {"role": "assistant" if m.get("own") else "user", "name": m["from"], "content": m["text"]}
        for m in item["messages"]
    ]


def body_of(item, verb):
    """What is asked, or None where the verb has nothing to do with such a text."""
    if verb == "proofread":
        return {"text": item["seeded"]}
    if verb == "rewrite":
        return {"text": item["text"], "style": item["style"]}
    source = {"messages": messages_of(item)} if "messages" in item else {"text": item["text"]}
    if verb == "summarize":
        return {**source, "kind": item["kind"], "source": item["source"]}
    if verb == "reply":
        return source if item["source"] in ("chat", "mail") else None
    return source if item["source"] == "notifications" else None


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=7200) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def wait_ready(log, process):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text()
        found = re.search(r"listening on (http://\S+)", text)
        if found and "ready" in text:
            return found[1]
        time.sleep(0.1)
    raise SystemExit("tandem serve did not become ready: " + log.read_text())


def run(o):
    done = set()
    if o.out.exists():
        done = {(r["verb"], r["id"]) for r in map(json.loads, o.out.read_text().splitlines())}
    log = o.out.with_suffix(".log")
    home = o.out.with_suffix(".home")
    with log.open("w") as sink:
        argv = [o.tandem, "serve", "--home", home, "-m", o.m, "--listen", "127.0.0.1:0", "-c", "4096", *o.option]
        process = subprocess.Popen([str(a) for a in argv], stdout=sink, stderr=sink)
    try:
        url = wait_ready(log, process)
        items = sorted(texts(o.texts).values(), key=lambda item: len(item["text"]))
        for verb in o.verbs.split(","):
            for item in items:
                body = body_of(item, verb)
                if body is None or (verb, item["id"]) in done or (o.ids and item["id"] not in o.ids.split(",")):
                    continue
                begin = time.monotonic()
                answer = post(f"{url}/v1/features/{verb}", body)
                row = {"verb": verb, "id": item["id"], "model": pathlib.Path(o.m).stem, "answer": answer,
                       "seconds": round(time.monotonic() - begin, 1)}  # fmt: skip
                with o.out.open("a") as f:
                    f.write(json.dumps(row, ensure_ascii=False) + "\n")
    finally:
        process.terminate()
        process.wait(60)


# ---- the table


def judge(item, row):
    """(passed, failed checks or the error, figure)."""
    suggestions = row["answer"].get("suggestions")
    if not suggestions:
        error = row["answer"].get("error", {})
        why = re.search(r"check: (.*)", error.get("message", ""))
        return False, "none: " + (why[1] if why else error.get("code") or "error"), ""
    failed, figure = check(item, row["verb"], suggestions)
    return not failed, ", ".join(dict.fromkeys(failed)), figure


def totals(items, rows, model):
    lines = []
    for verb in VERBS:
        for lang in ("en", "zh"):
            mine = [r for r in rows if r["verb"] == verb and r["model"] == model and items[r["id"]]["lang"] == lang]
            if not mine:
                continue
            judged = [judge(items[r["id"]], r) for r in mine]
            none = sum(why.startswith("none") for _, why, _ in judged)
            line = f"| {verb} | {lang} | {len(mine)} | {sum(ok for ok, _, _ in judged)} | {none} |"
            if verb == "proofread":
                scores = [score_proofread(items[r["id"]], r["answer"]["suggestions"][0]["text"])
                          for r in mine if r["answer"].get("suggestions")]  # fmt: skip
                f, n, c, o = map(sum, zip(*scores)) if scores else (0, 1, 0, 1)
                line += f" {f} of {n} = {100 * f / n:.0f} % of the errors gone,"
                line += f" {c} of {o} = {100 * c / o:.1f} % of other words changed |"
            else:
                line += " |"
            lines.append(line)
    return lines


def table(o):
    items = texts(o.texts)
    rows = [json.loads(line) for path in o.results for line in path.read_text().splitlines()]
    models = sorted({r["model"] for r in rows})
    commands = [f"tools/verb_table.py run --tandem build/tandem -m {m}.gguf {m}.jsonl" for m in models]
    commands.append(f"tools/verb_table.py table {' '.join(m + '.jsonl' for m in models)} > docs/verbs-table.md")
    out = ["# What the verbs make of 30 texts", "", INTRODUCTION, "", "```", *commands, "```", "", LEGEND, ""]
    for model in models:
        n = sum(r["model"] == model for r in rows)
        out += [f"## {model}", "", f"{n} runs.", ""]
        out += ["| verb | language | texts | passed | none | |", "|---|---|---|---|---|---|"]
        out += totals(items, rows, model) + [""]
        shown = [v for v in VERBS if any(r["verb"] == v and r["model"] == model for r in rows)]
        out += ["| text | " + " | ".join(shown) + " |", "|---" * (len(shown) + 1) + "|"]
        for i in items:
            cells = []
            for verb in shown:
                row = next((r for r in rows if (r["verb"], r["id"], r["model"]) == (verb, i, model)), None)
                if row is None:
                    cells.append("" if body_of(items[i], verb) is None else "not run")
                    continue
                ok, why, figure = judge(items[i], row)
                verdict = "" if ok and figure else "passed" if ok else f"**{why}**"
                cells.append(" ".join(filter(None, [figure, verdict])))
            out.append(f"| {i} | " + " | ".join(cells) + " |")
        out.append("")
    print("\n".join(out).rstrip())


def others(o):
    o.results.mkdir(parents=True, exist_ok=True)
    for name, item in texts(o.texts).items():
        talks = item["source"] in ("chat", "notifications")
        item["seeded"], item["typos"] = seed_typos.seed_text(item["text"], item["lang"], o.seed, None, talks)
        (o.results / f"{name}.json").write_text(json.dumps(item, ensure_ascii=False))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="what", required=True)
    q = sub.add_parser("run")
    q.add_argument("--tandem", type=pathlib.Path, default=ROOT / "build/tandem")
    q.add_argument("-m", required=True)
    q.add_argument("--texts", type=pathlib.Path, default=TEXTS)
    q.add_argument("--ids", default="")
    q.add_argument("--verbs", default=",".join(VERBS))
    q.add_argument("--option", action="append", default=[], help="for tandem serve, such as --option=--threads=1")
    q.add_argument("out", type=pathlib.Path)
    q.set_defaults(run=run)
    q = sub.add_parser("table")
    q.add_argument("--texts", type=pathlib.Path, default=TEXTS)
    q.add_argument("results", type=pathlib.Path, nargs="+")
    q.set_defaults(run=table)
    q = sub.add_parser("others")
    q.add_argument("--seed", type=int, required=True)
    q.add_argument("--texts", type=pathlib.Path, default=TEXTS)
    q.add_argument("results", type=pathlib.Path)
    q.set_defaults(run=others)
    o = p.parse_args()
    o.run(o)


if __name__ == "__main__":
    main()
