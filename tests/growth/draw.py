#!/usr/bin/env python3
"""Draws what grow_servers --json wrote: draw.py INPUT.json OUTPUT.svg

Three graphs over time, one below the other: operations a second (failed requests in red), ranges,
and leaders per store. Needs nothing but Python.
"""

import json
import sys

WIDTH, HEIGHT, LEFT, RIGHT, GAP = 1100, 170, 70, 20, 50
COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f"]


def polyline(values, top, high, colour, width=1.5):
    step = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    points = " ".join(
        f"{LEFT + i * step:.1f},{top + HEIGHT * (1 - value / high):.1f}"
        for i, value in enumerate(values)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def graph(title, series, top, stages):
    high = max([1] + [value for _, values, _ in series for value in values]) * 1.05
    out = [f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{title}</text>']
    for part in range(5):
        y = top + HEIGHT * part / 4
        label = f"{high * (1 - part / 4):,.0f}"
        out.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{label}</text>')
    step = (WIDTH - LEFT - RIGHT) / max(1, len(stages) - 1)
    for i, name in enumerate(stages):
        if i > 0 and stages[i - 1] == name:
            continue
        x = LEFT + i * step
        out.append(
            f'<line x1="{x}" y1="{top}" x2="{x}" y2="{top + HEIGHT}" stroke="#999" '
            'stroke-dasharray="4"/>'
        )
        out.append(f'<text x="{x + 4}" y="{top + 12}" fill="#555">{name}</text>')
    for index, (label, values, colour) in enumerate(series):
        out.append(polyline(values, top, high, colour))
        out.append(
            f'<text x="{WIDTH - RIGHT}" y="{top + 14 + 14 * index}" text-anchor="end" '
            f'fill="{colour}">{label}</text>'
        )
    seconds = len(stages)
    for mark in range(0, seconds + 1, max(10, seconds // 10 // 10 * 10)):
        x = LEFT + mark * step
        out.append(
            f'<text x="{x}" y="{top + HEIGHT + 14}" text-anchor="middle">{mark} s</text>'
        )
    return out


def draw(seconds):
    stages = [second["stage"] for second in seconds]
    stores = sorted({store for second in seconds for store in second["leaders"]}, key=int)
    leaders = [
        (
            f"store {store}" if store != "0" else "none",
            [second["leaders"].get(store, 0) for second in seconds],
            COLOURS[i % len(COLOURS)],
        )
        for i, store in enumerate(stores)
    ]
    graphs = [
        (
            "operations a second",
            [
                ("answered", [second["operations"] for second in seconds], COLOURS[0]),
                ("failed", [second["failed"] for second in seconds], "#d62728"),
            ],
        ),
        ("ranges", [("ranges", [second["ranges"] for second in seconds], COLOURS[2])]),
        ("ranges led, by store", leaders),
    ]
    body = []
    for index, (title, series) in enumerate(graphs):
        body += graph(title, series, 30 + index * (HEIGHT + GAP), stages)
    height = 30 + len(graphs) * (HEIGHT + GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="11">'
    )
    back = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([head, back] + body + ["</svg>", ""])


def main(arguments):
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[1], encoding="utf-8") as file:
        seconds = json.load(file)["seconds"]
    with open(arguments[2], "w", encoding="utf-8") as file:
        file.write(draw(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
