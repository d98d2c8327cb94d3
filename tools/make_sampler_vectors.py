#!/usr/bin/env python3
"""Makes tests/unit/vectors/sampler.json: what transformers' own warpers leave of small random logits.

Each case: logits, tokens so far, parameters, and the distribution behind penalties, temperature, top_k, top_p and
min_p in that order (the order of transformers' generate). Needs transformers and torch, as ./dev golden installs
them:   python tools/make_sampler_vectors.py > tests/unit/vectors/sampler.json
"""
import json
import sys

import torch
from transformers.generation import logits_process as lp



def make_case(rng, n_vocab):
    def pick(values):
        return values[int(torch.randint(len(values), (1,), generator=rng))]

    scale = pick([0.5, 2.0, 6.0])
    # 4 decimals: short in the file; distinct, so that ties (which we break by id) do not come up
    logits = torch.unique((torch.randn(n_vocab * 2, generator=rng) * scale * 1e4).round())[:n_vocab] / 1e4
    logits = logits[torch.randperm(len(logits), generator=rng)]
    tokens = torch.randint(len(logits), (int(torch.randint(1, 20, (1,), generator=rng)),), generator=rng)
    params = {"temperature": pick([0.3, 0.7, 1.0, 1.6]), "top_k": pick([0, 1, 3, 20, 10000]),
              "top_p": pick([1.0, 0.95, 0.8, 0.3, 0.01]), "min_p": pick([0.0, 0.0, 0.05, 0.5, 0.99]),
              "repeat_penalty": pick([1.0, 1.1, 1.5, 0.8])}
    steps = [lp.RepetitionPenaltyLogitsProcessor(params["repeat_penalty"]),
             lp.TemperatureLogitsWarper(params["temperature"])]
    if params["top_k"]:
        steps.append(lp.TopKLogitsWarper(min(params["top_k"], len(logits))))
    if params["top_p"] < 1:
        steps.append(lp.TopPLogitsWarper(params["top_p"]))
    if params["min_p"] > 0:
        steps.append(lp.MinPLogitsWarper(params["min_p"]))
    scores = logits.float().unsqueeze(0)
    for step in steps:
        scores = step(tokens.unsqueeze(0), scores)
    probs = torch.softmax(scores[0].double(), dim=-1)
    kept = [i for i in range(len(logits)) if scores[0][i] > float("-inf")]
    return {"params": params, "logits": [round(float(x), 4) for x in logits], "tokens": tokens.tolist(),
            "ids": kept, "probs": [float("%.6g" % probs[i]) for i in kept]}


def main():
    rng = torch.Generator().manual_seed(20250213)
    cases = [make_case(rng, n) for n in [8, 33, 64] for _ in range(32)]
    print("[")
    print(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
    print("]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
