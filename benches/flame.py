#!/usr/bin/env python3
"""Draws what `perf script -F comm,ip,sym` prints as a flame graph: reads it, and writes an SVG to standard output.

Each call is a bar above its caller, as wide as the share of time that it and what it calls took. What `main` does is drawn,
and nothing that is narrower than a pixel or two.
"""

import colorsys
import sys
from xml.sax.saxutils import escape

WIDTH = 820
BAR = 17
LEAST = 0.004  # The share of the narrowest bar.
LETTER = 6.2  # How wide a letter is, about.
ROOT = "main"

STYLE = "text { font: 11px ui-monospace, monospace; fill: #222 } rect { stroke: #fff; stroke-width: .5 }"


def stacks(lines):
    """The functions of each sample, the caller first."""
    stack = []
    for line in lines:
        if line.startswith(("\t", " ")) and line.strip():
            address, _, name = line.strip().partition(" ")
            stack.append(name.split("+0x")[0] or address)
        elif stack:
            yield stack[::-1]
            stack = []
    if stack:
        yield stack[::-1]


def count(lines):
    """A tree of calls: each has how many samples were in it, and its own calls by their names."""
    root = [0, {}]
    for stack in stacks(lines):
        # The outermost `main` is that of the program that compiles and runs.
        mains = [at for at, name in enumerate(stack) if name == ROOT]
        if not mains:
            continue
        root[0] += 1
        node = root
        for name in stack[mains[-1] + 1 :]:
            node = node[1].setdefault(name, [0, {}])
            node[0] += 1
    return root


def color(hue):
    parts = colorsys.hls_to_rgb(hue / 360, 0.68, 0.85)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def draw(root):
    total = root[0]
    bars = []

    def add(name, node, left, depth):
        share = node[0] / total
        if share < LEAST:
            return
        bars.append((name, left, share, depth))
        for child, calls in sorted(node[1].items()):
            add(child, calls, left, depth + 1)
            left += calls[0] / total

    add(ROOT, root, 0, 0)
    height = (max(depth for _, _, _, depth in bars) + 1) * BAR
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">')
    print(f"<style>{STYLE}</style>")
    for name, left, share, depth in bars:
        x, y, width = left * WIDTH, height - (depth + 1) * BAR, share * WIDTH
        # Always the same colour for the same function.
        hue = 15 + sum(name.encode()) * 7 % 40
        print(f"<g><title>{escape(name)}: {share:.1%}</title>", end="")
        print(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{color(hue)}"/>', end="")
        room = int((width - 4) / LETTER)
        if room >= 3:
            label = name if len(name) <= room else name[: room - 1] + "…"
            print(f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>', end="")
        print("</g>")
    print("</svg>")


if __name__ == "__main__":
    draw(count(sys.stdin))
