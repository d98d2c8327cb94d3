"""The machine: which cores are used, what they are called, and what bench/probe.c says that they can give."""

import json
import os
import platform
import re
import subprocess


def pin(n_threads):
    """This process, and by inheritance every program that it starts, onto the first n_threads cores it may use."""
    cpus = sorted(os.sched_getaffinity(0))[:n_threads]
    if len(cpus) < n_threads:
        raise SystemExit(f"--threads {n_threads}: this process may use {len(cpus)} cores")
    os.sched_setaffinity(0, cpus)
    return cpus


def describe():
    name = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", f.read(), re.M))
    if "model name" in fields:
        name = f"{fields['model name']} (family {fields.get('cpu family')}, model {fields.get('model')})"
    return {"processor": name, "system": f"{platform.system()} {platform.release()}"}


class Probe:
    """What is read of a row's limit: GB and 1e9 int8 operations a second."""

    def __init__(self, program):
        self.program = program

    def run(self, *options):
        argv = [self.program, *(str(o) for o in options)]
        return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    def whole(self):
        """Every number of threads, for the record."""
        return self.run()

    def now(self, n_threads, isa):
        """{"read", "int8"}: medians of three short rounds, of the faster way of reading."""
        row = self.run("--threads", n_threads, "--rounds", 3, "--isa", isa)["threads"][0]
        return {"read": max(row["read"]["median"], row["read_prefetched"]["median"]), "int8": row["int8"]["median"]}
