#!/usr/bin/env python3
"""Hours of mixed traffic on the two phones of the demonstration: nothing may grow, nothing may break.

    soak.py [--hours 6] [--out build] [--model NAME] [--seed S] [--clients 6] [--pause 1.0]

The random clients of tests/e2e/traffic.py visit both phones at a modest rate. Meanwhile their owner grants and takes
back consents, hands questions to partners, pulls the network and has the settings read again; the maker changes
partners; the regulator reviews, approves and withdraws. Every 10 s the phones' memory, descriptors and threads go to
OUT/soak.csv, at the end (and every ten minutes) to OUT/soak.svg. It fails at the first answer that the rules do not
allow, when a phone ends, when something grows after the first 40% of the time, when a journal is not complete. Memory
is not judged in less than an hour: pages of the caches count when a long prompt first touches them, up to 94 MB a slot.
"""
import argparse
import collections
import json
import pathlib
import random
import re
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import journal_reader  # noqa: E402
import traffic  # noqa: E402
import watch  # noqa: E402
from demo_fixtures import Demo, call  # noqa: E402

SAMPLE_S, PLOT_S, CASE_S, CHANGE_S = 10, 600, 300, 20
# Why an answer may fail: a small model's texts did not pass a verb's checks; the case, the policy or the network that
# it was decided by changed meanwhile ("failed" is the assistant's word, whose stream has the code).
FAILURES = {"no_good_answer", "rules_changed", "failed"}
GROWTH_KB_MAX = 6 * 1024  # over the last 60% of the time, by its slope
PHONES = ("left", "right")


class Soak:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.rng = random.Random(options.seed)
        self.demo = Demo(folder, 18900, TANDEM_DEMO_MODEL=options.model).wait_ready()
        self.phones = {name: getattr(self.demo, name) for name in PHONES}
        self.pids = {name: int((p.home / "pid").read_text()) for name, p in self.phones.items()}
        self.deadline = time.monotonic() + options.hours * 3600
        self.tally = collections.Counter()
        self.did = collections.Counter()
        self.faults = []
        self.out = pathlib.Path(options.out)

    def is_over(self):
        return bool(self.faults) or time.monotonic() >= self.deadline

    def expect(self, status, allowed, what):
        self.did[f"{what} {status}"] += 1
        if status not in allowed:
            raise traffic.Broken(f"{what}: {status}, {allowed} were due")

    # ---- who comes

    def visit(self, name):
        phone = self.phones[name]
        verbs = [v for v in ("proofread", "rewrite", "summarize", "reply", "prioritise")
                 if call(f"{phone.url}/v1/features/{v}", {})[0] != 404]
        target = traffic.Target(phone.url, phone.key, verbs, changes=True)
        i = 0
        while not self.is_over():
            i += 1
            self.tally += traffic.run(target, f"{self.options.seed}-{name}-{i}", self.options.clients,
                                      20 * self.options.clients, pause_s=self.options.pause)

    # ---- what changes

    def consents(self):
        phone, partner = self.rng.choice([(self.demo.left, "alibaba"), (self.demo.right, "openai")])
        body = {"partner": partner, "feature": "assistant", "mode": self.rng.choice(["always", "never", "ask"])}
        self.expect(phone.post("/v1/consents", body, phone.key)[0], (200, 400, 404, 409), "consent")

    def hand_off(self):
        """A question that names a partner, and the owner's yes if it is offered."""
        phone, partner = self.rng.choice([(self.demo.left, "alibaba"), (self.demo.right, "openai")])
        answer = phone.ask(f"What is {self.rng.random()}?", partner=partner)
        self.expect(answer.status, (200, 429), "question to a partner")
        offers = answer.all("offer")
        if offers:
            answered = phone.answer(offers[0], self.rng.choice(["once", "once", "always", "never"]))
            self.expect(answered.status, (200, 403, 409, 429), "answer to an offer")

    def network(self):
        phone = self.rng.choice([self.demo.left, self.demo.right])
        self.expect(phone.post("/v1/network", {"off": True}, phone.key)[0], (200,), "network off")
        time.sleep(1)
        self.expect(phone.post("/v1/network", {"off": False}, phone.key)[0], (200,), "network on")

    def reload(self):
        phone = self.rng.choice([self.demo.left, self.demo.right])
        self.expect(phone.post("/v1/reload", {}, phone.key)[0], (200, 204, 404), "reload")

    def policy(self):
        """The maker's change, signed, and brought to both phones as the stage's page does."""
        market, partners = self.rng.choice([("CN", ("alibaba", "baidu")), ("US", ("openai",))])
        what = {"market": market, "feature": "assistant", "change": self.rng.choice(["swap", "kill", "unkill"]),
                "partner": self.rng.choice(partners)}
        status, _, text = call(f"http://127.0.0.1:{self.demo.port}/desk/policy", what, self.demo.desk_key)
        self.expect(status, (200, 400, 404, 409), f"policy {what['change']}")
        bundle = self.demo.desk_text("/desk/bundle").encode()
        for phone in self.phones.values():
            self.expect(phone.post("/v1/policy", bundle, phone.key)[0], (200,), "bundle")

    def case(self):
        """The regulator's next step with the newest case about Alibaba."""
        cases = [c for c in self.demo.desk("/desk/state")["cases"] if c["id"] != "DEMO-CN-2025-0002"]
        step = {"withdrawn": "again", "submitted": "review", "under_review": "approve", "approved": "withdraw"}
        action = step[cases[-1]["state"]]
        made = self.demo.desk(f"/desk/filings/{cases[-1]['id']}", {"action": action})
        self.expect(self.demo.left.post("/v1/filings", made, self.demo.left.key)[0], (200,), f"case {action}")

    def change(self):
        next_case = time.monotonic()
        while not self.is_over():
            if time.monotonic() >= next_case:
                self.case()
                next_case += min(CASE_S, self.options.hours * 3600 / 12)
            self.rng.choice([self.consents, self.hand_off, self.hand_off, self.network, self.reload, self.policy])()
            time.sleep(min(self.rng.expovariate(1 / CHANGE_S), self.options.hours * 3600 / 30))

    # ---- what is watched

    def guard(self, fn, *args):
        try:
            fn(*args)
        except BaseException as e:  # whatever it is, the others must stop
            self.faults.append(f"{fn.__name__}{args}: {type(e).__name__}: {e}")

    def alive(self):
        for name, pid in self.pids.items():
            if not pathlib.Path(f"/proc/{pid}/fd").exists() or self.phones[name].home.joinpath("pid").read_text() \
                    .strip() != str(pid):
                self.faults.append(f"the {name} phone ended")

    def draw(self, w):
        w.write_csv(self.out / "soak.csv")
        panels = [(what, [(name, w.points(f"{name}.{what}")) for name in PHONES])
                  for what in ("memory_kb", "descriptors", "threads")]
        watch.plot(self.out / "soak.svg", f"two phones for {w.rows[-1]['t_s'] / 3600:.2f} hours", panels)

    def run(self):
        threads = [threading.Thread(target=self.guard, args=(self.visit, name)) for name in PHONES]
        threads.append(threading.Thread(target=self.guard, args=(self.change,)))
        w = watch.Watch(self.pids)
        for t in threads:
            t.start()
        next_plot = time.monotonic() + PLOT_S
        while not self.is_over():
            w.take()
            self.alive()
            if time.monotonic() >= next_plot:
                self.draw(w)
                next_plot += PLOT_S
            time.sleep(max(0.1, min(SAMPLE_S, self.deadline - time.monotonic(), self.options.hours * 36)))
        for t in threads:
            t.join()
        self.draw(w)
        return w

    def failures(self, phone):
        """How often each cause stands in the log for a decision that was closed as failed."""
        notes = dict(re.findall(r' decision=(\w+).* note="?([\w ]+)', self.demo.text()))
        leaves = journal_reader.leaves(phone.home / "state/journal/journal")
        return collections.Counter(notes.get(leaf.decision, "unknown") for leaf in leaves if leaf.outcome == "failed")

    def judge(self, w):
        """The sentences of what is wrong, none when all is well."""
        wrong = list(self.faults)
        window_s = w.rows[-1]["t_s"] * 0.6
        for name in PHONES:
            grown = w.growth(f"{name}.memory_kb") * window_s
            print(f"{name}: {w.rows[0][f'{name}.memory_kb']} kB at first, {w.rows[-1][f'{name}.memory_kb']} kB at the "
                  f"end, {grown:.0f} kB by slope over the last {window_s:.0f} s")
            if grown > GROWTH_KB_MAX and self.options.hours >= 1:
                wrong.append(f"the {name} phone's memory grows by {grown:.0f} kB")
            for what in ("descriptors", "threads"):
                if w.growth(f"{name}.{what}") * window_s >= 3:
                    wrong.append(f"the {name} phone's {what} grow")
        self.demo.stop()
        for name, phone in self.phones.items():
            try:
                outcomes = journal_reader.check_complete(phone.home / "state/journal/journal")
                failures = self.failures(phone)
                print(f"{name}: journal {dict(outcomes)}, failed {dict(failures)}")
                if set(failures) - FAILURES:
                    wrong.append(f"the {name} phone's answers failed for no reason that is allowed: {failures}")
                if outcomes["lost"]:
                    wrong.append(f"the {name} phone's journal has lost decisions")
            except AssertionError as e:
                wrong.append(f"the {name} phone's journal: {e}")
        if "Sanitizer" in self.demo.text():
            wrong.append("a sanitizer's report: " + self.demo.text()[-2000:])
        return wrong


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--hours", type=float, default=6)
    p.add_argument("--out", default="build")
    p.add_argument("--model", default="smollm2")
    p.add_argument("--seed", default="1")
    p.add_argument("--clients", type=int, default=6)
    p.add_argument("--pause", type=float, default=1.0)
    options = p.parse_args()
    if options.hours < 6:
        print(f"soak: {options.hours * 60:.0f} minutes instead of 6 hours", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options, pathlib.Path(folder))
        try:
            w = soak.run()
            wrong = soak.judge(w)
        finally:
            soak.demo.stop()
    print(traffic.table(soak.tally))
    print(json.dumps(dict(soak.did), indent=1))
    print(f"{sum(soak.tally.values())} answers, {sum(soak.did.values())} changes; "
          f"{options.out}/soak.csv, {options.out}/soak.svg")
    for sentence in wrong:
        print(f"soak: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
