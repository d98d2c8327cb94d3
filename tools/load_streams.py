#!/usr/bin/env python3
"""Many streams at once against an OpenAI-compatible address: what each of them waits, and what they get together.

    load_streams.py URL [--streams 16] [--rounds 2] [--max-tokens 64] [--prompt-words 0] [--stagger-ms 0] [--json FILE]

One process, one thread, standard library only: the meter must cost little beside what it measures on the same machine.
All streams of a round begin together (or --stagger-ms apart) with different prompts that ask for long answers, greedy.
Tokens are the server's own count (stream_options.include_usage); times are those at which bytes arrived here. A gap is
the time between two events with text of one stream, so a server that sends several tokens in one event has longer gaps.
The first event's wait is the time to first token and no gap.
"""
import argparse
import asyncio
import json
import statistics
import sys
import time
import urllib.parse

TOPICS = ["a ship", "a lighthouse", "a clockmaker", "a mountain village", "a train at night", "an old library",
          "a river", "a lost map", "a violin", "a garden", "a storm", "a market", "a desert", "a bridge", "a letter",
          "a winter"]
FILLER = "The quick brown fox jumps over the lazy dog while the rain falls on the old stone bridge. "


def prompt_of(number, n_words):
    filler = (FILLER * (n_words // 17 + 1)).split()[:n_words]
    return (f"{' '.join(filler)} Write a very long story, number {number}, about {TOPICS[number % len(TOPICS)]}. "
            "Do not stop early.").strip()


class Stream:
    """One request and the times at which its text came."""

    def __init__(self, number, options):
        self.number, self.options = number, options
        self.begin = self.end = 0.0
        self.times = []
        self.n_tokens = self.n_prompt = 0
        self.fault = None
        self.pieces = []  # of text, one an event

    def messages(self):
        return [{"role": "user", "content": prompt_of(self.number, self.options.prompt_words)}]

    def more_fields(self):
        """Of the request, beyond those below."""
        return {}

    def request(self):
        o = self.options
        body = json.dumps({
            **({"model": o.model} if o.model else {}), "stream": True, "stream_options": {"include_usage": True},
            "temperature": 0, "max_tokens": o.max_tokens, "messages": self.messages(), **self.more_fields()}).encode()
        host = f"{o.address.hostname}:{o.address.port}"
        return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body

    def take(self, line, now):
        """A line of the answer; chunk sizes and empty lines are passed over, events are on one line."""
        if not line.startswith(b"data: "):
            return
        data = line[6:].strip()
        if data == b"[DONE]":
            self.end = now
            return
        event = json.loads(data)
        if event.get("error"):
            self.fault = str(event["error"])
        if event.get("usage"):
            self.n_tokens = event["usage"]["completion_tokens"]
            self.n_prompt = event["usage"]["prompt_tokens"]
        for choice in event.get("choices", []):
            if choice.get("delta", {}).get("content"):
                self.times.append(now)
                self.pieces.append(choice["delta"]["content"])

    async def run(self, delay_s):
        await asyncio.sleep(delay_s)
        address = self.options.address
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 22)
            self.begin = time.monotonic()
            writer.write(self.request())
            status = await reader.readline()
            if b" 200 " not in status:
                self.fault = status.decode(errors="replace").strip()
            while line := await reader.readline():
                self.take(line, time.monotonic())
            writer.close()
        except OSError as e:
            self.fault = str(e)
        if not self.end and not self.fault:
            self.fault = "the stream ended without [DONE]"

    def gaps_ms(self):
        return [(b - a) * 1e3 for a, b in zip(self.times, self.times[1:])]


def rounded(x):
    return round(x, 2)


def report(streams, wall_s):
    """The figures of one round."""
    good = [s for s in streams if not s.fault and s.times]
    every = [g for s in good for g in s.gaps_ms()]
    if not every:
        return {"faults": [s.fault or "the stream had no text" for s in streams]}
    first = sorted((s.times[0] - s.begin) * 1e3 for s in good)
    median = statistics.median(every)
    rows = [{"stream": s.number, "tokens": s.n_tokens, "first_ms": rounded((s.times[0] - s.begin) * 1e3),
             "gap_median_ms": rounded(statistics.median(s.gaps_ms() or [0])),
             "gap_max_ms": rounded(max(s.gaps_ms() or [0]))}
            for s in good]
    return {"streams": len(streams), "faults": [s.fault for s in streams if s.fault], "wall_s": rounded(wall_s),
            "tokens": sum(s.n_tokens for s in good), "prompt_tokens": sum(s.n_prompt for s in good),
            "tokens_per_s": rounded(sum(s.n_tokens for s in good) / wall_s),
            "first_ms": {"median": rounded(statistics.median(first)), "max": rounded(first[-1])},
            "gap_ms": {"median": rounded(median), "p99": rounded(sorted(every)[len(every) * 99 // 100]),
                       "max": rounded(max(every))},
            "gap_max_over_median": rounded(max(every) / median) if median else None, "rows": rows}


async def run_round(options, i_round):
    streams = [Stream(i_round * options.streams + i, options) for i in range(options.streams)]
    begin = time.monotonic()
    await asyncio.gather(*(s.run(i * options.stagger_ms / 1e3) for i, s in enumerate(streams)))
    return report(streams, time.monotonic() - begin)


def measure(url, streams=16, rounds=2, max_tokens=64, prompt_words=0, stagger_ms=0, model=None):
    """One report a round. The server is warm after an answer that is not counted."""
    options = argparse.Namespace(address=urllib.parse.urlsplit(url), streams=streams, max_tokens=max_tokens,
                                 prompt_words=prompt_words, stagger_ms=stagger_ms, model=model)
    warm = argparse.Namespace(**{**vars(options), "max_tokens": 4})
    asyncio.run(Stream(9999, warm).run(0))
    return [asyncio.run(run_round(options, i)) for i in range(rounds)]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("url")
    p.add_argument("--streams", type=int, default=16)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--max-tokens", type=int, default=64)
    p.add_argument("--prompt-words", type=int, default=0)
    p.add_argument("--stagger-ms", type=float, default=0)
    p.add_argument("--model")
    p.add_argument("--json", metavar="FILE")
    a = p.parse_args()
    rounds = measure(a.url, a.streams, a.rounds, a.max_tokens, a.prompt_words, a.stagger_ms, a.model)
    text = json.dumps(rounds, indent=1)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    else:
        print(text)
    return 1 if any(r["faults"] for r in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
