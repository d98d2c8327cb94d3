#!/usr/bin/env python3
"""tandem serve and llama-server in turn under the same load on the same model: ./dev load.

    load_compare.py --tandem PROGRAM --model GGUF [--peer llama-server] [--guidellm PROGRAM] [--streams 16] [--turns 2]
                    [--max-tokens 64] [--json FILE]

Each turn starts a server, warms it, and runs load_streams.py's rounds: all streams at once, then staggered with longer
prompts, so that some read their prompts while others answer. With --guidellm, others' meter asks the same server too.
The servers get the same number of slots, the same context a slot and the same number of threads; they take turns, so
that a machine that slows down slows both. Ratios on a machine that does other things mean nothing.
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import load_streams

CTX = 1024
# What GuideLLM sends beyond OpenAI's fields: ends of answers ignored. tandem refuses fields that it does not know.
GUIDELLM_BACKEND = {"remove_from_body": ["ignore_eos"], "extra_body": {"temperature": 0}}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server that is up until the with block ends; what it writes is kept for the case that it fails."""

    def __init__(self, name, argv, health):
        self.name, self.argv, self.health = name, argv, health

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(a) for a in self.argv], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log)
        deadline = time.monotonic() + 120
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise SystemExit(f"{self.name} did not start: {self.log.read()[-2000:].decode(errors='replace')}")
            time.sleep(0.1)
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.health, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def tandem(a, home, *more):
    url = f"http://127.0.0.1:{free_port()}"
    return url, Server("tandem", [a.tandem, "serve", "--quiet", "-m", a.model, "--home", home, "--listen", url[7:],
                                  "--parallel", a.streams, "-c", a.ctx, "--threads", a.threads, *more],
                       url + "/healthz")


def peer(a, *more):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    return url, Server("llama-server", [a.peer, "-m", a.model, "--host", "127.0.0.1", "--port", port, "-np", a.streams,
                                        "-c", a.streams * a.ctx, "-t", a.threads, *more], url + "/health")


def write_prompts(path, a):
    """Twice as many prompts as requests, so that none is asked twice and answered from a cache."""
    with open(path, "w", encoding="utf-8") as f:
        for i in range(4 * a.streams):
            f.write(json.dumps({"prompt": load_streams.prompt_of(1000 + i, 0), "output_tokens_count": a.max_tokens})
                    + "\n")


def guidellm(a, url, folder):
    """Its own figures: {tokens_per_s, first_ms, gap_ms, requests}."""
    prompts, out = folder / "prompts.jsonl", folder / "guidellm.json"
    write_prompts(prompts, a)
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
           "GUIDELLM__PREFERRED_ROUTE": "chat_completions"}
    done = subprocess.run([a.guidellm, "benchmark", "run", "--target", url, "--data", prompts, "--rate-type",
                           "concurrent", "--rate", str(a.streams), "--max-requests", str(2 * a.streams),
                           "--disable-progress", "--disable-console-outputs", "--backend-args",
                           json.dumps(GUIDELLM_BACKEND), "--output-path", out],
                          env=env, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        raise SystemExit("guidellm failed: " + done.stderr[-2000:])
    run = json.loads(out.read_text())["benchmarks"][0]
    metrics = run["metrics"]
    return {"requests": run["request_totals"],
            "tokens_per_s": load_streams.rounded(metrics["output_tokens_per_second"]["successful"]["mean"]),
            "first_ms": load_streams.rounded(metrics["time_to_first_token_ms"]["successful"]["median"]),
            "gap_ms": load_streams.rounded(metrics["inter_token_latency_ms"]["successful"]["median"])}


def one_turn(a, name, folder):
    url, server = tandem(a, folder / "home") if name == "tandem" else peer(a)
    with server:
        turn = {"server": name,
                "together": load_streams.measure(url, a.streams, 1, a.max_tokens)[0],
                "staggered": load_streams.measure(url, a.streams, 1, a.max_tokens, 150, 250)[0]}
        if a.guidellm:
            turn["guidellm"] = guidellm(a, url, folder)
    return turn


def line(name, what, figures):
    return (f"{name:13} {what:10} {figures['tokens_per_s']:8.1f} tokens/s   first {figures['first_ms']['median']:7.0f}"
            f" ms   gap {figures['gap_ms']['median']:6.1f} ms, p99 {figures['gap_ms']['p99']:6.1f},"
            f" largest {figures['gap_max_over_median']:5.1f} x the median")


def show(turns):
    """Rows as they came, then the ratio of the medians."""
    for t in turns:
        for what in ("together", "staggered"):
            if t[what].get("faults"):
                print(f"{t['server']}: {what}: {len(t[what]['faults'])} streams failed: {t[what]['faults'][0]}")
            if "tokens_per_s" in t[what]:
                print(line(t["server"], what, t[what]))
        if "guidellm" in t:
            g = t["guidellm"]
            print(f"{t['server']:13} guidellm   {g['tokens_per_s']:8.1f} tokens/s   first {g['first_ms']:7.0f} ms   gap"
                  f" {g['gap_ms']:6.1f} ms   {g['requests']['successful']} answered, {g['requests']['errored']} failed")
    for what in ("together", "staggered", "guidellm"):
        both = [[t[what]["tokens_per_s"] for t in turns if t["server"] == name and "tokens_per_s" in t.get(what, {})]
                for name in ("tandem", "llama-server")]
        if all(both):
            print(f"tandem / llama-server, {what}: {statistics.median(both[0]) / statistics.median(both[1]):.2f}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--tandem", required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--peer")
    p.add_argument("--guidellm")
    p.add_argument("--streams", type=int, default=16)
    p.add_argument("--turns", type=int, default=2)
    p.add_argument("--max-tokens", type=int, default=64)
    p.add_argument("--ctx", type=int, default=CTX, help="positions of a stream")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--json", metavar="FILE")
    a = p.parse_args()
    names = ["tandem"] + (["llama-server"] if a.peer and pathlib.Path(a.peer).exists() else [])
    if len(names) == 1:
        print("no llama-server: ./dev peer builds it; tandem is measured alone", file=sys.stderr)
    turns = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(a.turns):
            turns += [one_turn(a, name, pathlib.Path(folder)) for name in names]
    show(turns)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(turns, indent=1) + "\n", encoding="utf-8")
    return 1 if any(t[what].get("faults") for t in turns for what in ("together", "staggered")) else 0


if __name__ == "__main__":
    sys.exit(main())
