"""What a daemon does when the model's file changes under it, and how much memory it takes beside the file."""
import os
import shutil

import pytest

from api_fixtures import TANDEM, Daemon, weights

SMOL, QWEN = weights("smollm2-135m"), weights("qwen2.5-coder-0.5b")
if not TANDEM.exists() or not SMOL:
    pytest.skip("needs build/tandem and the SmolLM2 weights (TANDEM_MODELS)", allow_module_level=True)

QUESTION = {"messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 4, "temperature": 0}


@pytest.fixture
def served(tmp_path):
    """A daemon over a copy of the weights that a test may damage."""
    path = tmp_path / "copy.gguf"
    shutil.copy(SMOL, path)
    daemon = Daemon([TANDEM, "serve", "-m", path, "--listen", "127.0.0.1:0", "-c", "256", "--parallel", "1"])
    yield daemon.wait_ready(), path
    assert daemon.process.poll() is None, "the daemon ended by itself"
    assert daemon.stop() == 0


def expect_refusal(daemon, path):
    status, _, body = daemon.post(QUESTION)
    assert status == 503
    assert path.name in body["error"]["message"] and "changed on disk" in body["error"]["message"]
    assert daemon.health()["state"] == "failed"


def test_a_deleted_model_goes_on_answering(served):
    daemon, path = served
    before = daemon.post(QUESTION)
    path.unlink()
    after = daemon.post(QUESTION)
    assert before[0] == after[0] == 200
    assert before[2]["choices"][0]["message"] == after[2]["choices"][0]["message"]


def test_a_replaced_model_goes_on_answering(served):
    daemon, path = served
    other = path.with_suffix(".new")
    other.write_bytes(b"something else")
    os.replace(other, path)
    assert daemon.post(QUESTION)[0] == 200


def test_a_truncated_model_is_refused_and_the_daemon_lives(served):
    daemon, path = served
    assert daemon.post(QUESTION)[0] == 200
    os.truncate(path, 1 << 20)
    expect_refusal(daemon, path)
    expect_refusal(daemon, path)


def test_a_model_that_is_cut_during_an_answer_ends_in_an_error(served):
    daemon, path = served
    with daemon.connect() as sock:
        body = (b'{"messages":[{"role":"user","content":"Tell a long story."}],"max_tokens":200,"stream":true,'
                b'"temperature":0}')
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body)
        data = sock.recv(65536)
        os.truncate(path, 1 << 20)
        while b"[DONE]" not in data and b'"error"' not in data:
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    assert b'"error"' in data and b"changed on disk" in data
    expect_refusal(daemon, path)


def test_an_overwritten_model_is_refused(served):
    daemon, path = served
    with open(path, "r+b") as f:
        f.seek(50 << 20)
        f.write(b"\xff" * 4096)
    expect_refusal(daemon, path)


def resident_bytes(pid):
    """Anonymous memory (heap, stacks) and pages of files that are in memory, by /proc."""
    fields = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            name, _, value = line.partition(":")
            if name in ("RssAnon", "RssFile"):
                fields[name] = int(value.split()[0]) * 1024
    return fields


@pytest.mark.skipif("TANDEM_SANITIZED" in os.environ, reason="a sanitizer's own memory would be counted")
@pytest.mark.skipif(not QWEN, reason="needs the Qwen 0.5B weights")
def test_memory_beside_the_file_stays_below_15_per_cent_and_the_cache():
    """Qwen 0.5B, a context of 4,096 that is really filled: 24 layers x 2 x 128 values x 2 bytes a position."""
    n_ctx, file_bytes = 4096, os.path.getsize(QWEN)
    cache_bytes = 24 * 2 * 128 * 2 * n_ctx
    daemon = Daemon([TANDEM, "serve", "-m", QWEN, "--listen", "127.0.0.1:0", "-c", n_ctx, "--parallel", "1"])
    try:
        daemon.wait_ready()
        text = "The quick brown fox jumps over the lazy dog. " * 390
        status, _, body = daemon.post({"messages": [{"role": "user", "content": text}], "max_tokens": 16})
        assert status == 200 and body["usage"]["prompt_tokens"] > 3800, body
        memory = resident_bytes(daemon.process.pid)
        above = memory["RssAnon"] + max(0, memory["RssFile"] - file_bytes)
        print(f"{memory}, {above / 2**20:.1f} MiB above the file, cache {cache_bytes / 2**20:.1f} MiB")
        assert above <= 0.15 * file_bytes + cache_bytes
    finally:
        daemon.stop()
