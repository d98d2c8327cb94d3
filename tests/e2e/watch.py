"""What a process holds, sampled: memory, descriptors, threads; whether it grows; and a picture of it.

Memory is what the process has for itself (Private_Dirty and swap of smaps_rollup): the weights' file that is mapped and
shared comes and goes with the kernel's mood. Growth is the slope of a line through the last part of the samples by
Theil and Sen (the median of the slopes of all pairs), which single peaks do not move.
"""
import csv
import os
import pathlib
import statistics
import threading
import time

COLORS = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df", "#9a6700", "#57606a"]


def memory_kb(pid):
    kb = 0
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Dirty:", "SwapPss:")):
            kb += int(line.split()[1])
    return kb


def n_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def n_threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def sample(pid):
    return {"memory_kb": memory_kb(pid), "descriptors": n_descriptors(pid), "threads": n_threads(pid)}


def settle(pid, name, limit, seconds=15):
    """Waits until the figure is at most limit; gives what it was in the end."""
    deadline = time.monotonic() + seconds
    while (now := sample(pid)[name]) > limit and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


def slope(points):
    """Of (x, y) pairs; 0 for fewer than two."""
    if len(points) > 400:  # pairs grow with the square
        points = points[::len(points) // 400 + 1]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1:] if b[0] != a[0]]
    return statistics.median(slopes) if slopes else 0.0


class Watch:
    """Samples processes into rows {t_s, NAME.memory_kb, ..}, by itself every so often or when told to."""

    def __init__(self, pids, extra=None):
        self.pids, self.extra = dict(pids), extra
        self.begin = time.monotonic()
        self.rows = []
        self.stopped = threading.Event()
        self.thread = None

    def take(self):
        row = {"t_s": round(time.monotonic() - self.begin, 1)}
        for name, pid in self.pids.items():
            try:
                row.update({f"{name}.{k}": v for k, v in sample(pid).items()})
            except (FileNotFoundError, ProcessLookupError):
                row[f"{name}.memory_kb"] = 0  # gone: whoever reads the rows sees it
        if self.extra:
            row.update(self.extra())
        self.rows.append(row)
        return row

    def start(self, every_s):
        def run():
            while not self.stopped.wait(every_s):
                self.take()
        self.take()
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopped.set()
        if self.thread:
            self.thread.join()
        self.take()

    def points(self, name, x="t_s"):
        return [(r[x], r[name]) for r in self.rows if name in r]

    def growth(self, name, from_part=0.4, x="t_s"):
        """Slope over what comes after the first part: when the plateau should be there."""
        points = self.points(name, x)
        return slope(points[int(len(points) * from_part):])

    def write_csv(self, path):
        names = list(dict.fromkeys(k for r in self.rows for k in r))
        with open(path, "w", newline="", encoding="utf-8") as f:
            w = csv.DictWriter(f, names)
            w.writeheader()
            w.writerows(self.rows)


def scaled(values, low, high, pixels):
    return [(v - low) / ((high - low) or 1) * pixels for v in values]


def panel(title, series, top, width, height):
    """One chart: lines over a common x, with its largest and smallest value at the left."""
    xs = [x for _, points in series for x, _ in points]
    ys = [y for _, points in series for _, y in points]
    low, high = min(0, min(ys)), max(ys) * 1.1 or 1
    out = [f'<text x="80" y="{top - 8}" class="t">{title}</text>',
           f'<rect x="80" y="{top}" width="{width}" height="{height}" class="f"/>',
           f'<text x="74" y="{top + 10}" class="n">{high:,.0f}</text>',
           f'<text x="74" y="{top + height}" class="n">{low:,.0f}</text>']
    for i, (name, points) in enumerate(series):
        px = scaled([x for x, _ in points], min(xs), max(xs), width)
        py = scaled([y for _, y in points], low, high, height)
        path = " ".join(f"{80 + x:.1f},{top + height - y:.1f}" for x, y in zip(px, py))
        color = COLORS[i % len(COLORS)]
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        out.append(f'<text x="{90 + 150 * i}" y="{top + 16}" fill="{color}">{name} (last {points[-1][1]:,.0f})</text>')
    out.append(f'<text x="80" y="{top + height + 16}">{min(xs):,.0f}</text>'
               f'<text x="{80 + width}" y="{top + height + 16}" class="n">{max(xs):,.0f}</text>')
    return out


def plot(path, title, panels, width=880, height=170):
    """panels: [(title, [(name, [(x, y)..])..])..] as an SVG, one chart below the other."""
    out = []
    for i, (name, series) in enumerate(panels):
        out += panel(name, series, 70 + i * (height + 60), width, height)
    total = 70 + len(panels) * (height + 60)
    style = ("text{font:12px sans-serif;fill:#1f2328} .t{font-weight:bold} .n{text-anchor:end}"
             " .f{fill:none;stroke:#d0d7de}")
    text = "\n".join(out)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 100}" height="{total}">\n<style>{style}</style>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="80" y="28" class="t">{title}</text>\n{text}\n</svg>\n',
        encoding="utf-8")
