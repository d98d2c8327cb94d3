"""The ratios as a picture: one line a row and peer, a dot at the ratio, a bar over the spread, logarithmic.

Where no ratio is decided the bar alone is drawn, in grey. Written by hand as SVG, so that nothing has to be installed.
"""

import math
from html import escape

import report

WIDTH, LEFT, RIGHT, TOP, LINE = 920, 420, 40, 40, 22
FONT = "font-family='sans-serif' font-size='12'"
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32)


def points(results):
    """[(label, against)] of everything that has a ratio, decided or not."""
    found = []
    for result in results:
        for row in result["rows"]:
            for measure in row.get("measures", []):
                for c, _, _, a in report.compared(row, measure):
                    if a:
                        found.append((f"{result['short']}: {row['key']}, {measure['unit']}, {c['name']}", a))
    return found


def svg(results):
    found = points(results)
    least = min([0.5] + [a["least"] for _, a in found])
    most = max([2] + [a["most"] for _, a in found])
    low, high = math.log(least) - 0.1, math.log(most) + 0.1

    def x(ratio):
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(ratio) - low) / (high - low)

    height = TOP + LINE * len(found) + 20
    out = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'>",
           f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
           f"<text x='10' y='20' {FONT}>times as good as the peer (right of 1: tandem is better)</text>"]
    for t in TICKS:
        if least <= t <= most:
            colour = "#444" if t == 1 else "#ddd"
            out.append(f"<line x1='{x(t):.1f}' x2='{x(t):.1f}' y1='{TOP - 6}' y2='{height - 14}' stroke='{colour}'/>")
            out.append(f"<text x='{x(t):.1f}' y='{TOP - 8}' {FONT} text-anchor='middle'>{t:g}</text>")
    for i, (label, a) in enumerate(found):
        y = TOP + LINE * i + LINE / 2
        colour = "#1f5fa8" if a["decided"] else "#aaa"
        out.append(f"<text x='10' y='{y + 4:.1f}' {FONT}>{escape(label)}</text>")
        out.append(f"<line x1='{x(a['least']):.1f}' x2='{x(a['most']):.1f}' y1='{y}' y2='{y}' stroke='{colour}' "
                   f"stroke-width='4' stroke-linecap='round'/>")
        if a["decided"]:
            out.append(f"<circle cx='{x(a['ratio']):.1f}' cy='{y}' r='5' fill='{colour}'/>")
    return "\n".join([*out, "</svg>", ""])
