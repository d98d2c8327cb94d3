#!/usr/bin/env python3
"""tandem bench and llama-bench in turn on one model: A B A B .., so that a machine that slows down slows both.

Prints tokens a second of each (median, least, most) and the ratio of the medians with the spread of the ratios of
neighbouring runs. Without the peer's program only tandem is measured.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

ROUNDS = 5
KINDS = {"pp": "prompt", "tg": "decode"}


def run_tandem(args):
    out = subprocess.run(
        [
            args.tandem,
            "bench",
            "-m",
            args.model,
            "-p",
            str(args.prompt),
            "-n",
            str(args.generate),
            "-r",
            "1",
            "--threads",
            str(args.threads),
            "--json",
            "--quiet",
        ],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    answer = json.loads(out)
    return {kind: answer[kind]["tps"][0] for kind in KINDS}


def run_peer(args):
    out = subprocess.run(
        [
            args.peer,
            "-m",
            args.model,
            "-p",
            str(args.prompt),
            "-n",
            str(args.generate),
            "-r",
            "1",
            "-t",
            str(args.threads),
            "-o",
            "json",
        ],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout
    return {"pp" if row["n_prompt"] else "tg": row["avg_ts"] for row in json.loads(out)}


def spread(values):
    return f"{statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tandem", required=True)
    parser.add_argument("--peer", help="llama-bench; left out when the file is not there")
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    has_peer = bool(args.peer) and os.access(args.peer, os.X_OK)
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(run_tandem(args))
        if has_peer:
            theirs.append(run_peer(args))
    print(
        f"{pathlib.Path(args.model).stem}, {args.threads} threads, {args.rounds} rounds, tokens a second: "
        f"median (least to most)"
    )
    for kind, name in KINDS.items():
        a = [r[kind] for r in ours]
        print(f"  {name:7} tandem    {spread(a)}")
        if has_peer:
            b = [r[kind] for r in theirs]
            ratios = [x / y for x, y in zip(a, b)]
            print(f"  {name:7} llama.cpp {spread(b)}")
            print(
                f"  {name:7} ratio     {statistics.median(a) / statistics.median(b):8.3f}  "
                f"({min(ratios):.3f} to {max(ratios):.3f})"
            )
    if not has_peer:
        print("  llama.cpp is not built: ./dev peer")


if __name__ == "__main__":
    main()
