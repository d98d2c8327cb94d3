#!/usr/bin/env python3
"""Makes tokenizer vectors: strings, and the ids that the vendor's own tokenizer gives them.

The vocabulary comes from a GGUF, everything else (normaliser, pre-tokenizer, merges, added tokens) from the
`tokenizers` package set up as the vendor's tokenizer.json has it. A SentencePiece vocabulary is asked of the
`sentencepiece` package as well, and a string on which the two differ is left out and counted.

    python3 -m venv V && V/bin/pip install tokenizers gguf sentencepiece protobuf
    V/bin/python tools/make_tokenizer_vectors.py MODEL.gguf OUT.json [--count N] [--seed N] [--points]
    V/bin/python tools/make_tokenizer_vectors.py --tiny tests/golden/tokenizer [--count N] [--seed N]

The second form trains two small vocabularies that need no model, without a pre-tokenizer, so that their merges reach
over every border that a pre-tokenizer draws, and makes vectors for each pre-tokenizer from them. (deepseek_sets.py has
the sets of characters that this and make_unicode_tables.py need.)

OUT.json: {"made_with":..,"normalizes":bool,"vectors":[[text, [ids], [ids with special tokens] or null], ..]}.
--points adds every code point in ten contexts (not for the tree: 100 MB).
"""

import argparse
import glob
import io
import json
import random

import tokenizers
import tokenizers.trainers
from deepseek_sets import DEEPSEEK_CASED, DEEPSEEK_CJK, DEEPSEEK_PUNCTUATION
from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def BYTES(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def SPLIT(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


PRE_TOKENIZERS = {
    "qwen2": [SPLIT(LLAMA3 % ""), BYTES(False)],
    "llama-bpe": [SPLIT(LLAMA3 % "{1,3}"), BYTES(False)],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), BYTES(True)],
    "gpt-2": [BYTES(True)],
    "deepseek-llm": [
        SPLIT("[\r\n]"),
        SPLIT(r"\s?[%s]+" % DEEPSEEK_CASED),
        SPLIT(r"\s?[%s]+" % DEEPSEEK_PUNCTUATION),
        SPLIT(r"\s+$"),
        SPLIT("[%s]+" % DEEPSEEK_CJK),
        pre_tokenizers.Digits(individual_digits=True),
        BYTES(False),
    ],
}


class Vocabulary:
    """The keys tokenizer.ggml.* of a GGUF, or of a dictionary."""

    def __init__(self, get):
        self.model, self.pre = get("model"), get("pre")
        self.tokens, self.kinds = get("tokens"), get("token_type")
        self.scores, self.merges = get("scores"), get("merges")
        space = get("add_space_prefix")
        self.adds_space = True if space is None else space

    @classmethod
    def of_gguf(cls, path):
        fields = GGUFReader(path).fields
        return cls(
            lambda key: fields["tokenizer.ggml." + key].contents() if "tokenizer.ggml." + key in fields else None
        )

    def added(self):
        for i, (text, kind) in enumerate(zip(self.tokens, self.kinds)):
            if kind in (UNKNOWN, CONTROL):
                yield AddedToken(text, special=True, normalized=False)
            elif kind == USER_DEFINED and text != "[PAD%d]" % i:
                yield AddedToken(
                    text.replace("\u2581", " ") if self.model == "llama" else text, special=False, normalized=False
                )

    def tokenizer(self):
        ids = {text: i for i, text in enumerate(self.tokens)}
        if self.model == "gpt2":
            merges = [tuple(m.split(" ", 1)) for m in self.merges]
            t = Tokenizer(models.BPE(ids, merges, ignore_merges=self.pre == "llama-bpe"))
            t.pre_tokenizer = pre_tokenizers.Sequence(PRE_TOKENIZERS[self.pre])
            if self.pre == "qwen2":
                t.normalizer = normalizers.NFC()
        else:
            t = Tokenizer(
                models.BPE(
                    ids,
                    self.score_merges(ids),
                    unk_token=self.tokens[self.kinds.index(UNKNOWN)],
                    fuse_unk=True,
                    byte_fallback=True,
                )
            )
            steps = [normalizers.Prepend("\u2581")] if self.adds_space else []
            t.normalizer = normalizers.Sequence(steps + [normalizers.Replace(" ", "\u2581")])
        t.add_tokens(list(self.added()))
        return t

    def score_merges(self, ids):
        """As transformers converts a SentencePiece model: every split of every piece, by score."""
        plain = {text for text, kind in zip(self.tokens, self.kinds) if kind in (NORMAL, USER_DEFINED, UNUSED)}
        found = []
        for text, score in zip(self.tokens, self.scores):
            if text in plain:
                for k in range(1, len(text)):
                    if text[:k] in plain and text[k:] in plain:
                        found.append((text[:k], text[k:], score))
        found.sort(key=lambda m: -m[2])
        return [m[:2] for m in found]

    def sentencepiece(self):
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2 as pb

        m = pb.ModelProto()
        for text, score, kind in zip(self.tokens, self.scores, self.kinds):
            m.pieces.add(piece=text, score=score, type=kind)
        m.trainer_spec.model_type = pb.TrainerSpec.BPE
        m.trainer_spec.byte_fallback = BYTE in self.kinds
        m.trainer_spec.unk_id = self.kinds.index(UNKNOWN)
        m.trainer_spec.vocab_size = len(self.tokens)
        m.normalizer_spec.name = "identity"
        m.normalizer_spec.add_dummy_prefix = bool(self.adds_space)
        m.normalizer_spec.remove_extra_whitespaces = False
        m.normalizer_spec.escape_whitespaces = True
        return sentencepiece.SentencePieceProcessor(model_proto=m.SerializeToString())


FIXED = [
    "Hello, world!",
    "  two  spaces ",
    "\ttab\tand\nline\r\nand\rreturn\n\n\n  x",
    "   \n   \n",
    " \t ",
    "\n",
    " ",
    "x ",
    "x  ",
    "I'm you're he's we'll they'd I've don't I'M YOU'RE HE'S WE'LL THEY'D I'VE DON'T 'S'T'Re'vE",
    "it\u2019s 'ſ 'ſt \u017f's",
    "1 12 123 1234 12345 3.14159 1,000,000 0x1F 2026-11-21",
    "\u0661\u0662\u0663 \u0967\u0968 \uff11\uff12 \u2160\u2161 \u00bd\u00b2\u2075 \u2460",
    "你好，世界！今天天气怎么样？",
    "苹果公司与阿里巴巴合作，为中国大陆销售的 iPhone 开发人工智能功能。",
    "こんにちは世界 カタカナ ﾊﾝｶｸ",
    "안녕하세요 세계",
    "Привет, мир! Ёлка",
    "Γειά σου Κόσμε ά\u03ac",
    "שלום עולם",
    "مرحبا بالعالم ١٢٣",
    "नमस\u094dत\u0947 द\u0941निया क\u094dषत\u094dरिय",
    "สว\u0e31สด\u0e35ชาวโลก",
    "ຍ\u0eb4ນດ\u0eb5ຕ\u0ec9ອນຮ\u0eb1ບ",
    "ကမ\u1039ဘာ",
    "Xin chào thế giới",
    "e\u0301 \u00e9 A\u030a \u212b \u1e9b\u0323 q\u0307\u0323 \uac00 \u1100\u1161\u11a8 \uf900 \u0958",
    "\u0344\u0374\u037e\u0387\u2000\u2126",
    "👍🏽 👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🇨🇳🇺🇸 ☃\ufe0f #\ufe0f\u20e3",
    "a\u200bb\u200cc\u200dd\ufeffe\u00a0f\u3000g\u2028h\u2029i\u0085j\u180ek",
    "\x00\x01\x02\x1b[0m\x7f\x80\x9f",
    "int main(void)\n{\n\treturn x->y + a[i++] != 0xFFu;\n}\n",
    "def f(x):\n    return {'a': [1, 2, 3], \"b\": None}  # comment\n",
    '<html><body class="x">&nbsp;</body></html>',
    "https://example.org/a/b?c=d&e=%20#f",
    "foo_bar fooBar FooBar FOO_BAR foo-bar",
    "!!!???...///\\\\\\",
    "<|im_start|>system\nYou are.<|im_end|>\n<|endoftext|>",
    "<s>[INST] hi [/INST]</s><unk><0x0A>",
    '<tool_call>{"name": 1}</tool_call>',
    "[PAD151646][PAD100015]",
    "▁under▁ ▁▁ _",
    "ø ö ú ÿ õ ÷ û ý À ù Á þ ü",
    "ĠHello Ċ Ä",
    "a" * 300,
    " " * 300,
    "\n" * 300,
    "ab" * 150,
    "=" * 300,
    "1" * 300,
    "你" * 100,
    "\u0301" * 40,
    "e" + "\u0301\u0323" * 40,
    "\u0323\u0301" * 30,
    "\u07fd\u0323\u0301",
    "\U00011935\U00011930 \U00011938",
    "\ud7a3\u11a8",
    "\u1100\u1161\u11a7\u11a8",
    "",
]

# Blocks from which runs are drawn, with weights that keep ordinary text ordinary.
BLOCKS = [
    (0x20, 0x7F, 30),
    (0x00, 0x20, 3),
    (0x80, 0x180, 5),
    (0x180, 0x250, 2),
    (0x300, 0x370, 4),
    (0x370, 0x530, 3),
    (0x590, 0x700, 3),
    (0x700, 0x900, 2),
    (0x900, 0xE00, 4),
    (0xE00, 0x1100, 3),
    (0x1100, 0x1200, 2),
    (0x1200, 0x1E00, 3),
    (0x1E00, 0x2000, 3),
    (0x2000, 0x2C00, 4),
    (0x2C00, 0x3000, 2),
    (0x3000, 0x3400, 4),
    (0x4E00, 0xA000, 5),
    (0xA000, 0xAC00, 2),
    (0xAC00, 0xD7B0, 3),
    (0xE000, 0xFB00, 2),
    (0xFB00, 0x10000, 3),
    (0x10000, 0x12000, 3),
    (0x16000, 0x17000, 1),
    (0x1B000, 0x1E000, 2),
    (0x1E000, 0x1F000, 2),
    (0x1F000, 0x1FB00, 4),
    (0x20000, 0x32000, 1),
    (0xE0000, 0xE0200, 1),
    (0x0, 0x110000, 2),
]
PARTS = [
    " ",
    "  ",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    " \n",
    "\n ",
    "'s",
    "'LL",
    "'ve ",
    "...",
    "123",
    "4567",
    " the",
    " and",
    "The",
    "ing",
    "(",
    "){",
    "\u00a0",
    "\u3000",
    "\u0301",
    "\u200d",
    "，",
    "。",
    "的",
    "ſ",
    "'",
    '"',
    " _",
    "__",
    "/*",
    " -> ",
    "é",
    "\x00",
    "1",
    "٣",
    "²",
]


def random_text(r):
    out = []
    for _ in range(r.randint(1, 12)):
        if r.random() < 0.45:
            out.append(r.choice(PARTS))
            continue
        low, high, _ = r.choices(BLOCKS, [b[2] for b in BLOCKS])[0]
        run = [r.randrange(low, high) for _ in range(r.randint(1, 8))]
        out.append("".join(chr(c) for c in run if not 0xD800 <= c <= 0xDFFF))
    return "".join(out)


def point_texts():
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    for i in range(0, len(points), 32):
        yield "".join("a%sb %s%s1%s\n'%s" % (c, c, c, c, c) for c in points[i : i + 32])
        yield "".join("%s\u0301 \u0323%s\u0301x" % (c, c) for c in points[i : i + 32])


def tiny_bytes():
    """A byte-level vocabulary whose merges know no words."""
    r = random.Random(11)
    texts = FIXED + [random_text(r) for _ in range(3000)] + ["".join(r.choices(PARTS, k=12)) for _ in range(3000)]
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = BYTES(False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1400, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    t.train_from_iterator(texts, trainer)
    model = json.loads(t.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    added = [
        ("<|endoftext|>", CONTROL),
        ("<|im_start|>", CONTROL),
        ("<|im_end|>", CONTROL),
        ("<|im", CONTROL),
        ("<tool_call>", USER_DEFINED),
        ("</tool_call>", USER_DEFINED),
        ("\u20ac\u20ac", USER_DEFINED),
        ("    x", USER_DEFINED),
        ("[PAD%d]" % (len(tokens) + 8), USER_DEFINED),
        ("[PAD%d]" % (len(tokens) + 9), UNUSED),
    ]
    return {
        "model": "gpt2",
        "tokens": tokens + [text for text, _ in added],
        "token_type": [NORMAL] * len(tokens) + [kind for _, kind in added],
        "merges": [" ".join(m) for m in model["merges"]],
    }


def tiny_pieces(folder):
    """A SentencePiece vocabulary, trained by SentencePiece."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb

    texts = [s for s in FIXED if s.isascii()] * 4
    for path in sorted(
        glob.glob("%s/../texts/english-*.txt" % folder) + glob.glob("%s/../texts/code-*.txt" % folder)
    ):
        texts += open(path, encoding="utf-8").read().split("\n\n")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(s.replace("\0", "") for s in texts),
        model_writer=out,
        model_type="bpe",
        vocab_size=1400,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=0.9999,
        allow_whitespace_only_pieces=True,
        split_by_whitespace=True,
        minloglevel=2,
    )
    m = pb.ModelProto()
    m.ParseFromString(out.getvalue())
    return {
        "model": "llama",
        "tokens": [p.piece for p in m.pieces],
        "token_type": [p.type for p in m.pieces],
        "scores": [p.score for p in m.pieces],
    }


def write_vectors(v, path, count, seed, points):
    r = random.Random(seed)
    t = v.tokenizer()
    sp = v.sentencepiece() if v.model == "llama" else None
    texts = FIXED + [random_text(r) for _ in range(count)] + (list(point_texts()) if points else [])
    t.encode_special_tokens = True
    plain = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    t.encode_special_tokens = False
    special = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    vectors, differ = [], 0
    for text, ids, with_special in zip(texts, plain, special):
        if sp and sp.encode(text) != ids:
            differ += 1
            if differ <= 5:
                print("sentencepiece differs:", ascii(text)[:100], sp.encode(text)[:20], ids[:20])
            continue
        vectors.append([text, ids, None if with_special == ids else with_special])
    made = "tokenizers %s%s" % (tokenizers.__version__, ", sentencepiece agrees" if sp else "")
    with open(path, "w") as f:
        head = json.dumps({"made_with": made, "seed": seed, "normalizes": v.pre == "qwen2" and v.model == "gpt2"})
        f.write(head[:-1] + ', "vectors": [\n')
        f.write(",\n".join(json.dumps(x, separators=(",", ":")) for x in vectors) + "\n]}\n")
    print(path, len(vectors), "vectors;", differ, "left out")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model", nargs="?"), p.add_argument("out", nargs="?")
    p.add_argument("--tiny"), p.add_argument("--points", action="store_true")
    p.add_argument("--count", type=int, default=500), p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    if not a.tiny:
        write_vectors(Vocabulary.of_gguf(a.model), a.out, a.count, a.seed, a.points)
        return
    for name, made, pres in (("bytes", tiny_bytes(), PRE_TOKENIZERS), ("pieces", tiny_pieces(a.tiny), ["default"])):
        with open("%s/tiny-%s.json" % (a.tiny, name), "w") as f:
            json.dump(made, f, separators=(",", ":"))
        for pre in pres:
            write_vectors(
                Vocabulary(dict(made, pre=pre).get),
                "%s/tiny-%s-%s.json" % (a.tiny, name, pre),
                a.count,
                a.seed,
                False,
            )


main()
