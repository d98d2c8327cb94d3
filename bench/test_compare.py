"""bench/compare: what it says of values, what it finds, and whole runs with bench/fake_programs.py in all roles."""

import json
import os
import pathlib
import random
import subprocess
import sys
import xml.etree.ElementTree

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "compare"))
import best_of  # noqa: E402
import figures  # noqa: E402
import model_cost  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", HERE.parent / "build"))

# ---- figures


def test_a_ratio_is_the_median_of_neighbours_not_of_all():
    slow_then_fast = [10, 20, 30, 40, 50]
    a = figures.against([2 * x for x in slow_then_fast], slow_then_fast)
    assert (a["ratio"], a["least"], a["most"], a["ahead"]) == (2, 2, 2, 5)


def test_less_is_better_turns_the_ratio():
    assert figures.against([1.0] * 5, [4.0] * 5, higher_is_better=False)["ratio"] == 4


@pytest.mark.parametrize(
    ("ratios", "decided"),
    [
        ([1.5, 1.6, 1.7, 1.6, 1.6], True),
        ([1.05, 1.06, 1.06, 1.06, 1.33], False),  # always ahead, but the spread is larger than the difference
        ([0.9, 1.1, 1.0, 1.0, 1.0], False),
        ([0.5, 0.5, 0.6, 0.5, 0.5], True),  # slower is decided too
        ([1.25, 1.5, 1.5, 1.5, 1.75], True),  # equal is not larger (exact in binary)
        ([1.5, 1.6, 1.7, 1.6], False),  # four rounds
        ([1.0] * 5, True),  # equal to the last digit: a ratio of 1
    ],
)
def test_a_ratio_is_refused_where_its_spread_is_larger_than_the_difference(ratios, decided):
    a = figures.against(ratios, [1.0] * len(ratios))
    assert a["decided"] == decided
    assert (a["ratio"] is not None) == decided
    assert a["rounds"] == len(ratios)


def test_what_is_decided_never_has_neighbours_on_both_sides_of_one():
    r = random.Random(8)
    n_decided = 0
    for _ in range(20000):
        ours = [r.lognormvariate(0.3, 0.4) for _ in range(r.choice((5, 6, 9)))]
        a = figures.against(ours, [r.lognormvariate(0, 0.1) for _ in ours])
        if a["decided"]:
            n_decided += 1
            assert (a["least"] - 1) * (a["most"] - 1) >= 0
    assert 100 < n_decided < 19000


def test_a_round_that_one_program_missed_is_an_error():
    with pytest.raises(ValueError, match="5 rounds of the one, 4"):
        figures.against([1] * 5, [1] * 4)


def test_per_cent_is_held_against_each_rounds_own_limit():
    assert figures.percent_of_limit([10, 30, 20], [20, 40, 20]) == 75
    assert figures.percent_of_limit([200.0], [100.0], higher_is_better=False) == 50
    assert figures.percent_of_limit([1], []) is None


# ---- the search

SPACE = {"fa": ["on", "off"], "repack": [1, 0], "ubatch": [512, 128], "threads": [2, 1]}


def landscape(values):
    """measure(setting) by a table of (factor, value) -> factor of the rate, and the list of what was measured."""
    seen = []

    def measure(setting):
        seen.append(setting)
        rate = 100.0
        for key, times in values.items():
            if all(setting[f] == v for f, v in key):
                rate *= times
        return rate

    return measure, seen


def test_steps_finds_the_best_of_independent_factors_and_measures_nothing_twice():
    measure, seen = landscape({(("fa", "off"),): 1.2, (("ubatch", 128),): 1.1, (("threads", 1),): 0.5})
    best, tried = best_of.search(SPACE, measure)
    assert best == {"fa": "off", "repack": 1, "ubatch": 128, "threads": 2}
    assert [s for s, _ in tried] == seen and len({tuple(s.items()) for s in seen}) == len(seen) <= 9


def test_steps_comes_back_to_a_factor_that_a_later_one_has_changed():
    measure, _ = landscape({(("fa", "off"),): 0.9, (("fa", "off"), ("ubatch", 128)): 1.5, (("ubatch", 128),): 1.1})
    assert best_of.search(SPACE, measure)[0]["fa"] == "off"


def test_grid_finds_what_no_single_step_leads_to():
    values = {(("fa", "off"),): 0.5, (("repack", 0),): 0.5, (("fa", "off"), ("repack", 0)): 8}
    assert best_of.search(SPACE, landscape(values)[0])[0]["fa"] == "on"
    best, tried = best_of.search(SPACE, landscape(values)[0], how="grid")
    assert (best["fa"], best["repack"], len(tried)) == ("off", 0, 16)


def test_search_prefers_less_where_less_is_better_and_never_takes_what_cannot_run():
    space = {"drafting": ["a", "broken", "b"]}
    rates = {"a": 3.0, "broken": None, "b": 2.0}
    assert best_of.search(space, lambda s: rates[s["drafting"]], higher_is_better=False)[0] == {"drafting": "b"}
    only_last = {"a": None, "broken": None, "b": 9.0}
    assert best_of.search(space, lambda s: only_last[s["drafting"]])[0] == {"drafting": "b"}


def test_search_runs_nothing_where_there_is_nothing_to_choose():
    assert best_of.search({}, None) == ({}, [])
    assert best_of.search({"threads": [2]}, None) == ({"threads": 2}, [])
    assert best_of.search(SPACE, None, how="off") == (best_of.first_of(SPACE), [])


# ---- what a token costs

DUMP = """kv general.architecture string =7177656e32
kv qwen2.block_count u32 2
kv qwen2.embedding_length u32 128
kv qwen2.attention.head_count u32 4
kv qwen2.attention.head_count_kv u32 2
kv tokenizer.ggml.tokens array string 1 =61
tensor token_embd.weight 8 0 13600 128 100
tensor blk.0.attn_norm.weight 0 0 512 128
tensor blk.0.ffn_up.weight 2 0 18432 128 256
"""
UNTIED = DUMP + "tensor output.weight 8 0 20000 128 100\n"


def test_a_tied_head_is_read_once_and_one_row_as_embedding():
    cost = model_cost.cost_of(*model_cost.parse(DUMP), 40000)
    assert cost.token_bytes == 512 + 18432 + 13600 + 136
    assert cost.weights == 128 * 256
    assert cost.kv_bytes == 2 * 2 * 2 * 32 * 2  # keys and values, layers, heads, their size, f16
    assert cost.decode_bytes(10) == cost.token_bytes + 10 * 512
    assert cost.prompt_operations() == 2 * 128 * 256
    assert cost.memory_bytes(4096) == 40000 + 4096 * 512


def test_of_a_table_beside_a_head_one_row_is_read():
    assert model_cost.cost_of(*model_cost.parse(UNTIED), 1).token_bytes == 512 + 18432 + 20000 + 136


def test_an_own_head_size_goes_before_the_quotient():
    dump = DUMP + "kv qwen2.attention.key_length u32 64\n"
    assert model_cost.cost_of(*model_cost.parse(dump), 1).kv_bytes == 2 * 2 * 2 * 64 * 2


def test_the_real_dump_of_a_model_is_read(tmp_path):
    dump, tiny = BUILD / "tests/harness/gguf_dump", BUILD / "tests/harness/tiny_file"
    if not dump.exists() or not tiny.exists():
        pytest.skip(f"{BUILD} is not built")
    subprocess.run([tiny, tmp_path / "tiny.gguf", "256"], check=True)
    cost = model_cost.read(dump, tmp_path / "tiny.gguf")
    assert 0 < cost.token_bytes < cost.file_bytes == (tmp_path / "tiny.gguf").stat().st_size
    assert cost.weights > 0 and cost.kv_bytes > 0


# ---- the probe


@pytest.mark.parametrize("isa", ["vnni", "avx512", "avx2"])
def test_the_probe_counts_what_it_reads_and_multiplies(isa):
    probe = BUILD / "tests/unit/bench_probe"
    if not probe.exists():
        pytest.skip(f"{BUILD} is not built, or not for x86-64")
    done = subprocess.run([probe, "--isa", isa, "--check"], capture_output=True, text=True, check=False)
    if "below AVX2" in done.stderr:
        pytest.skip("this processor has no AVX2")
    assert done.returncode == 0, done.stderr  # every round compares its sums with what they must be
    threads = json.loads(done.stdout)["threads"]
    assert [t["threads"] for t in threads] == list(range(1, len(threads) + 1))
    for t in threads:
        for what in ("read", "read_prefetched", "int8"):
            assert 0 < t[what]["median"] <= t[what]["best"]


# ---- whole runs

BENCH_ROWS = "prompt-512,decode-128"


class World:
    """A folder with all programs, and one call of bench/compare."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("build/tandem", "build/tests/unit/bench_probe", "build/tests/harness/gguf_dump",
                     "peer/bin/llama-bench", "peer/bin/llama-server", "peer/bin/llama-cli", "avx2/llama-bench",
                     "ik/build/bin/llama-bench"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(HERE / "fake_programs.py")
            (path.parent / "dump.txt").write_text(UNTIED)
        (folder / "a-model.gguf").write_bytes(b"x" * 1000)
        self.rates("build", {"tandem": 300.0})
        self.rates("peer/bin", {"llama-bench": 100.0, "llama-server": 1, "llama-cli": 0.0})
        self.rates("avx2", {"llama-bench": 50.0})
        self.rates("ik/build/bin", {"llama-bench": 200.0})

    def rates(self, folder, values):
        (self.folder / folder / "rates.json").write_text(json.dumps(values))

    def calls(self, folder):
        path = self.folder / folder / "calls.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def run(self, *more, model="a-model.gguf"):
        f = self.folder
        argv = [sys.executable, HERE / "compare", "--tandem", f / "build/tandem", "--peer-dir", f / "peer/bin",
                "--peer-avx2-dir", f / "avx2", "--out", f / "out", "--threads", 1,
                *(["--model", f / model] if model else []), *more]
        return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, check=False)

    def result(self):
        return json.loads((self.folder / "out/a-model.json").read_text())

    def row(self, key):
        return next(r for r in self.result()["rows"] if r["key"] == key)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_programs_run_in_turn_with_the_best_settings_and_a_probe_before_each_round(world):
    world.rates("peer/bin", {"llama-bench": {"rate": 100.0, "with": ["-fa", "off"]}})
    done = world.run("--rows", "prompt-512")
    assert done.returncode == 0, done.stderr
    row = world.row("prompt-512")
    peer = row["contenders"][1]
    assert peer["setting"]["fa"] == "off" and len(peer["tried"]) > 3
    assert [r["tps"] for r in peer["runs"]] == [100.0] * 5  # what was tried before does not count
    in_rounds = world.calls("peer/bin")[-5:]
    assert all(c[c.index("-fa") + 1] == "off" for c in in_rounds)
    rounds = [line.split(", ")[1].split(":")[0] for line in done.stderr.splitlines() if "  round " in line]
    assert rounds == ["tandem", "llama.cpp"] * 5
    assert len(world.calls("build/tests/unit")) == 1 + 5 and len(row["probe"]) == 5
    limit = 30.0e9 / (2 * 128 * 256)
    assert row["measures"][0]["limits"] == [limit] * 5
    table = (world.folder / "out/a-model.md").read_text()
    assert "3.00 (3.00 to 3.00)" in table and "fa off" in table and f"{100 * 300 / limit:.0f}%" in table


def test_decoding_is_held_against_the_faster_way_of_reading(world):
    assert world.run("--rows", "decode-128", "--search", "off").returncode == 0
    limit = 32.0e9 / (512 + 18432 + 20000 + 136 + 64 * 512)
    assert world.row("decode-128")["measures"][0]["limits"] == [limit] * 5


def test_a_noisy_ratio_is_not_printed(world):
    world.rates("build", {"tandem": [100.0, 110.0, 130.0, 104.0, 90.0]})
    assert world.run("--rows", "prompt-512", "--search", "off").returncode == 0
    table = (world.folder / "out/a-model.md").read_text()
    assert "not decided, ahead in 3 of 5" in table
    assert "1.04" not in table


def test_ik_llama_stands_beside_with_its_own_flags(world):
    done = world.run("--rows", "decode-4096,prompt-512", "--search", "off", "--peer", world.folder / "ik")
    assert done.returncode == 0, done.stderr
    assert [c["name"] for c in world.row("prompt-512")["contenders"]] == ["tandem", "llama.cpp", "ik_llama.cpp"]
    calls = world.calls("ik/build/bin")
    assert any("-gp" in c and c[c.index("-gp") + 1] == "4096,32" for c in calls)
    assert all("-d" not in c and "-rtr" in c for c in calls)
    assert "1.50 (1.50 to 1.50)" in (world.folder / "out/a-model.md").read_text()
    assert "none of" in world.run("--peer", world.folder).stderr


def test_avx2_compares_with_the_peer_that_is_built_for_it(world):
    assert world.run("--rows", "avx2-prompt", "--search", "off").returncode == 0
    assert world.row("avx2-prompt")["contenders"][1]["runs"][0]["tps"] == 50.0
    assert any(c[c.index("--isa") + 1] == "avx2" for c in world.calls("build") if "--isa" in c)
    assert world.calls("build/tests/unit")[-1][-2:] == ["--isa", "avx2"]


def test_without_a_peer_tandem_is_measured_alone(world):
    for name in ("peer/bin/llama-bench", "avx2/llama-bench"):
        (world.folder / name).unlink()
    assert world.run("--rows", "prompt-512,avx2-decode", "--rounds", 1).returncode == 0
    assert [len(r["contenders"]) for r in world.result()["rows"]] == [1, 1]


def test_a_row_that_fails_leaves_the_others_and_the_exit_code_says_so(world):
    world.rates("peer/bin", {"llama-bench": "no such model", "llama-cli": 0.0})
    done = world.run("--rows", "prompt-512,start", "--rounds", 1, "--search", "off")
    assert done.returncode == 1 and "no such model" in done.stderr
    assert [r["key"] for r in world.result()["rows"]] == ["start"]


def test_rows_that_are_not_asked_for_stay_unless_the_machine_is_another(world):
    assert world.run("--rows", "prompt-512", "--rounds", 1, "--search", "off").returncode == 0
    assert world.run("--rows", "decode-128", "--rounds", 1, "--search", "off").returncode == 0
    assert [r["key"] for r in world.result()["rows"]] == ["prompt-512", "decode-128"]
    other = {**world.result(), "machine": {"processor": "another", "system": "x"}}
    (world.folder / "out/a-model.json").write_text(json.dumps(other))
    assert world.run("--rows", "decode-128", "--rounds", 1, "--search", "off").returncode == 0
    assert [r["key"] for r in world.result()["rows"]] == ["decode-128"]


def test_an_unknown_row_is_named(world):
    done = world.run("--rows", "prompt-512,nonsense")
    assert done.returncode != 0 and "nonsense is no row" in done.stderr


def test_servers_are_measured_each_in_its_own_run(world):
    done = world.run("--rows", "streams,memory,proofread", "--rounds", 1, "--search", "off")
    assert done.returncode == 0, done.stderr
    streams = world.row("streams")
    assert all(c["runs"][0]["tps"] > 0 for c in streams["contenders"])
    assert [c["name"] for c in world.row("proofread")["contenders"]] == [
        "tandem", "tandem --draft off", "llama.cpp, n-gram drafting", "llama.cpp, plain"]
    assert world.row("proofread")["fault"] is None
    plain = world.calls("peer/bin")[-1]
    assert "--spec-type" not in plain and any("--spec-type" in c for c in world.calls("peer/bin"))
    memory = world.row("memory")
    assert memory["measures"][0]["limits"] == [(1000 + 4096 * 512) / 1e6]
    assert all(1 < c["runs"][0]["mb"] < 1000 for c in memory["contenders"])


def test_a_restored_beginning_counts_only_if_it_was_restored(world):
    world.rates("build", {"tandem": 1900})
    assert world.run("--rows", "restored", "--rounds", 1).returncode == 0
    assert set(world.row("restored")["contenders"][0]["runs"][0]) == {"restored_ms", "in_memory_ms", "first_time_ms"}
    world.rates("build", {"tandem": 3})
    done = world.run("--rows", "restored", "--rounds", 1)
    assert done.returncode == 1 and "of 2000 known tokens 3 were restored" in done.stderr


def test_drafting_that_changes_the_text_is_a_fault(world):
    world.rates("build", {"tandem": 2})
    done = world.run("--rows", "proofread", "--rounds", 1, "--search", "off")
    assert done.returncode == 1
    assert "wrote different texts" in (world.folder / "out/a-model.md").read_text()


# ---- documents


def test_docs_get_the_tables_between_their_markers_and_nothing_else_changes(world):
    docs = world.folder / "docs/speed.md"
    docs.parent.mkdir()
    docs.write_text(f"# Head\n\n{report.BEGIN}\nold\n{report.END}\n\ntail\n")
    assert world.run("--rows", BENCH_ROWS, "--search", "off").returncode == 0
    assert world.run("--docs", docs, model=None).returncode == 0
    text = docs.read_text()
    assert text.startswith(f"# Head\n\n{report.BEGIN}\n") and text.endswith(f"{report.END}\n\ntail\n")
    assert "old" not in text and "3.00 (3.00 to 3.00)" in text and "`./dev bench a-model --rows" in text
    assert str(world.folder) not in text
    xml.etree.ElementTree.parse(docs.parent / "images/ratios.svg")


def test_docs_want_something_that_was_measured(world):
    (world.folder / "speed.md").write_text(f"{report.BEGIN}{report.END}")
    done = world.run("--docs", world.folder / "speed.md", model=None)
    assert done.returncode != 0 and "nothing was measured" in done.stderr


@pytest.mark.parametrize("text", ["none", report.BEGIN, report.END + report.BEGIN, (report.BEGIN + report.END) * 2])
def test_a_document_without_its_two_markers_is_left_alone(text):
    with pytest.raises(SystemExit, match="must have one line"):
        report.put_between_markers(text, "new")


def test_the_plot_has_a_dot_only_where_a_ratio_is_decided():
    def row(values):
        runs = [{"tps": v} for v in values]
        measure = {"key": "tps", "title": "t", "unit": "t/s", "higher_is_better": True, "limits": []}
        return {"key": "k<", "measures": [measure], "contenders": [
            {"name": "tandem", "runs": runs}, {"name": "peer", "runs": [{"tps": 1.0}] * 5}]}

    svg = plot.svg([{"short": "m", "rows": [row([2.0] * 5), row([0.5, 1.0, 1.5, 1.0, 1.0])]}])
    xml.etree.ElementTree.fromstring(svg)
    assert svg.count("<circle") == 1 and svg.count("stroke-width='4'") == 2
