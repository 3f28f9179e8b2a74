#!/usr/bin/env python3
"""A terminal's screen, as `tmux capture-pane -e -p` gives it, as a picture.   usage: svg.py TITLE < screen > picture.svg"""

import html
import re
import sys

WIDTH, HEIGHT, MARGIN, BAR = 7.23, 16, 12, 26
FOREGROUND, BACKGROUND = "#d4d4d4", "#1b1e24"
COLOURS = ["#1b1e24", "#f2777a", "#99cc99", "#ffcc66", "#6699cc", "#cc99cc", "#66cccc", "#d4d4d4"]
BRIGHT = ["#75808f", *COLOURS[1:7], "#ffffff"]


class Style:
    def __init__(self):
        self.colour, self.bold, self.reverse = FOREGROUND, False, False

    def obey(self, codes):
        for code in [int(code or 0) for code in codes.split(";")]:
            if code == 0:
                self.__init__()
            elif code == 1:
                self.bold = True
            elif code == 7:
                self.reverse = True
            elif code in (22, 27):
                self.bold, self.reverse = (self.bold and code != 22), (self.reverse and code != 27)
            elif 30 <= code <= 37:
                self.colour = COLOURS[code - 30]
            elif code == 39:
                self.colour = FOREGROUND
            elif 90 <= code <= 97:
                self.colour = BRIGHT[code - 90]


def pieces(line, style):
    """Column, text and how it looks, of each piece of a line."""
    column = 0
    for text, codes in re.findall(r"([^\x1b]+)|\x1b\[([0-9;]*)m", line):
        if not text:
            style.obey(codes)
            continue
        yield column, text, style.colour, style.bold, style.reverse
        column += len(text)


def draw(lines, title):
    columns = max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)
    width, height = columns * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + BAR + MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-size="12" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace">'
    )
    yield f'<rect width="{width:.0f}" height="{height}" rx="8" fill="{BACKGROUND}"/>'
    for at, colour in enumerate(["#f2777a", "#ffcc66", "#99cc99"]):
        yield f'<circle cx="{MARGIN + 4 + at * 16}" cy="13" r="4.5" fill="{colour}"/>'
    yield f'<text x="{width / 2:.0f}" y="17" text-anchor="middle" fill="#75808f">{html.escape(title)}</text>'
    style = Style()
    for row, line in enumerate(lines):
        top = BAR + row * HEIGHT
        for column, text, colour, bold, reverse in pieces(line, style):
            left, long = MARGIN + column * WIDTH, len(text) * WIDTH
            if reverse:
                yield f'<rect x="{left:.1f}" y="{top + 1}" width="{long:.1f}" height="{HEIGHT}" fill="{colour}"/>'
                colour = BACKGROUND
            if text.strip():
                weight = ' font-weight="bold"' if bold else ""
                yield (
                    f'<text x="{left:.1f}" y="{top + 13}" textLength="{long:.1f}" fill="{colour}"{weight}>'
                    # Blanks of another kind: readers of SVG make one of several.
                    f"{html.escape(text).replace(' ', chr(0xA0))}</text>"
                )
    yield "</svg>"


screen = sys.stdin.read().rstrip("\n").split("\n")
print("\n".join(draw([line.rstrip() for line in screen], sys.argv[1])))
