"""Rows that want a server: many streams, proofreading, restored prefixes, peak memory. Servers and meter are those of
./dev load and of tools/prefix_restart.py.

Each run starts a server of its own and ends it, so that no answer comes from what an earlier run has left. tandem gets
a fresh home each time; the packed weights are where TANDEM_PACKED says (__main__.py), as after any second start.
"""

import argparse
import asyncio
import contextlib
import hashlib
import pathlib
import re
import sys
import tempfile
import urllib.parse

from programs import Failed, peer_flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import load_compare  # noqa: E402
import load_streams  # noqa: E402
import prefix_restart  # noqa: E402

class Servers:
    """Starts either server for one run; what they have in common is given once."""

    def __init__(self, tandem, peer, model, threads):
        self.programs = {"tandem": tandem, "peer": peer, "model": model}
        self.threads = threads

    def options(self, streams, ctx, threads):
        return argparse.Namespace(**self.programs, streams=streams, ctx=ctx, threads=threads)

    @contextlib.contextmanager
    def tandem(self, streams, ctx, *more):
        o = self.options(streams, ctx, self.threads)
        with tempfile.TemporaryDirectory() as home, started(load_compare.tandem(o, home, *more)) as up:
            yield up

    @contextlib.contextmanager
    def peer(self, streams, ctx, s, *more):
        o = self.options(streams, ctx, s["threads"])
        with started(load_compare.peer(o, *peer_flags(s), *more)) as up:
            yield up


@contextlib.contextmanager
def started(url_and_server):
    url, server = url_and_server
    try:
        with server:
            yield url, server.process.pid
    except SystemExit as e:  # what a server says that does not start
        raise Failed(str(e)) from e


# ---- many streams

STREAMS, STREAMS_CTX, STREAMS_TOKENS = 16, 1024, 64


def streams_of(url):
    report = load_streams.measure(url, STREAMS, 1, STREAMS_TOKENS)[0]
    if report["faults"]:
        raise Failed(f"{len(report['faults'])} of {STREAMS} streams failed: {report['faults'][0]}")
    return {"tps": report["tokens_per_s"], "first_ms": report["first_ms"]["median"]}


def tandem_streams(servers):
    def run(_setting):
        with servers.tandem(STREAMS, STREAMS_CTX) as (url, _):
            return streams_of(url)

    return run


def llama_streams(servers):
    def run(s):
        with servers.peer(STREAMS, STREAMS_CTX, s) as (url, _):
            return streams_of(url)

    return run


# ---- proofreading

PROOFREAD_CTX, PROOFREAD_TOKENS_MOST = 4096, 1024
PROOFREAD_RULES = (
    "You correct spelling, grammar and wrong words. Repeat the user's text with every mistake corrected and nothing "
    "else changed: the same sentences, the same lines. Write only the corrected text."
)
# Names and flags of drafting without a model, llama.cpp's docs/speculative.md; "n/m": look up n tokens, propose m.
SPECULATIVE = {
    "none": [],
    "simple 12/48": ["--spec-type", "ngram-simple"],
    **{
        f"simple {n}/{m}": ["--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", n,
                            "--spec-ngram-simple-size-m", m]
        for n, m in ((2, 8), (3, 16), (5, 16), (8, 32))
    },
    **{
        f"map-k {n}/{m}": ["--spec-type", "ngram-map-k", "--spec-ngram-map-k-size-n", n, "--spec-ngram-map-k-size-m", m]
        for n, m in ((3, 16), (6, 24))
    },
    "map-k4v 3/8": ["--spec-type", "ngram-map-k4v", "--spec-ngram-map-k4v-size-n", 3, "--spec-ngram-map-k4v-size-m", 8],
    **{
        f"mod {n}/{m}": ["--spec-type", "ngram-mod", "--spec-ngram-mod-n-match", n, "--spec-ngram-mod-n-min", least,
                         "--spec-ngram-mod-n-max", m]
        for n, least, m in ((24, 48, 64), (4, 2, 16), (8, 2, 32))
    },
    "cache": ["--spec-type", "ngram-cache"],
}


class Proofreading(load_streams.Stream):
    """One request for one text; tokens and times as of any stream. OpenAI's field "prediction" says what the answer
    will mostly repeat: tandem drafts from it; llama-server has no such field and finds its n-grams in the prompt."""

    def __init__(self, number, options, text, has_prediction):
        super().__init__(number, options)
        self.source, self.has_prediction = text, has_prediction

    def messages(self):
        return [{"role": "system", "content": PROOFREAD_RULES}, {"role": "user", "content": self.source}]

    def more_fields(self):
        return {"prediction": {"type": "content", "content": self.source}} if self.has_prediction else {}


def options_of(url, max_tokens, prompt_words=0):
    return argparse.Namespace(address=urllib.parse.urlsplit(url), streams=1, max_tokens=max_tokens, stagger_ms=0,
                              prompt_words=prompt_words, model=None)


def proofread(url, texts, has_prediction):
    """Tokens a second of the answers from their first event to their last, and seconds of the whole requests. Where
    several tokens come in the first event, its share of the text says how many."""
    asyncio.run(load_streams.Stream(9999, options_of(url, 4)).run(0))  # not counted: the server gets warm
    n_tokens, n_behind_first, writing_s, whole_s, answers = 0, 0.0, 0.0, 0.0, hashlib.sha256()
    for i, text in enumerate(texts):
        stream = Proofreading(i, options_of(url, PROOFREAD_TOKENS_MOST), text, has_prediction)
        asyncio.run(stream.run(0))
        if stream.fault or len(stream.times) < 2:
            raise Failed(f"proofreading failed: {stream.fault or 'the answer has no two pieces'}")
        answer = "".join(stream.pieces)
        n_tokens += stream.n_tokens
        n_behind_first += stream.n_tokens * (1 - len(stream.pieces[0]) / len(answer))
        writing_s += stream.times[-1] - stream.times[0]
        whole_s += stream.times[-1] - stream.begin
        answers.update(answer.encode() + b"\0")
    return {"tps": n_behind_first / writing_s, "seconds": whole_s, "tokens": n_tokens,
            "answer": answers.hexdigest()[:16]}


def tandem_proofread(servers, texts, draft):
    def run(_setting):
        with servers.tandem(1, PROOFREAD_CTX, "--draft", draft) as (url, _):
            return proofread(url, texts, True)

    return run


def llama_proofread(servers, texts):
    def run(s):
        with servers.peer(1, PROOFREAD_CTX, s, *SPECULATIVE[s["drafting"]]) as (url, _):
            return proofread(url, texts, False)

    return run


# ---- a known beginning of a prompt, after a restart

RESTORED_TOKENS, RESTORED_NEW = 2000, 16


def tandem_restored(servers):
    """Reads the beginning, stops, starts anew, and asks with another end; llama-server keeps nothing by itself."""

    def run(_setting):
        with tempfile.TemporaryDirectory() as home:
            o = argparse.Namespace(tandem=servers.programs["tandem"], model=servers.programs["model"], home=home,
                                   tokens=RESTORED_TOKENS, new=RESTORED_NEW, rounds=1,
                                   serve=["--threads", str(servers.threads)])
            try:
                found = prefix_restart.measure(o)
            except SystemExit as e:  # what its daemon says that does not start or answer
                raise Failed(str(e)) from e
        n_restored = found["rounds"][0]["restored_tokens"]
        if n_restored < RESTORED_TOKENS // 2:
            raise Failed(f"of {RESTORED_TOKENS} known tokens {n_restored} were restored")
        return {key: found[key] for key in ("restored_ms", "in_memory_ms", "first_time_ms")}

    return run


# ---- peak memory

MEMORY_CTX, MEMORY_WORDS, MEMORY_TOKENS, MEMORY_PROMPT_LEAST = 4096, 3650, 64, 3600


def peak_mb(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"^VmHWM:\s+(\d+) kB", f.read(), re.M)[1]) * 1024 / 1e6


def memory_of(url, pid):
    stream = load_streams.Stream(1, options_of(url, MEMORY_TOKENS, MEMORY_WORDS))
    asyncio.run(stream.run(0))
    if stream.fault:
        raise Failed(f"the long prompt failed: {stream.fault}")
    if stream.n_prompt < MEMORY_PROMPT_LEAST:
        raise Failed(f"the prompt has {stream.n_prompt} tokens, at least {MEMORY_PROMPT_LEAST} fill the context")
    return {"mb": peak_mb(pid)}


def tandem_memory(servers):
    def run(_setting):
        with servers.tandem(1, MEMORY_CTX) as (url, pid):
            return memory_of(url, pid)

    return run


def llama_memory(servers):
    """Without the copies of past prompts that its server keeps by default."""

    def run(s):
        with servers.peer(1, MEMORY_CTX, s, "--cache-ram", 0) as (url, pid):
            return memory_of(url, pid)

    return run
