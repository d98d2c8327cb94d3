"""tandem perplexity over damaged weights and odd outputs: one sentence, exit code 1, nothing destroyed."""
import os
import shutil
import stat
import struct
import subprocess
import threading

import pytest

from api_fixtures import TANDEM, weights

SMOL = weights("smollm2-135m")
if not TANDEM.exists() or not SMOL:
    pytest.skip("needs build/tandem and the SmolLM2 weights (TANDEM_MODELS)", allow_module_level=True)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("Strawberries are extraordinarily delicious, said the archaeologist.\n")
    return path


def perplexity(model, text, *more):
    return subprocess.run([TANDEM, "perplexity", "-m", model, "-f", text, "-c", "8", *more], capture_output=True,
                          text=True, timeout=120)


def expect_one_sentence(r, *words):
    assert r.returncode == 1 and r.stdout == ""
    last = r.stderr.splitlines()[-1]
    assert last.startswith("tandem perplexity: ") and all(word in last for word in words), r.stderr


def copy_with(tmp_path, change):
    path = tmp_path / "damaged.gguf"
    shutil.copy(SMOL, path)
    with open(path, "r+b") as f:
        change(f)
    return path


def test_output_that_is_not_finite_is_a_failure(tmp_path, text):
    def change(f):
        f.seek(-4096, os.SEEK_END)
        f.write(b"\xff" * 4096)  # NaN as f16, bf16 and f32
    expect_one_sentence(perplexity(copy_with(tmp_path, change), text, "--json"), "damaged.gguf", "not finite")


def test_a_vocabulary_beyond_the_embedding_is_refused(tmp_path, text):
    def change(f):
        head = f.read(8 << 20)
        at = head.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 8  # n_dims, row length
        assert struct.unpack_from("<Q", head, at) == (49152,)
        f.seek(at)
        f.write(struct.pack("<Q", 1000))
    expect_one_sentence(perplexity(copy_with(tmp_path, change), text), "damaged.gguf", "embedding", "999")


def test_a_failure_removes_half_a_file_but_no_pipe(tmp_path, text):
    empty, half, pipe = tmp_path / "empty.txt", tmp_path / "half.bin", tmp_path / "pipe"
    empty.write_bytes(b"")
    expect_one_sentence(perplexity(SMOL, empty, "--logits", half), "0 tokens", "4")
    assert not half.exists()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: open(pipe, "rb").read())
    reader.start()
    expect_one_sentence(perplexity(SMOL, empty, "--logits", pipe), "0 tokens")
    reader.join()
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_a_missing_text_is_named(tmp_path):
    expect_one_sentence(perplexity(SMOL, tmp_path / "none.txt"), "none.txt", "No such file")
