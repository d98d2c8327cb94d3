"""The rows of the table: what is measured, who takes part with which settings, and what the machine's limit is.

The first contender of a row is tandem as it comes; every other one has a ratio against it. A peer that is not built is
left out; a row that nobody can run says why (Unavailable).
"""

import dataclasses
import pathlib
import typing

import programs
import servers

HIGHEST_ISA = "vnni"


class Unavailable(Exception):
    """Why a row cannot be run here."""


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    run: typing.Callable  # (setting) -> {measure: value}
    space: dict = dataclasses.field(default_factory=dict)  # of its settings, best_of.search


@dataclasses.dataclass(frozen=True)
class Measure:
    key: str
    title: str
    unit: str
    higher_is_better: bool = True
    limit: typing.Callable = None  # (cost of the model, rates of the probe) -> value


@dataclasses.dataclass(frozen=True)
class Row:
    key: str
    title: str
    measures: tuple
    contenders: typing.Callable  # (Place) -> [Contender]
    isa: str = HIGHEST_ISA  # of the probe
    same_answer: tuple = ()  # contenders whose answers must be the same text


@dataclasses.dataclass(frozen=True)
class Place:
    """Where everything lies, for one model."""

    tandem: pathlib.Path
    model: pathlib.Path
    threads: int
    peer: pathlib.Path  # folder of llama.cpp's programs, which may be missing
    peer_avx2: pathlib.Path
    ik: pathlib.Path = None  # llama-bench of ik_llama.cpp, or None
    texts: tuple = ()

    def servers(self):
        return servers.Servers(self.tandem, self.peer / "llama-server", self.model, self.threads)

    def space(self, space=programs.PEER_SPACE):
        """Of a peer's settings, with the numbers of threads."""
        return {**space, "threads": [self.threads] + [n for n in (2, 1) if n < self.threads]}


# ---- limits: tokens a second, or MB

PEER = "llama.cpp"


def prompt_limit(cost, rates):
    return rates["int8"] * 1e9 / cost.prompt_operations()


def decode_limit(depth):
    return lambda cost, rates: rates["read"] * 1e9 / cost.decode_bytes(depth)


def memory_limit(cost, _rates):
    return cost.memory_bytes(servers.MEMORY_CTX) / 1e6


# ---- contenders


def bench_contenders(prompt=0, generate=0, depth=0, avx2=False):
    work = {"prompt": prompt, "generate": generate, "depth": depth}

    def of(p):
        isa = "avx2" if avx2 else None
        found = [Contender("tandem", programs.tandem_bench(p.tandem, p.model, work, p.threads, isa))]
        peer = (p.peer_avx2 if avx2 else p.peer) / "llama-bench"
        if peer.exists():
            found.append(Contender(PEER, programs.llama_bench(peer, p.model, work), p.space()))
        if p.ik and not avx2:
            run = programs.ik_bench(p.ik, p.model, work)
            found.append(Contender("ik_llama.cpp", run, p.space(programs.IK_SPACE)))
        return found

    return of


def with_server(ours, theirs):
    def of(p):
        found = [Contender("tandem", ours(p.servers()))]
        if (p.peer / "llama-server").exists():
            found.append(Contender(PEER, theirs(p.servers()), p.space()))
        return found

    return of


def proofread_contenders(p):
    if not p.texts:
        raise Unavailable("no text is given: --text FILE")
    if "--draft" not in programs.output_of([p.tandem, "serve", "--help"]):
        raise Unavailable("not available in this build: tandem serve has no --draft")
    found = [Contender("tandem", servers.tandem_proofread(p.servers(), p.texts, "auto")),
             Contender("tandem --draft off", servers.tandem_proofread(p.servers(), p.texts, "off"))]
    if (p.peer / "llama-server").exists():
        run, space = servers.llama_proofread(p.servers(), p.texts), p.space()
        drafting = [name for name in servers.SPECULATIVE if name != "none"]
        found += [Contender(PEER + ", n-gram drafting", run, {"drafting": drafting, **space}),
                  Contender(PEER + ", plain", run, {"drafting": ["none"], **space})]
    return found


def restored_contenders(p):
    return [Contender("tandem", servers.tandem_restored(p.servers()))]


def start_contenders(p):
    found = [Contender("tandem", programs.tandem_start(p.tandem, p.model, p.threads))]
    if (p.peer / "llama-cli").exists():
        run = programs.llama_start(p.peer / "llama-cli", p.model)
        found.append(Contender(PEER, run, p.space(programs.START_SPACE)))
    return found


# ---- the table

TPS = "tokens a second"


def rate(limit=None, title=TPS):
    return Measure("tps", title, "t/s", limit=limit)


ROWS = (
    Row("prompt-512", "prompt of 512 tokens", (rate(prompt_limit),), bench_contenders(prompt=512)),
    Row("prompt-4096", "prompt of 4,096 tokens", (rate(prompt_limit),), bench_contenders(prompt=4096)),
    Row("decode-128", "128 tokens written", (rate(decode_limit(64)),), bench_contenders(generate=128)),
    Row("decode-4096", "32 tokens written behind 4,096", (rate(decode_limit(4112)),),
        bench_contenders(generate=32, depth=4096)),
    Row("streams", "16 streams at once",
        (rate(title="in sum"), Measure("first_ms", "first token, median", "ms", False)),
        with_server(servers.tandem_streams, servers.llama_streams)),
    Row("proofread", "proofreading 200 words",
        (rate(title="writing"), Measure("seconds", "the whole request", "s", False)), proofread_contenders,
        same_answer=("tandem", "tandem --draft off")),
    Row("start", "start of the process to its end behind the first token",
        (Measure("seconds", "warm, packed", "s", False),), start_contenders),
    Row("restored", "first token after a restart, 2,000 known tokens and 16 new ones",
        tuple(Measure(key, title, "ms", False) for key, title in (
            ("restored_ms", "restored from disk"), ("in_memory_ms", "still in memory"), ("first_time_ms", "all read"))),
        restored_contenders),
    Row("memory", "peak memory of a server, context of 4,096 filled",
        (Measure("mb", "against file + cache", "MB", False, memory_limit),),
        with_server(servers.tandem_memory, servers.llama_memory)),
    Row("avx2-prompt", "prompt of 512 tokens, AVX2 alone", (rate(prompt_limit),),
        bench_contenders(prompt=512, avx2=True), isa="avx2"),
    Row("avx2-decode", "128 tokens written, AVX2 alone", (rate(decode_limit(64)),),
        bench_contenders(generate=128, avx2=True), isa="avx2"),
)


def by_key(keys):
    """Rows in the table's order; all of them without keys."""
    unknown = set(keys) - {r.key for r in ROWS}
    if unknown:
        raise SystemExit(f"--rows: {', '.join(sorted(unknown))} is no row; there are {', '.join(r.key for r in ROWS)}")
    return [r for r in ROWS if not keys or r.key in keys]
