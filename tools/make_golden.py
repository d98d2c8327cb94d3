#!/usr/bin/env python3
"""Golden logits: what transformers computes in float32 from the same GGUF, as slices for the tests and as a measure.

    make_golden.py slices  MODEL.gguf...              writes tests/golden/logits/NAME.json
    make_golden.py measure MODEL.gguf... [--peer DIR] [--kv q8]
                                                      prints KL divergence and same-top rate of build/tandem (and of
                                                      the peer's llama-perplexity, on the same tokens) against it

The oracle dequantises every weight of the file to float32 and knows nothing of our kernels. Run by ./dev golden,
which makes the environment it needs.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXTS = ROOT / "tests" / "golden" / "texts"
CONTEXT = 512          # tokens of each text that are measured
SLICE_TOKENS = 128     # tokens of each text that a slice covers
SLICE_STEP = 8         # one position in so many is kept
SLICE_TOP = 16         # most probable tokens kept of a position


def load(path):
    folder, name = os.path.split(os.path.abspath(path))
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()


def texts():
    return sorted(TEXTS.glob("*.txt"))


def ids_of(tandem, model, text, n):
    """Ids by tandem: a GGUF does not carry all of a vendor's tokenizer, and transformers guesses SmolLM2's wrong."""
    with open(text, "rb") as f:
        got = subprocess.run([tandem, "tokenize", "-m", model, "--json"], stdin=f, capture_output=True, check=True)
    ids = json.loads(got.stdout)[:n]
    assert len(ids) == n, f"{text.name} has only {len(ids)} tokens of {n}"
    return ids


@torch.no_grad()
def log_probs(model, ids):
    """[n][vocab] natural logarithms, float32."""
    logits = model(torch.tensor([ids])).logits[0].double()
    return torch.log_softmax(logits, dim=-1).float().numpy()


def write_slices(path, tandem):
    model = load(path)
    out = {"sha256": hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), "texts": []}
    for text in texts():
        ids = ids_of(tandem, path, text, SLICE_TOKENS)
        rows = log_probs(model, ids)
        entry = {"name": text.stem, "ids": ids, "rows": []}
        for pos in range(SLICE_STEP - 1, SLICE_TOKENS, SLICE_STEP):
            top = np.argsort(-rows[pos], kind="stable")[:SLICE_TOP]
            entry["rows"].append({"pos": pos, "top": [int(i) for i in top],
                                  "logprob": [round(float(rows[pos][i]), 5) for i in top]})
        out["texts"].append(entry)
    target = ROOT / "tests" / "golden" / "logits" / (pathlib.Path(path).stem + ".json")
    target.parent.mkdir(exist_ok=True)
    lines = json.dumps(out, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('{"pos"', '\n {"pos"')
    target.write_text(lines + "\n")
    print(f"{target.relative_to(ROOT)}: {len(out['texts'])} texts")


def read_logits(path, n_vocab):
    """The first CONTEXT rows of a `tandem perplexity --logits` file (docs/formats/logits.md) as log probabilities."""
    with open(path, "rb") as f:
        assert f.read(8) == b"TDMLOGI1"
        vocab, _, n_tokens = struct.unpack("<3Q", f.read(24))
        assert vocab >= n_vocab and n_tokens >= CONTEXT, (vocab, n_vocab, n_tokens)
        rows = np.fromfile(f, np.float32, CONTEXT * vocab).reshape(CONTEXT, vocab)[:, :n_vocab].astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def compare(reference, ours):
    """KL(reference || ours) and whether the best token is the same, for each row."""
    p = reference.astype(np.float64)
    kl = (np.exp(p) * (p - ours)).sum(axis=1)
    return kl, p.argmax(axis=1) == ours.argmax(axis=1)


def write_peer_base(path, all_ids, references):
    """llama-perplexity's file of reference log probabilities: 16 bits each, second half of each chunk."""
    n_vocab = references[0].shape[1]
    with open(path, "wb") as f:
        f.write(b"_logits_" + struct.pack("<iii", CONTEXT, n_vocab, len(all_ids)))
        for ids in all_ids:
            f.write(np.array(ids, np.int32).tobytes())
        for rows in references:
            for row in rows[CONTEXT // 2: CONTEXT - 1]:
                high = row.max()
                low = max(row.min(), high - 16)
                scale = (high - low) / 65535
                steps = np.where(row > low, np.rint((row - low) / scale), 0).astype(np.uint16)
                padding = np.zeros(n_vocab % 2, np.uint16)
                f.write(struct.pack("<ff", scale, low) + steps.tobytes() + padding.tobytes())


def measure_peer(peer, model, all_ids, references, folder):
    base = os.path.join(folder, "base")
    write_peer_base(base, all_ids, references)
    got = subprocess.run([os.path.join(peer, "llama-perplexity"), "-m", model, "-c", str(CONTEXT), "-b", str(CONTEXT),
                          "--kl-divergence", "--kl-divergence-base", base],
                         capture_output=True, text=True, check=False)
    text = got.stdout + got.stderr
    kl = re.search(r"Mean\s+KLD:\s+([-\d.e]+)", text)
    top = re.search(r"Same top p:\s+([\d.]+)", text)
    os.unlink(base)
    if not kl or not top:
        raise SystemExit("the peer printed no divergence:\n" + text[-2000:])
    return float(kl.group(1)), float(top.group(1))


def measure(path, tandem, peer, kv):
    model = load(path)
    all_ids, references, kls, tops = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for text in texts():
            ids = ids_of(tandem, path, text, CONTEXT)
            reference = log_probs(model, ids)
            dump = os.path.join(folder, "logits")
            subprocess.run([tandem, "perplexity", "-m", path, "-f", text, "-c", str(CONTEXT), "--kv", kv,
                            "--logits", dump, "--quiet"], check=True, stdout=subprocess.DEVNULL)
            kl, top = compare(reference, read_logits(dump, reference.shape[1]))
            os.unlink(dump)
            print(f"  {text.stem:16} mean KL {kl.mean():.6f}  max {kl.max():.4f}  same top {100 * top.mean():.2f}%",
                  flush=True)
            all_ids.append(ids), references.append(reference), kls.append(kl), tops.append(top)
        half = slice(CONTEXT // 2, CONTEXT - 1)
        kl, top = np.concatenate(kls), np.concatenate(tops)
        kl2, top2 = np.concatenate([k[half] for k in kls]), np.concatenate([t[half] for t in tops])
        name = pathlib.Path(path).stem
        print(f"{name}: tandem    all {len(kl)} tokens: mean KL {kl.mean():.6f}, same top {100 * top.mean():.2f}%")
        print(f"{name}: tandem    second halves:   mean KL {kl2.mean():.6f}, same top {100 * top2.mean():.2f}%")
        if peer:
            peer_kl, peer_top = measure_peer(peer, path, all_ids, references, folder)
            print(f"{name}: llama.cpp second halves:   mean KL {peer_kl:.6f}, same top {peer_top:.2f}%")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["slices", "measure"])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tandem", default=str(ROOT / "build" / "tandem"), help="the program that is measured")
    parser.add_argument("--peer", help="folder with llama-perplexity")
    parser.add_argument("--kv", default="f16", choices=["f16", "q8"], help="type of the cache that is measured")
    args = parser.parse_args()
    for path in args.models:
        if args.what == "slices":
            write_slices(path, args.tandem)
        else:
            measure(path, args.tandem, args.peer, args.kv)


if __name__ == "__main__":
    main()
