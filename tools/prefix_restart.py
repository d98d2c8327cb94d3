#!/usr/bin/env python3
r"""How long a prompt with a known beginning takes to its first token, right after the program was started anew.

    prefix_restart.py TANDEM MODEL.gguf [--tokens 2000] [--new 16] [--rounds 5] [--home DIR] [--json FILE] \
                      [-- SERVE OPTIONS]

A daemon reads a prompt of about --tokens tokens and stops. Then, --rounds times: a daemon is started, it answers one
short other question (the first pass of a process pays for what is paid once), gets the prompt with --new other tokens
at its end, and stops. Beside that, in the same process, the prompt once more with another such end: its beginning is in
memory now, so that is what one pass over the new tokens costs. The difference is what restoring costs. Times are from
the first byte of the request sent to the first event with text; standard library only. Without --home a temporary one
is used, whose first start packs the weights. Text is plain words, so "about": the counts are the server's.
"""
import argparse
import http.client
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = ("the and for that with this from have they will would there their what about which when make like time just "
         "know take people into year your good some could them other than then look only come over think also back "
         "after work first well even want because these give most").split()


class Daemon:
    def __init__(self, options):
        command = [options.tandem, "serve", "-m", options.model, "--home", options.home, "--listen", "127.0.0.1:0",
                   "--parallel", "1", *options.serve]
        begin = time.monotonic()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.port, self.lines = None, []
        for line in self.process.stderr:
            self.lines.append(line)
            if "http://127.0.0.1:" in line:
                self.port = int(line.split("http://127.0.0.1:")[1].split("/")[0].split()[0].strip(',."'))
            if "ready" in line and self.port:
                break
        else:
            raise SystemExit("the daemon did not start:\n" + "".join(self.lines))
        self.start_s = time.monotonic() - begin

    def stop(self):
        self.process.terminate()
        self.process.stderr.read()
        return self.process.wait(60)

    def ask(self, text, max_tokens=2):
        """Milliseconds to the first event with text, and the server's timings."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        c.connect()
        body = json.dumps({"messages": [{"role": "user", "content": text}], "stream": True, "temperature": 0,
                           "max_tokens": max_tokens, "stream_options": {"include_usage": True}})
        begin, first, timings = time.monotonic(), None, {}
        c.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answer = c.getresponse()
        if answer.status != 200:
            raise SystemExit(f"status {answer.status}: {answer.read().decode()}")
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if first is None and any(x.get("delta", {}).get("content") for x in event.get("choices", [])):
                first = (time.monotonic() - begin) * 1e3
            timings = event.get("tandem", {}).get("timings") or timings
        c.close()
        return first, timings


def words(n, seed):
    r = random.Random(seed)
    return " ".join(r.choice(WORDS) for _ in range(n))


def measure(options):
    salt = time.time_ns()  # so that a home in which this was run before knows none of it
    head = words(options.tokens - 30, salt)  # a word is a token; the template has about 30 around it
    first = Daemon(options)
    cold_ms, cold = first.ask(head)
    first.stop()
    rows = []
    for i in range(options.rounds):
        d = Daemon(options)
        d.ask("hello")
        ends = [" " + words(options.new - 5, salt + 2 * i + k) for k in (1, 2)]  # behind them 5 of the template
        restored_ms, restored = d.ask(head + ends[0])
        memory_ms, memory = d.ask(head + ends[1])
        d.stop()
        rows.append({"start_s": d.start_s, "restored_ms": restored_ms, "in_memory_ms": memory_ms,
                     "prompt_tokens": restored["prompt_tokens"], "restored_tokens": restored["prompt_reused"],
                     "in_memory_tokens": memory["prompt_reused"]})
    median = {k: statistics.median(r[k] for r in rows) for k in ("restored_ms", "in_memory_ms")}
    return {"first_time_ms": cold_ms, "first_time_tokens": cold["prompt_tokens"], **median,
            "restoring_ms": median["restored_ms"] - median["in_memory_ms"], "rounds": rows}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("tandem", type=pathlib.Path)
    p.add_argument("model")
    p.add_argument("--tokens", type=int, default=2000)
    p.add_argument("--new", type=int, default=16)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--home")
    p.add_argument("--json", type=pathlib.Path)
    ours, _, serve = "\0".join(sys.argv[1:]).partition("\0--\0")
    options = p.parse_args(ours.split("\0") if ours else [])
    options.serve = serve.split("\0") if serve else []
    with tempfile.TemporaryDirectory() as folder:
        options.home = options.home or folder
        result = measure(options)
    for r in result["rounds"]:
        print(f"{r['prompt_tokens']} tokens: {r['restored_ms']:.1f} ms with {r['restored_tokens']} restored, "
              f"{r['in_memory_ms']:.1f} ms with {r['in_memory_tokens']} in memory")
    print(f"median: first time {result['first_time_ms']:.0f} ms, after a restart {result['restored_ms']:.1f} ms, "
          f"in memory {result['in_memory_ms']:.1f} ms, so restoring costs {result['restoring_ms']:.1f} ms")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
