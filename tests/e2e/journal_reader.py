"""A reader of the decision journal after docs/formats/journal.md, which shares nothing with the one in the program."""
import collections
import hashlib
import struct

MAGIC = b"tandem-journal1\n"
OUTCOMES = {1: "answered", 2: "stopped", 3: "cancelled", 4: "failed", 5: "off", 6: "lost"}

Leaf = collections.namedtuple("Leaf", "kind index decision outcome")


def fields(data):
    """{tag: value} of what stands between head and digest."""
    found, at = {}, 0
    while at < len(data):
        tag, n = struct.unpack_from("<HI", data, at)
        assert at + 6 + n <= len(data) and tag not in found, "a field runs over its leaf, or comes twice"
        found[tag] = data[at + 6:at + 6 + n]
        at += 6 + n
    return found


def leaves(path):
    """All leaves; asserts lengths, numbers, and the chain of digests."""
    data = path.read_bytes()
    assert data[:16] == MAGIC
    at, before, found = 16, bytes(32), []
    while at < len(data):
        n, inverted, version, kind, zero, index, _ = struct.unpack_from("<IIHHIQq", data, at)
        leaf = data[at:at + n]
        assert n == inverted ^ 0xFFFFFFFF and 112 <= n <= 131072 and len(leaf) == n, f"leaf {len(found)}: length"
        assert (version, zero, index) == (1, 0, len(found)) and kind in (1, 2), f"leaf {len(found)}: head"
        assert leaf[48:80] == before, f"leaf {len(found)}: not chained"
        before = leaf[-32:]
        assert hashlib.sha256(leaf[:-32]).digest() == before, f"leaf {len(found)}: digest"
        tags = fields(leaf[80:-32])
        found.append(Leaf(kind, index, leaf[32:48].hex(), OUTCOMES[tags[3][0]] if kind == 2 else None))
        at += n
    return found


def check_complete(path):
    """Every decision is opened once and closed once after it; gives how often each outcome came."""
    open_ones, closed, outcomes = set(), set(), collections.Counter()
    for leaf in leaves(path):
        if leaf.kind == 1:
            assert leaf.decision not in open_ones | closed, f"{leaf.decision} is opened twice"
            open_ones.add(leaf.decision)
        else:
            assert leaf.decision in open_ones, f"{leaf.decision} is closed without being open"
            open_ones.remove(leaf.decision)
            closed.add(leaf.decision)
            outcomes[leaf.outcome] += 1
    assert not open_ones, f"{len(open_ones)} of {len(closed)} decisions are never closed"
    return outcomes
