#!/usr/bin/env python3
"""Draws what measure.py found as SVG, without any library: chart.py results.json > chart.svg.

Grouped bars on a logarithmic scale, one column per placement, one panel per kind of figure. Attributes
only, no style sheet: it has to look the same wherever a README is shown.
"""

import json
import math
import sys
from xml.sax.saxutils import escape

from report import PLACEMENTS, with_unit

WIDTH = 980
MARGIN = 24
LABELS = 208  # the column of case names
GAP = 26  # between the placements
VALUES = 108  # what is written behind the bars
BAR, BETWEEN, GROUP_GAP = 10, 1, 11
FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"

INK, FAINT, GRID, PAPER, BAD = "#1f2933", "#64707d", "#dde3ea", "#ffffff", "#b42318"
COLOURS = {"ours": "#d2521e", "reference": "#5b7087", "plain": "#c3ccd6"}
PANELS = {
    "latency": "Latency, one way: shorter is better",
    "rate": "Messages per second: longer is better",
    "volume": "Large messages, MB per second: longer is better",
}


class Drawing:
    """Collects elements."""

    def __init__(self):
        self.elements = []

    def text(self, x, y, content, size=12, fill=INK, anchor="start", weight="normal"):
        self.elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(content)}</text>'
        )

    def value(self, x, y, content, better):
        """What stands behind a bar, with how much better that is."""
        more = ""
        if better is not None:
            colour = BAD if better < 0.95 else INK if better < 1.05 else COLOURS["ours"]
            shown = f"{better:.{0 if better >= 9.95 else 1 if better >= 0.95 else 2}f}"
            more = f'<tspan dx="6" font-weight="bold" fill="{colour}">{shown}×</tspan>'
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="10.5" fill="{INK}">{escape(content)}{more}</text>')

    def box(self, x, y, width, height, fill, radius=0.0):
        self.elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" fill="{fill}"/>'
        )

    def line(self, x1, y1, x2, y2, stroke):
        self.elements.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="1"/>'
        )

    def path(self, points, stroke):
        """A line through points, with a dot on each."""
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(f'<polyline points="{through}" fill="none" stroke="{stroke}" stroke-width="2"/>')
        self.elements += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{stroke}"/>' for x, y in points]

    def finish(self, height):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONT}">\n'
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>\n' + "\n".join(self.elements) + "\n</svg>\n"
        )


class Scale:
    """Logarithmic, from a whole decade (or half of one) to a little above the largest value."""

    def __init__(self, values, width):
        smallest, largest = min(values), max(values)
        low = 10 ** math.floor(math.log10(smallest))
        self.low = low / 2 if smallest < low * 1.5 else low
        self.high = largest
        self.width = width

    def __call__(self, value):
        span = max(math.log10(self.high / self.low), 0.1)
        return math.log10(value / self.low) / span * self.width

    def ticks(self):
        exponent = math.ceil(math.log10(self.low))
        while 10**exponent <= self.high:
            yield 10.0**exponent
            exponent += 1


def tick_text(value):
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


def headline(result):
    """A case's first figure and its entry."""
    return next(iter(result["figures"].items()))


def bars_of(results):
    """The contenders a case was run with."""
    with_plain = any("plain" in headline(r)[1] or "plain" in r["failures"] for r in results)
    return ("ours", "reference", "plain") if with_plain else ("ours", "reference")


def draw_case(drawing, result, contenders, x, y, scale):
    figure, entry = headline(result)
    for contender in contenders:
        value = entry.get(contender)
        baseline = y + BAR - 1
        if value:
            drawing.box(x, y, max(scale(value), 1.5), BAR, COLOURS[contender], 1.5)
            better = entry.get("better") if contender == "ours" else None
            drawing.value(x + max(scale(value), 1.5) + 5, baseline, with_unit(value, figure), better)
        if contender in result["failures"]:
            at = x + 5 if not value else x + 6
            fill = BAD if not value else PAPER
            drawing.text(at, baseline, "FAILED" if not value else "some FAILED", 9.5, fill, weight="bold")
        y += BAR + BETWEEN


def draw_panel(drawing, title, cases, columns, top, width):
    """One kind of figure, all its cases, both placements. Returns where it ends."""
    drawing.text(MARGIN, top + 15, title, 14, weight="bold")
    values = [v for by_placement in cases.values() for r in by_placement.values() for k, v in headline(r)[1].items()
              if k in COLOURS and v]
    if not values:
        return top
    scale = Scale(values, width - VALUES)
    first = top + 30
    groups = []
    y = first
    for label, by_placement in cases.items():
        contenders = bars_of(by_placement.values())
        groups.append((label, by_placement, contenders, y))
        y += len(contenders) * (BAR + BETWEEN) + GROUP_GAP
    bottom = y - GROUP_GAP + 3
    for x in columns.values():
        for tick in scale.ticks():
            drawing.line(x + scale(tick), first - 5, x + scale(tick), bottom, GRID)
            drawing.text(x + scale(tick), bottom + 12, tick_text(tick), 9.5, FAINT, "middle")
        drawing.line(x, first - 5, x, bottom, "#9aa5b1")
    for label, by_placement, contenders, y in groups:
        height = len(contenders) * (BAR + BETWEEN)
        drawing.text(MARGIN + LABELS - 12, y + height / 2 + 4, label, 12, anchor="end")
        for placement, result in by_placement.items():
            draw_case(drawing, result, contenders, columns[placement], y, scale)
    return bottom + 34


def names(results):
    """How the contenders are called."""
    return {"ours": "zmq-oxide", "reference": results["reference"]["name"], "plain": "plain sockets, blocking"}


def draw_source(drawing, results, contenders, note):
    """The head of a picture: what is compared, where, and by which colours."""
    machine, reference = results["machine"], results["reference"]
    busy = " on a busy machine" * results["busy"]
    drawing.text(MARGIN, 36, f"zmq-oxide beside {reference['name']}{busy}", 20, weight="bold")
    source = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}"
    rounds = f"{results['rounds']} round" + "s" * (results["rounds"] > 1) + ", quick" * results["quick"]
    drawing.text(MARGIN, 57, f"{source}. {reference['name']} is {reference['is']}. {rounds}.", 11, FAINT)
    x = MARGIN
    for contender in contenders:
        name = names(results)[contender]
        drawing.box(x, 71, 12, 12, COLOURS[contender], 2)
        drawing.text(x + 18, 81, name, 12)
        x += 18 + 7.3 * len(name) + 24
    drawing.text(x, 81, note, 11, FAINT)


def draw_head(drawing, results, columns):
    note = f"3×: three times as good as {results['reference']['name']}. Logarithmic scales."
    draw_source(drawing, results, COLOURS, note)
    for placement, x in columns.items():
        drawing.text(x, 112, PLACEMENTS[placement], 13, weight="bold")


def draw(results):
    """The picture as SVG text."""
    present = [p for p in PLACEMENTS if any(r["placement"] == p for r in results["results"])]
    width = (WIDTH - 2 * MARGIN - LABELS - GAP * (len(present) - 1)) / max(len(present), 1)
    columns = {p: MARGIN + LABELS + i * (width + GAP) for i, p in enumerate(present)}
    drawing = Drawing()
    draw_head(drawing, results, columns)
    y = 124.0
    for panel, title in PANELS.items():
        cases = {}
        for result in results["results"]:
            if result["chart"] == panel:
                cases.setdefault(result["label"], {})[result["placement"]] = result
        if cases:
            y = draw_panel(drawing, title, cases, columns, y, width)
    return drawing.finish(y - 8)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(draw(json.load(file)))
