#!/usr/bin/env python3
"""Puts typing errors into a correct text, and says which: what proofreading is measured on.

    seed_typos.py LANG [--seed N] [--gap N] [FILE]       -> {"seeded": .., "typos": [{"at", "wrong", "right"}, ..]}
    seed_typos.py --texts DIR [--seed N]                 fills "seeded" and "typos" of every DIR/*.json again

The same text and seed give the same errors on every machine. English: a letter dropped, doubled, swapped with its
neighbour or put by its neighbour on the keyboard; wrong homophones (their, there); wrong agreement (is, are). Chinese:
wrong homophones (的 得 地, 在 再, and those within common words), a character doubled, two swapped within a word. Names,
numbers, addresses and who speaks in a chat are left alone. "at" counts characters of the seeded text; "right" is what
stood there. It knows nothing of the program that is measured.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys

HOMOPHONES_EN = [
    ("their", "there"), ("its", "it's"), ("your", "you're"), ("than", "then"), ("too", "to"), ("whose", "who's"),
    ("lose", "loose"), ("accept", "except"), ("here", "hear"), ("whether", "weather"), ("quiet", "quite"),
    ("passed", "past"), ("were", "where"), ("week", "weak"), ("new", "knew"), ("know", "now"), ("by", "buy"),
    ("hole", "whole"), ("right", "write"), ("piece", "peace"), ("through", "threw"), ("two", "to"), ("of", "off"),
]  # fmt: skip
AGREEMENT_EN = [
    ("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"), ("this", "these"), ("an", "a"), ("comes", "come"),
    ("takes", "take"), ("leaves", "leave"), ("begins", "begin"), ("begun", "began"), ("written", "wrote"),
]  # fmt: skip
NEIGHBOURS = {"a": "s", "e": "r", "i": "o", "o": "p", "u": "i", "n": "m", "t": "r", "r": "t", "s": "d", "l": "k"}

HOMOPHONES_ZH = [
    ("的", "得"), ("的", "地"), ("得", "的"), ("地", "的"), ("在", "再"), ("再", "在"), ("做", "作"), ("那", "哪"),
]  # fmt: skip
WORDS_ZH = [  # a common word, and how it is often mistyped
    ("已经", "以经"), ("因为", "应为"), ("时候", "时侯"), ("按照", "按造"), ("希望", "希忘"), ("问题", "问提"),
    ("需要", "须要"), ("可以", "可已"), ("现在", "现再"), ("知道", "知到"), ("觉得", "觉的"), ("安排", "按排"),
    ("合适", "合式"), ("准备", "准倍"), ("参观", "参关"), ("介绍", "介召"), ("建议", "建意"), ("原因", "原应"),
    ("方便", "方变"), ("感谢", "感射"), ("注册", "注测"), ("投诉", "投拆"), ("预计", "预记"), ("恢复", "回复"),
    ("发布", "发部"), ("讨论", "讨轮"), ("提前", "题前"), ("成功", "成工"), ("最后", "最候"), ("开始", "开使"),
    ("考虑", "考滤"), ("帮忙", "帮忘"), ("如果", "如过"), ("或者", "或着"), ("平均", "平钧"), ("周末", "周未"),
    ("老师", "老是"), ("学校", "学较"), ("同事", "同是"), ("电话", "电活"), ("家长", "家常"), ("孩子", "孩了"),
    ("带来", "代来"), ("每个", "每各"), ("应该", "因该"), ("必须", "必需"), ("报道", "报到"), ("交流", "交留"),
]  # fmt: skip
SWAPS_ZH = ["公司", "可能", "主要", "数据", "顾客", "价格", "天气", "城里", "高兴", "意见", "宽带", "新闻", "机器", "屋顶",
            "收到", "接口", "一直", "大概", "我们", "他们", "免费", "房间", "客服", "星期", "地方", "办法"]  # fmt: skip

PROTECTED = re.compile(r"https?://[!-~]+|www\.[!-~]+|[!-~]+@[!-~]+|@\w+|《[^》]*》|[!-~]*[0-9][!-~]*")


class Dice:
    """Numbers from a hash: the same in every version of Python."""

    def __init__(self, seed, text):
        self.state = hashlib.sha256(f"{seed}:".encode() + text.encode()).digest()
        self.n = 0

    def below(self, limit):
        self.n += 1
        h = hashlib.sha256(self.state + self.n.to_bytes(8, "big")).digest()
        return int.from_bytes(h[:8], "big") % limit

    def chance(self, percent):
        return self.below(100) < percent


def protected_spans(text, has_speakers):
    spans = [m.span() for m in PROTECTED.finditer(text)]
    if has_speakers:
        spans += [m.span() for m in re.finditer(r"^[^:\n]{1,30}: ", text, re.MULTILINE)]
    return spans


def is_free(spans, start, end):
    return all(end <= a or start >= b for a, b in spans)


def like(model, word):
    return word[0].upper() + word[1:] if model[0].isupper() else word


def misspell_en(word, dice):
    """What stands for the word, or None."""
    low = word.lower()
    pairs = [b for a, b in HOMOPHONES_EN if a == low] + [a for a, b in HOMOPHONES_EN if b == low]
    if pairs and dice.chance(70):
        return like(word, pairs[dice.below(len(pairs))])
    pairs = [b for a, b in AGREEMENT_EN if a == low] + [a for a, b in AGREEMENT_EN if b == low]
    if pairs and dice.chance(40):
        return like(word, pairs[dice.below(len(pairs))])
    if len(word) < 4 or not word.islower():
        return None
    i = 1 + dice.below(len(word) - 2)  # the first and the last letter stay
    way = dice.below(4)
    if way == 0:
        return word[:i] + word[i + 1 :]
    if way == 1:
        return word[:i] + word[i] + word[i:]
    if way == 2 and i + 2 < len(word) and word[i] != word[i + 1]:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    if way == 3 and word[i] in NEIGHBOURS:
        return word[:i] + NEIGHBOURS[word[i]] + word[i + 1 :]
    return None


def candidates_en(text):
    return [(m.start(), m.group()) for m in re.finditer(r"[A-Za-z]+(?:'[a-z]+)?", text)]


def candidates_zh(text):
    found = {}
    for words in (SWAPS_ZH, [a for a, _ in WORDS_ZH], [a for a, _ in HOMOPHONES_ZH]):
        for w in sorted(set(words)):
            for m in re.finditer(re.escape(w), text):
                if not found.get(m.start()) or len(found[m.start()]) < len(w):
                    found[m.start()] = w
    inner = {at + i for at, w in found.items() for i in range(1, len(w))}
    return sorted((at, w) for at, w in found.items() if at not in inner)


def misspell_zh(word, dice):
    ways = [b for a, b in HOMOPHONES_ZH + WORDS_ZH if a == word]
    if word in SWAPS_ZH:
        ways += [word[1] + word[0], word[0] + word]
    return ways[dice.below(len(ways))]


def seed_text(text, lang, seed=1, gap=None, has_speakers=False):
    """The text with errors, and the errors. gap: at least so many characters between two."""
    dice = Dice(seed, text)
    gap = gap or (45 if lang == "en" else 22)
    spans = protected_spans(text, has_speakers)
    out, typos, done, free_from = [], [], 0, 0
    for at, word in candidates_en(text) if lang == "en" else candidates_zh(text):
        if at < free_from or not is_free(spans, at, at + len(word)) or dice.chance(50):
            continue
        wrong = misspell_en(word, dice) if lang == "en" else misspell_zh(word, dice)
        if not wrong or wrong == word:
            continue
        out.append(text[done:at])
        typos.append({"at": sum(map(len, out)), "wrong": wrong, "right": word})
        out.append(wrong)
        done = at + len(word)
        free_from = done + gap
    out.append(text[done:])
    return "".join(out), typos


def restore(seeded, typos):
    for t in reversed(typos):
        end = t["at"] + len(t["wrong"])
        assert seeded[t["at"] : end] == t["wrong"]
        seeded = seeded[: t["at"]] + t["right"] + seeded[end:]
    return seeded


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("lang", nargs="?", choices=["en", "zh"])
    p.add_argument("file", nargs="?", type=pathlib.Path)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--gap", type=int)
    p.add_argument("--texts", type=pathlib.Path)
    o = p.parse_args()
    if o.texts:
        for path in sorted(o.texts.glob("*.json")):
            item = json.loads(path.read_text())
            item["seeded"], item["typos"] = seed_text(
                item["text"], item["lang"], o.seed, o.gap, item["source"] in ("chat", "notifications")
            )
            assert restore(item["seeded"], item["typos"]) == item["text"], path
            path.write_text(json.dumps(item, ensure_ascii=False, indent=1) + "\n")
        return
    if not o.lang:
        p.error("LANG or --texts is needed")
    text = o.file.read_text() if o.file else sys.stdin.read()
    seeded, typos = seed_text(text, o.lang, o.seed, o.gap)
    print(json.dumps({"seeded": seeded, "typos": typos}, ensure_ascii=False))


if __name__ == "__main__":
    main()
