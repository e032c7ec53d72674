"""Bar charts as SVG, written by hand: a group of bars a workload, a bar a proxy, a whisker from the smallest to the largest."""

from html import escape
from pathlib import Path

from .report import ORDER

COLOURS = {"direct": "#9e9e9e", "haproxy": "#4c78a8", "nginx": "#72b7b2", "nghttpx": "#b279a2", "sluice": "#e45756", "sluice-tun": "#f58518"}

WIDTH = 860
LABEL = 220     # to the left of the bars
VALUE = 110     # to their right
BAR = 13
GAP = 12        # between groups
TOP = 58


def bars(path: Path, title: str, rows: list, key: str, digits: int, skip=()) -> None:
    """Each group has its own scale: workloads differ by orders of magnitude, and proxies are what is compared."""
    groups: dict = {}
    for row in rows:
        if row["proxy"] not in skip and row.get(key) is not None:
            groups.setdefault(row["workload"], []).append(row)
    out = []
    y = TOP
    for workload, group in groups.items():
        group.sort(key=lambda row: ORDER.index(row["proxy"]))
        largest = max(row.get(key + "_max", row[key]) for row in group) or 1.0
        scale = (WIDTH - LABEL - VALUE) / largest
        out.append(_text(LABEL - 10, y + BAR * len(group) / 2 + 4, workload, anchor="end"))
        for row in group:
            out.append(f'<rect x="{LABEL}" y="{y}" width="{max(row[key] * scale, 1):.1f}" height="{BAR - 2}" '
                       f'fill="{COLOURS[row["proxy"]]}"/>')
            end = row.get(key + "_max", row[key]) * scale
            if key + "_min" in row:
                middle = y + (BAR - 2) / 2
                out.append(f'<path d="M{LABEL + row[key + "_min"] * scale:.1f} {middle}H{LABEL + end:.1f}" stroke="#222"/>')
            out.append(_text(LABEL + end + 5, y + BAR - 3, f"{row[key]:,.{digits}f}", size=10))
            y += BAR
        y += GAP
    legend, x = [], LABEL
    for proxy in (name for name in ORDER if name in COLOURS and name not in skip):
        legend.append(f'<rect x="{x}" y="32" width="11" height="11" fill="{COLOURS[proxy]}"/>' + _text(x + 16, 42, proxy))
        x += 90
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif">\n'
                    f'<rect width="{WIDTH}" height="{y}" fill="white"/>\n' + _text(LABEL, 20, title, size=14) + "\n"
                    + "\n".join(legend + out) + "\n</svg>\n")


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
