"""Our canonical JSON is securesystemslib's, byte for byte, and so are key ids and signatures.

securesystemslib is what python-tuf signs with. The documents are random, from a fixed seed: every type, keys and
strings over all of Unicode, numbers to the ends of int64, nesting to the limit. Our side is
tests/harness/canonical_lines.c.
"""

import hashlib
import json
import random
import subprocess

import pytest
from conftest import BUILD

formats = pytest.importorskip("securesystemslib.formats")

PROGRAM = BUILD / "tests" / "harness" / "canonical_lines"
N_DOCUMENTS = 12_000
SEED = 20250211


def random_text(r):
    """Up to 12 characters that a canonical form may have: no control characters, no lone surrogates."""
    out = []
    for _ in range(r.randrange(13)):
        kind = r.randrange(6)
        if kind == 0:
            out.append(r.choice('"\\/"\\'))
        elif kind <= 2:
            out.append(chr(r.randrange(0x20, 0x7F)))
        elif kind == 3:
            out.append(chr(r.randrange(0x80, 0x800)))  # C1 controls stand as they are
        elif kind == 4:
            out.append(chr(r.choice((r.randrange(0x800, 0xD800), r.randrange(0xE000, 0x10000)))))
        else:
            out.append(chr(r.randrange(0x10000, 0x110000)))
    return "".join(out)


def random_number(r):
    return r.choice((0, 1, -1, 2**63 - 1, -(2**63), r.randrange(-(2**63), 2**63), r.randrange(-1000, 1000)))


def random_value(r, depth):
    kind = r.randrange(8 if depth > 0 else 6)
    if kind == 0:
        return random_number(r)
    if kind == 1:
        return r.choice((True, False, None))
    if kind <= 5:
        return random_text(r)
    if kind == 6:
        return [random_value(r, depth - 1) for _ in range(r.randrange(6))]
    return {random_text(r): random_value(r, depth - 1) for _ in range(r.randrange(8))}


def random_document(r):
    depth = r.choice((1, 2, 3, 5))
    value = {random_text(r): random_value(r, depth) for _ in range(r.randrange(9))}
    if r.randrange(50) == 0:  # to the limit of 64
        for _ in range(64 - 1 - nesting(value)):
            value = [value] if r.randrange(2) else {random_text(r): value}
    return value if r.randrange(10) else [value]


def nesting(v):
    inside = v.values() if isinstance(v, dict) else v if isinstance(v, list) else ()
    return 1 + max(map(nesting, inside), default=0) if isinstance(v, (dict, list)) else 0


def canonical(lines):
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not built")
    data = "".join(line + "\n" for line in lines).encode()
    r = subprocess.run([PROGRAM], input=data, capture_output=True, check=True, timeout=120)
    return r.stdout.decode().split("\n")[:-1]


def test_random_documents_have_securesystemslibs_canonical_form():
    r = random.Random(SEED)
    documents = [random_document(r) for _ in range(N_DOCUMENTS)]
    # one spelling and another: escapes, white space and the order of keys must not matter
    plain = [json.dumps(d, ensure_ascii=False) for d in documents]
    escaped = [json.dumps(d, ensure_ascii=True, separators=(" , ", "\t: "), sort_keys=True) for d in documents]
    wanted = [formats.encode_canonical(d) for d in documents]
    assert len(set(wanted)) > 10_000
    assert max(map(nesting, documents)) == 64
    for spelled in (plain, escaped):
        seen = canonical(spelled)
        assert len(seen) == N_DOCUMENTS
        for ours, theirs, text in zip(seen, wanted, spelled):
            assert ours == theirs, text


@pytest.mark.parametrize(
    "line",
    [
        "[1.0]",
        "[1e2]",
        "[-0.0]",
        '["\\u0000"]',
        '["\\u001f"]',
        '["\\n"]',
        '["\\u007f"]',
        '{"\\t":1}',
        '["\\ud800"]',
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":1}',
        "[9223372036854775808]",
        "[1] [2]",
        "[" * 65 + "]" * 65,
        "NaN",
        "",
    ],
)
def test_what_has_no_one_form_is_refused(line):
    assert canonical([line]) == ["ERR_FORMAT"]


def test_every_control_character_is_refused():
    lines = [json.dumps(["a" + chr(c)]) for c in [*range(0x20), 0x7F]]
    assert canonical(lines) == ["ERR_FORMAT"] * 33


def test_a_keys_files_are_securesystemslibs_key(tandem, tmp_path):
    signer = pytest.importorskip("securesystemslib.signer")
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    code, out, err = tandem.run("keygen", "--out", tmp_path / "keys" / "maker", "--json")
    assert code == 0, err
    told = json.loads(out)
    public = json.loads((tmp_path / "keys" / "maker.pub").read_text())
    secret = json.loads((tmp_path / "keys" / "maker.key").read_text())
    assert (tmp_path / "keys" / "maker.key").stat().st_mode & 0o777 == 0o600
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret["seed"]))
    theirs = signer.CryptoSigner(key).public_key
    assert theirs.keyid == told["keyid"] == hashlib.sha256(formats.encode_canonical(public).encode()).hexdigest()
    assert theirs.to_dict() == public
    assert told == {
        "keyid": theirs.keyid,
        "public": str(tmp_path / "keys" / "maker.pub"),
        "secret": str(tmp_path / "keys" / "maker.key"),
    }


def test_keygen_replaces_no_key(tandem, tmp_path):
    assert tandem.run("keygen", "--out", tmp_path / "a")[0] == 0
    before = (tmp_path / "a.key").read_bytes()
    code, out, err = tandem.run("keygen", "--out", tmp_path / "a")
    assert code == 1 and out == "" and "not replaced" in err
    assert (tmp_path / "a.key").read_bytes() == before
    assert before.decode().split('"')[-2] not in out + err
    assert tandem.run("keygen")[0] == 2
    assert tandem.run("keygen", "--out", tmp_path / "b.key")[0] == 0
    assert (tmp_path / "b.key.key").exists() and (tmp_path / "b.key.pub").exists()
