#!/usr/bin/env python3
"""Blocks of every quantised type with the floats that the gguf package makes of them, as a C header.

    make_quant_vectors.py > tests/kernel/quant_vectors.h        (needs: pip install gguf numpy)

The package is by the authors of the format. Blocks are random bytes with finite scales; the first of each type has
all other bits set, so that every sign and every widest value occurs.
"""
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

TYPES = [T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K]
# where a block keeps its f16 values
HALVES = {T.F16: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82],
          T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}


def blocks_of(kind, rng):
    values, size = GGML_QUANT_SIZES[kind]
    count = max(2, 64 // values)
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    data[0] = 0xFF
    for at in HALVES.get(kind, []):
        for block in data:
            half = np.float16(rng.uniform(-0.1, 0.1))
            block[at:at + 2] = np.frombuffer(half.tobytes(), np.uint8)
    if kind == T.BF16:
        data[0] = [0x80, 0xBF]  # -1
        data[:, 1] &= 0xBF      # finite
    return data


def print_array(kind, name, items, form, a_line):
    print(f"static const {kind} {name}[] = {{")
    for i in range(0, len(items), a_line):
        print("    " + ", ".join(form % x for x in items[i:i + a_line]) + ",")
    print("};")


def main():
    rng = np.random.default_rng(1)
    print("/* quant_vectors.h - made by tools/make_quant_vectors.py with the gguf package: blocks, and the bits of "
          "their floats. */")
    print("#ifndef TDM_TESTS_QUANT_VECTORS_H\n#define TDM_TESTS_QUANT_VECTORS_H\n")
    print('#include <stdint.h>\n\n#include "kernel/quant.h"\n')
    rows = []
    for kind in TYPES:
        data = blocks_of(kind, rng)
        floats = dequantize(data.reshape(-1), kind).astype(np.float32).reshape(-1)
        assert np.isfinite(floats).all()
        name = kind.name.lower()
        print_array("uint8_t", name + "_bytes", data.reshape(-1), "%d", 20)
        print_array("uint32_t", name + "_floats", floats.view(np.uint32), "0x%08x", 8)
        rows.append(f'    {{TDM__TYPE_{kind.name}, {name}_bytes, {name}_floats, {floats.size}}},')
    print("\nstatic const struct {\n    tdm__type type;\n    const uint8_t *bytes;\n    const uint32_t *floats;\n"
          "    uint32_t n;\n} quant_vectors[] = {")
    print("\n".join(rows))
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
