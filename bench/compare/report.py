"""Tables of results: the text that is printed and the part of docs/speed.md between its markers."""

import figures

BEGIN = "<!-- bench/compare writes from here -->"
END = "<!-- to here -->"
RULE = """A ratio is the median of the ratios of neighbouring runs, above 1 where tandem is better; behind it the least
and the greatest. It is said only after five rounds or more and if the greatest minus the least is not more than what
the ratio differs from 1; else it is "not decided", with the rounds in which tandem was ahead."""


def number(x):
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.1f}" if abs(x) >= 100 else f"{x:.2f}"


def spread(s):
    return f"{number(s['median'])} ({number(s['least'])} to {number(s['most'])})"


def ratio(a):
    if a["decided"]:
        return f"{a['ratio']:.2f} ({a['least']:.2f} to {a['most']:.2f})"
    return f"not decided, ahead in {a['ahead']} of {a['rounds']}"


def setting(s):
    return ", ".join(f"{k} {v}" for k, v in s.items())


def values(contender, measure):
    return [run[measure["key"]] for run in contender["runs"]]


def compared(row, measure):
    """[(contender, summary, per cent of the limit or None, ratio of the first against it or None)]"""
    higher = measure["higher_is_better"]
    first = values(row["contenders"][0], measure)
    found = []
    for i, c in enumerate(row["contenders"]):
        own = values(c, measure)
        found.append(
            (c, figures.summary(own), figures.percent_of_limit(own, measure["limits"], higher),
             figures.against(first, own, higher) if i else None)
        )
    return found


def table(rows):
    """Markdown, a line for each contender and measure."""
    lines = [
        "| | | median (least to most) | of the limit | tandem's ratio to it | its settings |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "unavailable" in row:
            lines.append(f"| {row['title']} | | {row['unavailable']} | | | |")
            continue
        for measure in row["measures"]:
            title = f"{row['title']}, {measure['title']}, {measure['unit']}"
            for c, s, percent, a in compared(row, measure):
                cells = [title, c["name"], spread(s), f"{percent:.0f}%" if percent is not None else "",
                         ratio(a) if a else "", setting(c["setting"])]
                lines.append("| " + " | ".join(cells) + " |")
                title = ""
        if row["fault"]:
            lines.append(f"| | | **{row['fault']}** | | | |")
    return "\n".join(lines)


def probe_table(probe):
    lines = ["| threads | read, GB/s: median (best) | with prefetches to L2 | int8, 1e9 operations/s: median (best) |",
             "|---|---|---|---|"]
    for t in probe["threads"]:
        cells = [f"{t[k]['median']:.1f} ({t[k]['best']:.1f})" for k in ("read", "read_prefetched", "int8")]
        lines.append(f"| {t['threads']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def distinct(result, key):
    return sorted({r[key] for r in result["rows"] if key in r})


def model_section(result):
    """One model's heading, commands and table."""
    cost = result["cost"]
    rounds, dates = (" and ".join(str(x) for x in distinct(result, key)) for key in ("rounds", "date"))
    commands = " and ".join(f"`{c}`" for c in distinct(result, "command"))
    head = (
        f"**{result['model']}**: file {cost['file_bytes'] / 1e6:,.1f} MB, {cost['token_bytes'] / 1e6:,.1f} MB of"
        f" weights a decoded token, {cost['weights'] / 1e6:,.1f} M weights a prompt token, {cost['kv_bytes']:,} bytes"
        f" of cache a position. Rounds: {rounds}, on {result['threads']} pinned cores, {dates}, by {commands}:"
    )
    return f"{head}\n\n{table(result['rows'])}"


def document(results, plot=None):
    """All models, with the machine and the rule."""
    first = results[0]
    m = first["machine"]
    head = f"{m['processor']}, {m['system']}, {first['peer']}. What the probe says ({first['probe']['isa']}):"
    parts = [head, probe_table(first["probe"]), RULE]
    parts += [f"![tandem's ratios]({plot})"] if plot else []
    return "\n\n".join(parts + [model_section(r) for r in results])


def put_between_markers(text, part):
    """text with everything between the markers replaced."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin or text.count(BEGIN) > 1 or text.count(END) > 1:
        raise SystemExit(f"the document must have one line {BEGIN} and behind it one line {END}")
    return text[: begin + len(BEGIN)] + "\n" + part.strip("\n") + "\n" + text[end:]
