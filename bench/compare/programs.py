"""Programs that run and end: tandem bench, llama-bench of both families, and the start of a process.

Each maker returns run(setting) -> {measure: value}. A setting names what the peers let one choose: fa (flash
attention), repack (weights into the kernels' layout), ubatch, threads; tandem runs as it comes.
"""

import json
import subprocess
import time


class Failed(Exception):
    """A program ended badly; its own words are the message."""


def output_of(argv, timeout_s=1800):
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"{argv[0]} did not end in {timeout_s} s") from e
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def pack(tandem, model):
    """Makes the packed weights, so that no run has to."""
    output_of([tandem, "bench", "-m", model, "-p", 0, "-n", 1, "-r", 1, "--quiet"])


# ---- tokens a second


def tandem_bench(program, model, work, threads, isa=None):
    """work: {"prompt": n, "generate": n, "depth": n}, of which prompt or generate is 0."""

    def run(_setting):
        argv = [program, "bench", "-m", model, "-p", work["prompt"], "-n", work["generate"], "-d", work["depth"]]
        argv += ["-r", 1, "--threads", threads, "--json", "--quiet", *(["--isa", isa] if isa else [])]
        answer = json.loads(output_of(argv))
        return {"tps": answer["pp" if work["prompt"] else "tg"]["tps"][0]}

    return run


PEER_SPACE = {"fa": ["on", "off"], "repack": [1, 0], "ubatch": [512, 128]}
IK_SPACE = {**PEER_SPACE, "fa": [1, 0]}


def rate_in(out):
    """llama-bench's only row."""
    rows = json.loads(out)
    if len(rows) != 1:
        raise Failed(f"llama-bench gave {len(rows)} rows instead of one")
    return {"tps": rows[0]["avg_ts"]}


def llama_bench(program, model, work):
    def run(s):
        argv = [program, "-m", model, "-p", work["prompt"], "-n", work["generate"], "-d", work["depth"], "-r", 1]
        argv += ["-fa", s["fa"], "--repack", s["repack"], "-ub", s["ubatch"], "-t", s["threads"], "-o", "json"]
        return rate_in(output_of(argv))

    return run


def ik_bench(program, model, work):
    """ik_llama.cpp's has no -d; -gp times the tokens behind a prompt alone."""

    def run(s):
        if work["generate"] and work["depth"]:
            what = ["-p", 0, "-n", 0, "-gp", f"{work['depth']},{work['generate']}"]
        else:
            what = ["-p", work["prompt"], "-n", work["generate"]]
        argv = [program, "-m", model, *what, "-r", 1, "-fa", s["fa"], "-rtr", s["repack"], "-ub", s["ubatch"]]
        return rate_in(output_of([*argv, "-t", s["threads"], "-o", "json"]))

    return run


# ---- from the start of the process to its end behind the first token

START_CTX = 512
START_SPACE = {"warmup": ["on", "off"], **PEER_SPACE}


def seconds_of(argv):
    begin = time.monotonic()
    output_of(argv, 300)
    return {"seconds": time.monotonic() - begin}


def tandem_start(program, model, threads):
    argv = [program, "chat", "-m", model, "-p", "Hi", "-n", 1, "--temp", 0, "-c", START_CTX, "--quiet"]
    argv += ["--threads", threads]
    return lambda _setting: seconds_of(argv)


def peer_flags(s):
    """Of llama-cli and llama-server."""
    return ["-fa", s["fa"], "--repack" if s["repack"] else "--no-repack", "-ub", s["ubatch"]]


def llama_start(program, model):
    def run(s):
        argv = [program, "-m", model, "-p", "Hi", "-n", 1, "--temp", 0, "-c", START_CTX, "--single-turn", "--simple-io"]
        argv += ["--no-display-prompt", "--warmup" if s["warmup"] == "on" else "--no-warmup", "-t", s["threads"]]
        return seconds_of(argv + peer_flags(s))

    return run
