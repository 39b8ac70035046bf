#!/usr/bin/env python3
"""Draws what `target/benches/bench j` measured: reads its file, and writes an SVG to standard output.

Each line of the file is a program, a moment, a way and milliseconds, with tabs between them.
"""

import sys
from xml.sax.saxutils import escape

WIDTH = 820
LABELS = 270  # The width of the ways' names.
BARS = 430  # The width of the longest bar.
LINE = 24
MOMENTS = {
    "first run": "First run",
    "after an edit": "After an edit (the others start from nothing again)",
    "every later run": "Every later run, in a new process",
}

# Text is grey enough to be read on white and on black.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #777 }
.title { font-weight: 600; font-size: 15px }
.moment { font-weight: 600 }
.ours { fill: #2f7fd6 }
.other { fill: #9a9a9a }
"""


def read(path):
    """The programs in order, each with its moments, each with its ways."""
    programs = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            program, moment, way, time = line.rstrip("\n").split("\t")
            programs.setdefault(program, {}).setdefault(moment, []).append((way, float(time)))
    return programs


def shown(milliseconds):
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.2f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def draw(programs):
    parts = []
    y = 0

    def text(x, content, kind=""):
        parts.append(f'<text x="{x}" y="{y}" class="{kind}">{escape(content)}</text>')

    for program, moments in programs.items():
        y += 26
        text(0, f"{program}: from IR to the end of main", "title")
        longest = max(time for ways in moments.values() for _, time in ways)
        for moment, heading in MOMENTS.items():
            if moment not in moments:
                continue
            y += LINE + 4
            text(0, heading, "moment")
            for way, time in moments[moment]:
                y += LINE
                kind = "ours" if way.startswith("libmgenjit") else "other"
                width = max(time / longest * BARS, 1.5)
                text(12, way)
                parts.append(f'<rect x="{LABELS}" y="{y - 13}" width="{width:.1f}" height="16" class="{kind}"/>')
                text(round(LABELS + width + 8), shown(time))
        y += LINE
    height = y + 6
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>",
        ]
    )


if len(sys.argv) != 2:
    sys.exit("usage: picture.py target/benches/picture.tsv >benches/picture.svg")
print(draw(read(sys.argv[1])))
