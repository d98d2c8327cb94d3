#!/usr/bin/env python3
"""Vectors for tests/unit/test_template.c: small chat templates with what Python's jinja2 makes of them.

The oracle is the environment that transformers compiles chat templates in (needs: transformers, jinja2).

    make_template_vectors.py                          rewrites tests/golden/templates/cases.json from sources.json
    make_template_vectors.py --random N [--seed S] --against PROGRAM
                                                      renders N random templates with the oracle and with
                                                      tests/harness/template_lines, prints where they differ
    make_template_vectors.py --models DIR --against PROGRAM
                                                      the same for the templates in DIR/*.gguf and DIR/*.jinja
    make_template_vectors.py --models DIR             rewrites tests/golden/templates/models.json: what the templates
                                                      in DIR/*.gguf give for some chats (needs: gguf)
"""
import argparse
import copy
import datetime
import glob
import json
import os
import random
import re
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")
NOW = 1700000000  # 2023-11-14 22:13:20 UTC
HERE = os.path.dirname(os.path.abspath(__file__))


def oracle(case):
    from transformers.utils import chat_template_utils as utils

    def strftime_now(form):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(form)

    try:
        template = utils._cached_compile_jinja_template(case["template"])
        template.globals["strftime_now"] = strftime_now
        values = {"tools": None, "documents": None, **copy.deepcopy(case.get("values", {}))}
        for name in ("bos", "eos"):
            if name in case:
                values[name + "_token"] = case[name]
        values["add_generation_prompt"] = case.get("add_generation_prompt", False)
        text = template.render(**values)
        text.encode()  # lone surrogates cannot be written
        return {"text": text}
    except Exception as e:  # whatever Python raises is an error to us
        return {"error": f"{type(e).__name__}: {e}"}


def run(program, cases):
    lines = "".join(json.dumps({**case, "now": NOW}) + "\n" for case in cases)
    done = subprocess.run([program], input=lines, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program}: exit {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.split("\n") if line]


# ---- the cases kept in the tree -------------------------------------------------------------------------------------

SOURCES = json.load(open(os.path.join(HERE, "..", "tests", "golden", "templates", "sources.json"), encoding="utf-8"))
V = SOURCES["values"]
CHAT = V["messages"]


def templates():
    for template in SOURCES["errors"]:
        yield "error", template
    for template in SOURCES["syntax_errors"]:
        yield "syntax", template
    for template in SOURCES["statements"]:
        yield "statement", template
    for group in SOURCES["expressions"]:  # all in one list, which prints them with repr(), and each by itself
        yield "expression", "{{ [" + ", ".join(group) + "] }}"
        for expression in group:
            yield "expression", "{{ " + expression + " }}"


def write_golden(name, text):
    with open(os.path.join(HERE, "..", "tests", "golden", "templates", name), "w", encoding="utf-8") as f:
        f.write(text)


def write_cases():
    cases, seen = [], set()
    for section, template in templates():
        if template in seen:
            continue
        seen.add(template)
        case = {"section": section, "template": template}
        values = {k: v for k, v in V.items() if k in template}
        if "bos_token }}{%" in template:
            case.update(bos="<s>", eos="</s>")
        if "add_generation_prompt" in template:
            case["add_generation_prompt"] = True
        if values:
            case["values"] = values
        result = oracle(case)
        case["text" if "text" in result else "error"] = result.get("text", True)
        cases.append(case)
    write_golden("cases.json", "[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
    failing = sum("error" in c for c in cases)
    print(f"{len(cases)} cases, {failing} of them errors")
    return cases


# ---- random templates -----------------------------------------------------------------------------------------------

# What gives a value of a kind, from operands of kinds: S strings, I integers, F floats, B booleans, L lists, D dicts,
# A anything. Generators are always made lists of: ours compute their items at once, so they fail early.
ATOMS = {
    "S": ["'a'", "'abc'", "''", "' x '", "'Ab cd'", '"it\'s"', "s", "u", "ws", "e", "lines", "html", "quotes",
          "messages[0].content", "messages[1].role", "'a,b,c'", "'x<y'", "bos_token"],
    "I": ["0", "1", "2", "3", "-1", "10", "n", "d.b", "l[0]", "loop.index", "loop.length", "loop.revindex0", "ns.a"],
    "F": ["2.5", "0.1", "f", "-1.5", "1e20", "3.0", "1e-7"],
    "B": ["true", "false", "t", "loop.first", "loop.last"],
    "L": ["[]", "[1, 2, 3]", "['b', 'a', 'B']", "l", "ls", "lists", "people", "messages", "(1, 2)", "[[1, 2], [3, 4]]"],
    "D": ["{}", "{'a': 1, 'b': 2}", "d", "people[0]", "messages[1]", "{1: 2, none: 3}"],
    "A": ["none", "no", "zz", "x", "y", "ns.b", "d.zz", "loop.previtem", "loop.nextitem"],
}
FORMS = {
    "S": ["$S + $S", "$S ~ $A", "$A ~ $A ~ $A", "$S * 2", "($S)|upper", "($S)|lower", "($S)|title", "($S)|capitalize",
          "($A)|string", "($A)|trim", "($S).strip()", "($S).lstrip()", "($S).rstrip('a ')", "($S)|replace('a', 'xy')",
          "($S).replace($S, 'q')", "($L)|join(', ')", "($L)|join", "($A)|tojson", "($D)|tojson(indent=2)",
          "($L)|tojson(separators=(',', ':'))", "($S)|indent(2)", "($S)[1:]", "($S)[:-1]", "($S)[::-1]", "($S)[$I:$I]",
          "($S)[0]", "($S)|e", "($S)|reverse", "($S)|first", "($S).title()", "($S).removeprefix('a')",
          "'%s-%s' % ($A, $S)", "'{}|{}'.format($A, $S)", "($A)|default('q')", "($S)|default('q', true)",
          "($S).split('a')[0]", "($S).split(',')[-1]", "($S).partition('b')[2]", "'-'.join(($S).split())", "($D).role",
          "($S if $B else $S)", "$S or $S", "$S and $S", "($S).capitalize()", "($S)|safe ~ ''", "'<' ~ ($S) ~ '>'"],
    "I": ["$I + $I", "$I - $I", "$I * $I", "$I // 3", "$I % 3", "-$I", "($S)|length", "($L)|length", "($D)|length",
          "($F)|int", "($S)|int", "($S)|int(7)", "($I)|abs", "($S).find('a')", "($S).count('b')", "($L).count(1)",
          "($I if $B else $I)", "2 ** 5", "[1, 2, 3]|sum", "[4, 2, 9]|max", "($I)|string|int", "($A)|default(5)|int"],
    "F": ["$F + $I", "$F * $F", "$I / 4", "$F - 1", "($I)|float", "($F)|round", "($F)|round(1)", "($F)|abs", "$F // 2",
          "($S)|float", "2 ** -1", "$F % 3"],
    "B": ["$A == $A", "$S == $S", "$I < $I", "$S < $S", "$F >= $I", "$I in $L", "$S in $S", "$S not in $L", "not $A",
          "$S in $D", "($A) is defined", "($A) is not none", "($A) is string", "($A) is mapping", "($A) is iterable",
          "($A) is sequence", "($A) is number", "($I) is odd", "($I) is divisibleby 2", "($S).startswith('a')",
          "($S).endswith(('c', 'd'))", "($A) is true", "($A) is boolean", "($I) is integer", "$I < $I < $I",
          "$B and $B",
          "$B or $B", "($A) is undefined", "$L == $L", "($D).zz is defined", "($A) is float", "($A) is eq($A)"],
    "L": ["[$A, $A]", "$L + []", "($L)[1:]", "($L)[::-1]", "($S).split()", "($S).split(',')", "($S)|list", "($D)|list",
          "($D).items()|list", "($D).keys()|list", "($L)|map('string')|list", "($L)|select|list", "range($I)|list",
          "($L)|reverse|list", "($L)|list", "people|map(attribute='name')|list", "people|selectattr('x')|list",
          "ls|sort",
          "($D)|items|list", "{'b': 1, 'A': $A}|dictsort", "($L)|reject('string')|list", "ls|unique|list",
          "messages|selectattr('role', 'equalto', $S)|list", "($L)|batch(2)|list", "($S).splitlines()", "[$A] * 2",
          "($S).rsplit('a', 1)", "people|map(attribute='x.y', default=$S)|list", "($S)|sort", "($L if $B else $L)"],
    "D": ["{'a': $A}", "{$S: $A, 'b': $I}", "dict(a=$A, b=$S)", "($D).copy()", "($D if $B else $D)"],
    "A": ["$S", "$S", "$I", "$F", "$B", "$L", "$D", "($L)[0]", "($L)[-1]", "($L)|first", "($L)|last", "($D).get('a')",
          "($D).get($S, $A)", "($D).a", "($D)['b']", "($A if $B)", "($A if $B else $A)", "$A and $A", "$A or $A",
          "($L)[$I]", "($D)[$S]", "($A)|default($A)", "($A)|d($A, true)", "ns.a", "m(1)"],
}


def random_expression(r, depth, kind="A"):
    if r.random() < 0.03:
        kind = r.choice("SIFBLDA")
    if depth <= 0 or r.random() < 0.1:
        return r.choice(ATOMS[kind] if kind != "A" or r.random() < 0.3 else ATOMS[r.choice("SIFBLD")])
    out = []
    for part in re.split(r"(\$[A-Z])", r.choice(FORMS[kind])):
        out.append("(" + random_expression(r, depth - 1, part[1]) + ")" if part.startswith("$") else part)
    return "".join(out)


def statement(r, depth):
    kind = r.randrange(12) if depth > 0 else r.randrange(4)
    gap = r.choice(["", "\n", " ", "\n  ", "  \n", "x"])
    left, right = r.choice(["", "", "-", "+"]), r.choice(["", "", "-", "+"])
    if kind < 3:
        right = right.replace("+", "")
        return "{{" + left.replace("+", "") + " " + random_expression(r, 2) + " " + right + "}}" + gap
    if kind == 3:
        return r.choice(["text", "a{b", "{# c #}", "  {#- c -#}  ", "\n\n", "{% raw %}{{ x }}{% endraw %}"]) + gap
    def tag(s):
        return "{%" + r.choice(["", "", "-", "+"]) + " " + s + " " + r.choice(["", "", "-", "+"]) + "%}" + r.choice(
            ["", "\n", " ", "\n  "])
    body = "".join(statement(r, depth - 1) for _ in range(r.randrange(1, 3)))
    if kind < 6:
        other = tag("else") + statement(r, depth - 1) if r.random() < 0.5 else ""
        return tag("if " + random_expression(r, 1)) + body + other + tag("endif") + gap
    if kind < 9:
        target = r.choice(["x", "y", "x, y", "x"])
        cond = " if " + random_expression(r, 1) if r.random() < 0.2 else ""
        stop = tag(r.choice(["break", "continue"])) if r.random() < 0.1 else ""
        over = r.choice(["l", "ls", "range(3)", "people", random_expression(r, 1, "L"), random_expression(r, 1, "S")])
        if "," in target:
            over = r.choice(["d.items()", "[(1, 2), 'ab']", "d|dictsort"])
        return tag(f"for {target} in {over}{cond}") + body + stop + tag("endfor") + gap
    if kind == 9:
        return tag(f"set {r.choice(['x', 'y', 'ns.a', 'ns.b'])} = {random_expression(r, 2)}") + gap
    if kind == 10:
        return tag("set x") + body + tag("endset") + gap
    return tag("macro m(x, y=1)") + body + tag("endmacro") + "{{ m(" + random_expression(r, 1) + ") }}" + gap


def random_cases(n, seed):
    r = random.Random(seed)
    for _ in range(n):
        parts = "".join(statement(r, 3) for _ in range(r.randrange(1, 4)))
        yield {"template": "{% set ns = namespace(a=1) %}{% macro m(q) %}<{{ q }}>{% endmacro %}" + parts, "values": V}


def source_of(path):
    """The chat template of a model file (or of a bare .jinja file)."""
    if path.endswith(".jinja"):
        with open(path, encoding="utf-8", newline="") as f:
            return f.read()
    from gguf import GGUFReader

    field = GGUFReader(path).fields["tokenizer.chat_template"]
    return bytes(field.parts[field.data[0]]).decode()


def model_files(folder):
    return [p for p in sorted(glob.glob(os.path.join(folder, "*"))) if p.endswith((".gguf", ".jinja"))]


def write_models(folder):
    models = {}
    for path in model_files(folder):
        models[os.path.basename(path)] = cases = []
        for case in chats_for(source_of(path)):
            result = oracle(case)
            del case["template"]
            case["text" if "text" in result else "error"] = result.get("text", True)
            cases.append(case)
        print(f"{path}: {len(cases)} cases")
    write_golden("models.json", "{\n" + ",\n".join(
        json.dumps(name) + ": [\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]"
        for name, cases in models.items()) + "\n}\n")


def chats_for(template):
    def u(text):
        return {"role": "user", "content": text}

    tool = {"type": "function", "function": {"name": "f", "description": "d \"q\"", "parameters": {
        "type": "object", "properties": {"a": {"type": "string", "enum": ["x", "\u4f60"]}}, "required": ["a"]}}}
    call = {"id": "abcdef123", "type": "function", "function": {"name": "f", "arguments": {"a": "x"}}}
    chats = [
        {"messages": [u("Hi")]},
        {"messages": CHAT},
        {"messages": [{"role": "system", "content": ""}, u("Hi")]},
        {"messages": [u("Hi")], "tools": [tool]},
        {"messages": [u("Hi"), {"role": "assistant", "content": "", "tool_calls": [call]},
                      {"role": "tool", "content": "r", "tool_call_id": "abcdef123"}], "tools": [tool]},
        {"messages": []},
    ]
    for values in chats:
        for prompt in (False, True):
            yield {"template": template, "values": values, "bos": "<s>", "eos": "</s>", "add_generation_prompt": prompt}


def compare(cases, program):
    cases = list(cases)
    agree = refused = errors = differ = 0
    for case, ours in zip(cases, run(program, cases)):
        theirs = oracle(case)
        if "text" in theirs and ours.get("text") == theirs["text"]:
            agree += 1
        elif "error" in theirs and "error" in ours:
            errors += 1
        elif ours["status"] in ("ERR_UNSUPPORTED", "ERR_LIMIT"):
            refused += 1
        else:
            differ += 1
            print(json.dumps(case["template"]), "\n   theirs:", theirs, "\n   ours:  ", ours)
    print(f"{len(cases)} renderings: {agree} agree, {errors} are errors in both, {refused} refused, {differ} differ")
    return differ


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--random", type=int)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--models")
    options.add_argument("--against")
    o = options.parse_args()
    if o.random:
        return compare(random_cases(o.random, o.seed), o.against) != 0
    if o.models and o.against:
        chats = (case for path in model_files(o.models) for case in chats_for(source_of(path)))
        return compare(chats, o.against) != 0
    if o.models:
        return write_models(o.models)
    cases = write_cases()
    return compare(cases, o.against) != 0 if o.against else 0


if __name__ == "__main__":
    sys.exit(main())
