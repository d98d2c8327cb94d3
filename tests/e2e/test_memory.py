"""Memory over 100 conversations (1,000 in --long): after the plateau a daemon holds no more than before.

A conversation has three turns, each with all that was said, whole or as a stream; four run at once. Samples go to
build/memory.csv and build/memory.svg. The bound is on the slope of the last 60% of the samples: 1,000 more
conversations may not take more than 1 MiB, nor one descriptor or thread.
"""
import concurrent.futures
import json
import random
import subprocess
import urllib.request

import pytest
import traffic
import watch
from api_fixtures import BUILD, weights
from conftest import LONG
from test_chaos import SANITIZED, TINY_FILE, Server, end

SMOL = weights("smollm2-135m")
N = 1000 if LONG else 100
KB_PER_1000_MAX = 1024
SLOTS = 4


def request_of(server, body):
    return urllib.request.Request(server.url + "/v1/chat/completions", json.dumps(body).encode(),
                                  {"Content-Type": "application/json"})


def converse(server, number):
    rng, messages = random.Random(number), []
    for _ in range(3):
        messages.append({"role": "user", "content": f"{number} " + " ".join(rng.choices(traffic.WORDS, k=12))})
        body = {"messages": messages, "max_tokens": rng.randint(4, 16), "temperature": rng.choice([0, 1])}
        if rng.random() < 0.5:
            status, _, answer = server.post(body)
            assert status == 200, answer
            text = answer["choices"][0]["message"]["content"]
        else:
            status, _, text = server.ask(request_of(server, {**body, "stream": True}))
            assert status == 200 and "[DONE]" in text
            text = "streamed"
        messages.append({"role": "assistant", "content": text.replace("\0", "?") or "-"})  # U+0000 is refused


def touch_the_caches(server):
    """A cache's page counts when a longer prompt than ever before touches it: steps, for hundreds of conversations."""
    def ask(n_words):
        text = " ".join(traffic.WORDS[i % len(traffic.WORDS)] for i in range(n_words))
        return server.post({"messages": [{"role": "user", "content": text}], "max_tokens": 4})[0]

    n_words = next(n for n in (600, 400, 200, 100, 50) if ask(n) == 200)
    with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
        for _ in range(3):
            assert set(pool.map(ask, [n_words] * SLOTS)) == {200}


@pytest.mark.skipif(SANITIZED, reason="freed blocks wait in quarantine there")
def test_memory_is_flat_over_conversations(tmp_path):
    model = tmp_path / "tiny.gguf"
    if LONG and SMOL:
        model = SMOL
    else:
        subprocess.run([TINY_FILE, model, "2048"], check=True)
    server = Server(tmp_path, model, "--parallel", str(SLOTS), "-c", "1024")
    touch_the_caches(server)
    done = [0]
    w = watch.Watch({"daemon": server.pid}, lambda: {"conversations": done[0]})
    with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
        pending = [pool.submit(converse, server, i) for i in range(N)]
        for future in concurrent.futures.as_completed(pending):
            future.result()
            done[0] += 1
            if done[0] % max(1, N // 100) == 0:
                w.take()
    server.wait_idle(10)
    w.write_csv(BUILD / "memory.csv")
    names = ["memory_kb", "descriptors", "threads"]
    watch.plot(BUILD / "memory.svg", f"tandem serve over {N} conversations of three turns", [
        (f"{name} by conversations", [(name, w.points(f"daemon.{name}", "conversations"))]) for name in names])
    kb = 1000 * w.growth("daemon.memory_kb", x="conversations")
    print(f"{w.rows[0]['daemon.memory_kb']} kB at first, {w.rows[-1]['daemon.memory_kb']} kB at the end, "
          f"{kb:.0f} kB per 1,000 conversations after the plateau")
    assert kb < KB_PER_1000_MAX * (1 if LONG else 4), (BUILD / "memory.svg")  # few samples are noisier
    for name in ("descriptors", "threads"):
        assert 1000 * w.growth(f"daemon.{name}", x="conversations") < 1
    end(server)
