#!/usr/bin/env python3
"""Stands in for every program that bench/compare starts; test_compare.py links it under their names.

The folder of the link has rates.json: {"name": value} or {"name": [values, one a call]}, and gets calls.log, a line of
JSON a call. {"rate": value, "with": [flag, ..]} falls to a tenth without these flags. A text is a failure's message.
tandem's daemon with the rate 2 writes another text when it drafts; its rate is how many tokens it says it knew.
"""
import http.server
import json
import pathlib
import sys
import time

HERE = pathlib.Path(sys.argv[0]).parent
NAME = pathlib.Path(sys.argv[0]).name
ARGS = sys.argv[1:]


def calls_before():
    with open(HERE / "calls.log", "a+", encoding="utf-8") as f:
        f.seek(0)
        before = sum(json.loads(line)[0] == NAME for line in f)
        f.write(json.dumps([NAME, *ARGS]) + "\n")
    return before


def rate():
    """The value of this call; a text in its stead is said on stderr, and the program fails."""
    n = calls_before()
    value = json.loads((HERE / "rates.json").read_text())[NAME]
    if isinstance(value, dict):
        wanted = value["with"]
        value = value["rate"] * (1 if any(ARGS[i : i + len(wanted)] == wanted for i in range(len(ARGS))) else 0.1)
    elif isinstance(value, list):
        value = value[n % len(value)]
    if isinstance(value, str):
        sys.exit(value)
    return value


class Chat(http.server.BaseHTTPRequestHandler):
    """Streams six tokens, and counts words as a prompt's."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "prediction" in body and NAME != "tandem":
            self.send_error(400)
            return
        n = min(body["max_tokens"], 6)
        self.send_response(200)
        self.end_headers()
        for i in range(n):
            word = f"{self.server.word}{i} "
            self.event({"choices": [{"delta": {"content": word}}]})
            time.sleep(0.002)
        n_prompt = sum(len(m["content"].split()) for m in body["messages"])
        timings = {"prompt_tokens": n_prompt, "prompt_reused": self.server.n_known}
        self.event({"choices": [], "usage": {"completion_tokens": n, "prompt_tokens": n_prompt},
                    "tandem": {"timings": timings}})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, data):
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")


def serve(port, word, n_known=0):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Chat)
    server.word, server.n_known = word, n_known
    print(f"ready at http://127.0.0.1:{server.server_port}/", file=sys.stderr, flush=True)
    server.serve_forever()


def main():
    if NAME == "bench_probe":
        calls_before()
        rates = {"best": 40.0, "median": 30.0}
        row = {"threads": 2, "read": rates, "read_prefetched": {"best": 44.0, "median": 32.0}, "int8": rates}
        print(json.dumps({"isa": "vnni", "mib": 1, "rounds": 1, "threads": [row]}))
    elif NAME == "gguf_dump":
        print((HERE / "dump.txt").read_text(), end="")
    elif NAME == "llama-server":
        rate()
        serve(int(ARGS[ARGS.index("--port") + 1]), "w")
    elif NAME == "llama-bench":
        print(json.dumps([{"n_prompt": 1, "avg_ts": rate()}]))
    elif NAME == "llama-cli":
        time.sleep(rate())
    elif ARGS[:1] == ["bench"]:
        tps = 0 if "--json" not in ARGS else rate()  # the first one only packs
        print(json.dumps({"pp": {"tps": [tps]}, "tg": {"tps": [tps]}}))
    elif ARGS == ["serve", "--help"]:
        print("--draft off, auto")
    elif ARGS[:1] == ["serve"]:
        value = rate()
        breaks = value == 2 and ARGS[-2:] == ["--draft", "auto"]
        serve(int(ARGS[ARGS.index("--listen") + 1].split(":")[1]), "other" if breaks else "w", value)
    else:
        calls_before()


if __name__ == "__main__":
    main()
