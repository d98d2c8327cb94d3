#!/usr/bin/env python3
"""tandem and llama.cpp in turn on the same files, held against what the machine can give. ./dev bench runs it.

    python3 bench/compare --tandem PROGRAM --build DIR --model GGUF.. [--rows A,B] [--peer-dir .peer] [--peer DIR] ..

For each model: bench/probe.c measures the machine (machine.py); each row (rows.py) finds the peers' best settings
(best_of.py, what was tried is in the JSON), then runs all programs in turn for some rounds (rounds.py), everything
pinned to the same cores. OUT/MODEL.json has all that was measured, OUT/MODEL.md the table (report.py), OUT/ratios.svg
the plot (plot.py); rows that are not asked for stay in the JSON as an earlier run on the same machine left them. --docs
writes the tables of all of OUT into the document between its markers, and the plot beside it. How ratios are made and
refused: figures.py; how much one token costs: model_cost.py; which programs and servers run: programs.py, servers.py.

Exit code 1 if a row failed.
"""

import argparse
import dataclasses
import functools
import json
import os
import pathlib
import re
import sys
import tempfile
import time

import best_of
import machine
import model_cost
import plot
import programs
import report
import rounds
import rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = ROOT / "tests/e2e/texts/en-note-move.json"
IK_PLACES = ("build/bin/llama-bench", "bin/llama-bench", "llama-bench")


def say(line):
    print(line, file=sys.stderr, flush=True)


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tandem", required=True, type=pathlib.Path)
    p.add_argument("--build", type=pathlib.Path, help="where bench_probe and gguf_dump were built (beside tandem)")
    p.add_argument("--model", action="append", default=[], type=pathlib.Path)
    p.add_argument("--rows", default="", help="some of " + ",".join(r.key for r in rows.ROWS) + " (all)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--pause", type=float, default=0, metavar="SECONDS", help="rest before each run (0)")
    p.add_argument("--search", choices=best_of.HOW, default="steps", help="of the peers' best settings (steps)")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--peer-dir", type=pathlib.Path, default=ROOT / ".peer/bin", help="llama.cpp's programs")
    p.add_argument("--peer-avx2-dir", type=pathlib.Path, default=ROOT / ".peer-avx2/bin")
    p.add_argument("--peer", type=pathlib.Path, metavar="DIR", help="a built checkout of ik_llama.cpp")
    p.add_argument("--text", action="append", default=[], type=pathlib.Path, help="to proofread, instead of ours")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/out")
    p.add_argument("--docs", type=pathlib.Path, nargs="?", const=ROOT / "docs/speed.md", metavar="FILE")
    return p.parse_args(argv)


def ik_program(folder):
    if not folder:
        return None
    for place in IK_PLACES:
        if (folder / place).exists():
            return folder / place
    raise SystemExit(f"--peer {folder}: none of {', '.join(IK_PLACES)} is there")


def text_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text)["seeded"] if path.suffix == ".json" else text


def short_name(stem):
    return re.sub(r"-instruct.*", "", stem)


def command_of(a, stem):
    """As ./dev bench is told to do the same."""
    words = ["./dev bench", short_name(stem), *(["--rows", a.rows] if a.rows else []), "--rounds", a.rounds]
    words += ["--pause", f"{a.pause:g}"] if a.pause else []
    words += [*(["--search", a.search] if a.search != best_of.HOW[0] else []), *(["--peer DIR"] if a.peer else [])]
    return " ".join(str(w) for w in words + ["--text FILE"] * len(a.text))


def earlier_rows(path, here):
    """Rows of an earlier run by key, if it was on the same machine."""
    if not path.exists():
        return {}
    known = json.loads(path.read_text(encoding="utf-8"))
    if known["machine"] != here:
        say(f"{path} is of another machine: made anew")
        return {}
    return {r["key"]: r for r in known["rows"]}


def run_row(row, place, cost, probe, a):
    """The row's result, or None where a program failed."""
    say(f"{place.model.stem}: {row.title}")
    try:
        probe_now = functools.partial(probe.now, a.threads)
        rest = functools.partial(time.sleep, a.pause)
        return rounds.run_row(row, row.contenders(place), cost, probe_now, a.rounds, a.search, say, rest)
    except rows.Unavailable as e:
        say(f"  {e}")
        return {"key": row.key, "title": row.title, "unavailable": str(e)}
    except programs.Failed as e:
        say(f"  failed: {e}")
        return None


def run_model(place, a, probe, here, whole):
    """Writes MODEL.json after every row, so that an end in between loses one row at most. False if a row failed."""
    stem = place.model.stem
    path = a.out / f"{stem}.json"
    known = earlier_rows(path, here)
    cost = model_cost.read(a.build / "tests/harness/gguf_dump", place.model)
    peer = a.peer_dir.parent / "made-for"
    good = True
    for row in rows.by_key(a.rows.split(",") if a.rows else []):
        done = run_row(row, place, cost, probe, a)
        good = good and done is not None and not done.get("fault")
        if done:
            known[row.key] = {**done, "command": command_of(a, stem)}
        result = {"model": stem, "short": short_name(stem), "machine": here, "threads": a.threads, "probe": whole,
                  "peer": f"llama.cpp of {peer.read_text().strip()}" if peer.exists() else "no llama.cpp",
                  "cost": dataclasses.asdict(cost), "rows": [known[r.key] for r in rows.ROWS if r.key in known]}
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (a.out / f"{stem}.md").write_text(report.document([result]) + "\n", encoding="utf-8")
    return good


def results_in(folder):
    """All models that were ever measured into this folder, the small ones first."""
    found = [json.loads(p.read_text(encoding="utf-8")) for p in folder.glob("*.json")]
    return sorted(found, key=lambda r: r["cost"]["file_bytes"])


def write_docs(path, results):
    picture = path.parent / "images" / "ratios.svg"
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(plot.svg(results), encoding="utf-8")
    part = report.document(results, "images/ratios.svg")
    path.write_text(report.put_between_markers(path.read_text(encoding="utf-8"), part), encoding="utf-8")


def main(argv=None):
    a = arguments(argv)
    a.build = a.build or a.tandem.parent
    a.out.mkdir(parents=True, exist_ok=True)
    texts = tuple(text_of(t) for t in a.text or [TEXT])
    ik, good = ik_program(a.peer), True
    for folder in (a.peer_dir, a.peer_avx2_dir):
        if a.model and not folder.exists():
            say(f"{folder} is not there (./dev peer): tandem is measured without it")
    probe = machine.Probe(a.build / "tests/unit/bench_probe")
    if a.model:
        machine.pin(a.threads)
        here, whole = machine.describe(), probe.whole()
        with tempfile.TemporaryDirectory(dir=a.out.resolve()) as packed:
            os.environ["TANDEM_PACKED"] = packed
            for model in a.model:
                place = rows.Place(a.tandem, model, a.threads, a.peer_dir, a.peer_avx2_dir, ik, texts)
                programs.pack(a.tandem, model)
                good = run_model(place, a, probe, here, whole) and good
                print((a.out / f"{model.stem}.md").read_text(encoding="utf-8"))
    results = results_in(a.out)
    if a.docs and not results:
        raise SystemExit(f"--docs: nothing was measured into {a.out} yet")
    if results:
        (a.out / "ratios.svg").write_text(plot.svg(results), encoding="utf-8")
    if a.docs:
        write_docs(a.docs, results)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
