"""What one token costs by the model file alone, whatever a program makes of it: the numerators of the limits.

Bytes of a decoded token: all matrices once, the head once, one row of the embedding table, and the keys and values of
the positions before it in f16. Weights of a prompt token: all matrices but embedding table and head (of a prompt only
the last token needs the head); a product and its addition are two operations. Attention's own arithmetic is not
counted, so a long prompt's limit is a little too high.

The file is read by tests/harness/gguf_dump, which is checked against the format's own reader (tools/gguf_check.py).
"""

import dataclasses
import math
import pathlib
import subprocess

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
BYTES_F16 = 2


@dataclasses.dataclass(frozen=True)
class Cost:
    file_bytes: int
    token_bytes: int  # of weights, for one decoded token
    weights: int  # without embedding table and head
    kv_bytes: int  # of one position, keys and values of all layers

    def decode_bytes(self, depth):
        return self.token_bytes + depth * self.kv_bytes

    def prompt_operations(self):
        return 2 * self.weights

    def memory_bytes(self, n_ctx):
        return self.file_bytes + n_ctx * self.kv_bytes


def parse(dump):
    """({key: int}, {tensor: (bytes, [columns, rows])}) of gguf_dump's lines; keys that are no integers are left out."""
    keys, tensors = {}, {}
    for line in dump.splitlines():
        words = line.split(" ")
        if words[0] == "tensor":
            tensors[words[1]] = (int(words[4]), [int(w) for w in words[5:]])
        elif words[0] == "kv" and len(words) == 4 and words[2] in ("u32", "u64", "i32", "i64"):
            keys[words[1].split(".", 1)[-1]] = int(words[3])
    return keys, tensors


def cost_of(keys, tensors, file_bytes):
    table_bytes, (_, n_vocab) = tensors[EMBEDDING]
    others = {name: t for name, t in tensors.items() if name not in (EMBEDDING, HEAD)}
    head_bytes = tensors[HEAD][0] if HEAD in tensors else table_bytes
    n_heads = keys["attention.head_count"]
    head_size = keys.get("attention.key_length", keys["embedding_length"] // n_heads)
    n_kv = keys.get("attention.head_count_kv", n_heads)
    return Cost(
        file_bytes=file_bytes,
        token_bytes=sum(t[0] for t in others.values()) + head_bytes + table_bytes // n_vocab,
        weights=sum(math.prod(t[1]) for t in others.values() if len(t[1]) > 1),
        kv_bytes=2 * keys["block_count"] * n_kv * head_size * BYTES_F16,
    )


def read(gguf_dump, model):
    out = subprocess.run([gguf_dump, model], check=True, capture_output=True, text=True, errors="replace").stdout
    return cost_of(*parse(out), pathlib.Path(model).stat().st_size)
