#!/usr/bin/env python3
"""Compares what tandem's GGUF reader sees in files with what the gguf Python package sees.

    python tools/gguf_check.py build/tests/harness/gguf_dump FILE..

Needs the gguf package (the format's authors' own reader). Every key, type, value, array element, tensor name, shape,
type, offset and size must agree. Exit code 1 and the first differences otherwise.
"""
import subprocess
import sys

from gguf import GGUFReader, GGUFValueType

NAMES = {
    GGUFValueType.UINT8: "u8", GGUFValueType.INT8: "i8", GGUFValueType.UINT16: "u16", GGUFValueType.INT16: "i16",
    GGUFValueType.UINT32: "u32", GGUFValueType.INT32: "i32", GGUFValueType.UINT64: "u64", GGUFValueType.INT64: "i64",
    GGUFValueType.FLOAT32: "f32", GGUFValueType.FLOAT64: "f64", GGUFValueType.BOOL: "bool",
    GGUFValueType.STRING: "string", GGUFValueType.ARRAY: "array",
}


def element(kind, part):
    if kind == GGUFValueType.STRING:
        return "=" + bytes(part).hex()
    if kind in (GGUFValueType.FLOAT32, GGUFValueType.FLOAT64):
        return float(part[0])
    return int(part[0])


def expected(path):
    reader = GGUFReader(path)
    lines = []
    for field in reader.fields.values():
        if field.name.startswith("GGUF."):  # the header, which the package lists as fields
            continue
        kind = field.types[0]
        if kind == GGUFValueType.ARRAY:
            values = [element(field.types[1], field.parts[i]) for i in field.data]
            lines.append(("kv", field.name, "array", NAMES[field.types[1]], len(values), values))
        else:
            lines.append(("kv", field.name, NAMES[kind], element(kind, field.parts[field.data[0]])))
    for t in reader.tensors:
        shape = [int(d) for d in t.shape]
        lines.append(("tensor", t.name, int(t.tensor_type), int(t.data_offset), int(t.n_bytes), shape))
    return lines


def value(kind, text):
    return text if kind == "string" else float.fromhex(text) if kind in ("f32", "f64") else int(text)


def seen(dump, path):
    lines = []
    for line in subprocess.run([dump, path], check=True, capture_output=True, text=True).stdout.splitlines():
        words = line.split(" ")
        if words[0] == "tensor":
            lines.append(("tensor", words[1], int(words[2]), int(words[3]), int(words[4]), [int(w) for w in words[5:]]))
        elif words[2] == "array":
            lines.append(("kv", words[1], "array", words[3], int(words[4]), [value(words[3], w) for w in words[5:]]))
        else:
            lines.append(("kv", words[1], words[2], value(words[2], words[3])))
    return lines


def main():
    failed = False
    for path in sys.argv[2:]:
        want, got = expected(path), seen(sys.argv[1], path)
        differences = [(w, g) for w, g in zip(want, got) if w != g]
        n_kvs = sum(1 for w in want if w[0] == "kv")
        n_elements = sum(w[4] for w in want if w[0] == "kv" and w[2] == "array")
        if len(want) == len(got) and not differences:
            print(f"{path}: {n_kvs} keys, {n_elements} array elements, {len(want) - n_kvs} tensors agree")
            continue
        failed = True
        print(f"{path}: {len(want)} entries against {len(got)}, {len(differences)} differ")
        for w, g in differences[:3]:
            print("  package:", str(w)[:200])
            print("  tandem: ", str(g)[:200])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
