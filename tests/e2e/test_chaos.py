"""200 random clients at once, good and bad: each is answered or refused by the rules, and nothing is left of them.

The clients are those of traffic.py, drawn from TANDEM_SEED (default 1). ./dev test sends 600 requests, --long 10,000;
under ASan (./dev asan) a leak ends the daemon with an error. The model is the tiny one: what is said does not matter.
The second half asks the same questions alone and in such company: the answers must be the same bytes.
"""
import concurrent.futures
import json
import os
import random
import subprocess
import threading
import time

import journal_reader
import pytest
import traffic
import watch
from api_fixtures import BUILD, TANDEM, Daemon, weights
from conftest import LONG

TINY_FILE = BUILD / "tests/harness/tiny_file"
SEED = os.environ.get("TANDEM_SEED", "1")
SANITIZED = bool(os.environ.get("TANDEM_SANITIZED"))
SMOL = weights("smollm2-135m")
N_CLIENTS, N_REQUESTS = (200, 10000) if LONG else (100, 600)

if not TANDEM.exists() or not TINY_FILE.exists():
    pytest.skip(f"{BUILD} is not built", allow_module_level=True)


class Server(Daemon):
    """tandem serve with a home of its own, and what its clients must know."""

    def __init__(self, home, model, *more):
        self.home = home
        super().__init__([TANDEM, "serve", "--quiet", "-m", model, "--home", home, "--listen", "127.0.0.1:0", *more])
        self.wait_ready()
        self.pid = self.process.pid

    def target(self):
        return traffic.Target(self.url, (self.home / "state/owner.key").read_text().strip(), self.verbs(),
                              self.takes_candidates())

    def verbs(self):
        """Those that answer now: what is not built is a 404."""
        return [v for v in ("proofread", "rewrite", "summarize", "reply", "prioritise")
                if self.post({}, f"/v1/features/{v}")[0] != 404]

    def takes_candidates(self):
        return self.post({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "n": 2})[0] == 200

    def n_errors(self):
        """Answers of 500 and above, with those that said "not yet" while the model was on its way."""
        return sum(float(line.split()[-1]) for line in self.get("/metrics")[2].splitlines()
                   if line.startswith("tandem_requests_total{") and 'class="5xx"' in line)


def end(server):
    code = server.process.poll()
    assert code is None, f"the daemon ended by itself with {code}: {server.text()[-3000:]}"
    text = server.text
    server.process.terminate()
    assert server.process.wait(60) == 0, text()[-3000:]  # also: no leak, under ASan
    written = text()
    server.log.close()
    assert "Sanitizer" not in written, written[-3000:]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    subprocess.run([TINY_FILE, path, "2048"], check=True)
    return path


@pytest.fixture
def server(tiny, tmp_path):
    s = Server(tmp_path, tiny, "--parallel", "8", "--queue", "256")
    yield s
    end(s)


def test_random_clients_leave_nothing_behind(server):
    target = server.target()
    traffic.run(target, f"{SEED}-warm", 20, 100)  # files and pools that are opened once
    server.wait_idle(30)
    before, errors = watch.sample(server.pid), server.n_errors()
    tally = traffic.run(target, f"{SEED}-1", N_CLIENTS, N_REQUESTS // 2)
    server.wait_idle(30)
    halfway_kb = watch.sample(server.pid)["memory_kb"]
    tally += traffic.run(target, f"{SEED}-2", N_CLIENTS, N_REQUESTS // 2)
    print(traffic.table(tally))
    server.wait_idle(30)
    health = server.health()
    assert health["state"] == "ready" and health["running"] == health["queued"] == 0
    assert watch.settle(server.pid, "descriptors", before["descriptors"]) <= before["descriptors"]
    assert watch.settle(server.pid, "threads", before["threads"]) <= before["threads"]
    if not SANITIZED:  # freed blocks wait in quarantine there
        # so many clients at once leave the heap its largest size; after the first half there is nothing to add
        end_kb = watch.sample(server.pid)["memory_kb"]
        print(f"{before['memory_kb']} kB before, {halfway_kb} kB halfway, {end_kb} kB at the end")
        assert end_kb < halfway_kb + 8 * 1024 and end_kb < before["memory_kb"] + 64 * 1024
    seen = sum(n for (_, what), n in tally.items() if what in (501, 505))
    assert server.n_errors() == errors + seen
    status, _, body = server.post({"messages": [{"role": "user", "content": "still there?"}], "max_tokens": 4})
    assert status == 200 and body["choices"]
    outcomes = journal_reader.check_complete(server.home / "state/journal/journal")
    assert outcomes["lost"] == 0 and outcomes["answered"] > N_REQUESTS / 5 and outcomes["cancelled"] > 0, outcomes


def test_more_connections_than_are_taken_are_told_so(server):
    """Each of 400 is served or turned away with a sentence; when they are gone all is as before."""
    before = watch.sample(server.pid)["descriptors"]
    held = []
    try:
        for _ in range(400):
            held.append(server.connect())
        served = refused = 0
        for s in held:
            s.sendall(f"GET /healthz HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n\r\n".encode())
        for s in held:
            try:
                data = s.recv(4096)
            except ConnectionResetError:
                data = b""  # the sentence is lost where our request met a closed socket
            served += data.startswith(b"HTTP/1.1 200")
            refused += not data or b"too_many_connections" in data
        assert served + refused == 400 and 200 <= served <= 256, (served, refused)
    finally:
        for s in held:
            s.close()
    assert watch.settle(server.pid, "descriptors", before) <= before
    assert server.get("/healthz")[0] == 200


def test_a_connection_ends_with_its_thousandth_request(server):
    request = f"GET /healthz HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n\r\n".encode()
    with server.connect() as s:
        stream = s.makefile("rb")
        for i in range(1, 1001):
            s.sendall(request)
            assert stream.readline().startswith(b"HTTP/1.1 200")
            fields = {}
            while line := stream.readline().strip():
                name, value = line.split(b":", 1)
                fields[name.lower()] = value.strip()
            stream.read(int(fields[b"content-length"]))
            assert (fields.get(b"connection") == b"close") == (i == 1000), i
        assert stream.read() == b""


# ---- the same bytes alone and in company ----

def questions(rng, n, tokens_max):
    """Of any length, some of one beginning, so that slots that know a part of them are taken up."""
    shared = " ".join(rng.choice(traffic.WORDS[:13]) for _ in range(60))
    asked = []
    for i in range(n):
        words = " ".join(rng.choice(traffic.WORDS) for _ in range(rng.choice([1, 5, 30, 120])))
        text = f"{shared} {words}" if i % 3 == 0 else words
        asked.append({"messages": [{"role": "user", "content": f"{i} {text}"}], "temperature": 0, "logprobs": True,
                      "top_logprobs": 3, "max_tokens": rng.randint(4, tokens_max)})
    return asked


def answer_of(server, question):
    """Text, and each token with its probabilities as they were written."""
    status, _, body = server.post(question)
    assert status == 200, body
    choice = body["choices"][0]
    return choice["message"]["content"], choice["finish_reason"], json.dumps(choice["logprobs"])


def stand_alone_and_in_company(server, asked, seconds_max, disturbers):
    alone = [answer_of(server, q) for q in asked]
    stop = threading.Event()
    target = server.target()

    def disturb():
        i = 0
        while not stop.is_set():
            i += 1
            traffic.run(target, f"{SEED}-other-{i}", disturbers, 6 * disturbers,
                        {"stream": 3, "gone_in_the_stream": 6, "gone_at_once": 4, "reset_in_the_stream": 3, "whole": 2})

    company = threading.Thread(target=disturb)
    company.start()
    rng = random.Random(SEED)
    try:
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            def late(i):
                time.sleep(delays[i])
                return answer_of(server, asked[i])
            for _ in range(3 if LONG else 1):
                delays = [rng.random() * seconds_max for _ in asked]
                together = list(pool.map(late, range(len(asked))))
                for i, (a, b) in enumerate(zip(alone, together)):
                    assert a == b, f"question {i}: {a[0]!r} alone, {b[0]!r} in company"
    finally:
        stop.set()
        company.join()
    server.wait_idle(30)


def test_answers_are_the_same_bytes_alone_and_in_company(server):
    stand_alone_and_in_company(server, questions(random.Random(SEED), 40, 60), 2, 8)


@pytest.mark.skipif(not SMOL, reason="no SmolLM2 weights: TANDEM_MODELS does not name their folder")
@pytest.mark.skipif(SANITIZED and not LONG, reason="a real model under sanitizers: ./dev test --long")
def test_a_real_model_answers_the_same_alone_and_in_company(tmp_path):
    s = Server(tmp_path, SMOL, "--parallel", "6", "--queue", "256", "-c", "1024")
    stand_alone_and_in_company(s, questions(random.Random(SEED), 40 if LONG and not SANITIZED else 8, 16), 2, 3)
    end(s)
