"""Draws what growth.py found: small panels with one line per library, both scales logarithmic."""

import math

from chart import COLOURS, FAINT, GRID, INK, MARGIN, WIDTH, Drawing, draw_source, tick_text

COLUMNS = 2
PANEL_HEIGHT = 190
GAP = 34
LEFT, RIGHT, TOP, BOTTOM = 44, 56, 34, 34  # within a panel


class Axis:
    """Logarithmic, whole decades."""

    def __init__(self, values, start, length):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.length = start, length

    def __call__(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * self.length

    def ticks(self):
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def draw_panel(drawing, panel, left, top, width):
    title, count_of, lines = panel
    drawing.text(left, top + 14, title, 13, weight="bold")
    right, bottom = left + width - RIGHT, top + PANEL_HEIGHT - BOTTOM
    points = [point for line in lines.values() for point in line]
    across = Axis([x for x, _ in points], left + LEFT, right - left - LEFT)
    up = Axis([y for _, y in points], bottom, top + TOP - bottom)
    for tick in up.ticks():
        drawing.line(left + LEFT, up(tick), right, up(tick), GRID)
        drawing.text(left + LEFT - 6, up(tick) + 3.5, tick_text(tick), 9.5, FAINT, "end")
    for tick in across.ticks():
        drawing.line(across(tick), top + TOP, across(tick), bottom, GRID)
        drawing.text(across(tick), bottom + 14, tick_text(tick), 9.5, FAINT, "middle")
    drawing.text((left + LEFT + right) / 2, bottom + 28, count_of, 10.5, FAINT, "middle")
    labels = {}
    for contender in ("reference", "ours"):
        drawing.path([(across(x), up(y)) for x, y in lines[contender]], COLOURS[contender])
        if lines[contender]:
            x, y = lines[contender][-1]
            labels[contender] = (across(x), up(y), y)
    place_labels(drawing, labels)


def place_labels(drawing, labels):
    """The last value of each line behind it, not one over the other."""
    at = {contender: y for contender, (_, y, _) in labels.items()}
    if len(at) == 2 and abs(at["ours"] - at["reference"]) < 12:
        upper = "ours" if at["ours"] <= at["reference"] else "reference"
        lower = "reference" if upper == "ours" else "ours"
        middle = (at[upper] + at[lower]) / 2
        at[upper], at[lower] = middle - 6, middle + 6
    for contender, (x, _, value) in labels.items():
        fill = COLOURS[contender] if contender == "ours" else INK
        drawing.text(x + 7, at[contender] + 3.5, f"{rounded(value)}/s", 10, fill)


def rounded(value):
    digits = max(0, 1 - math.floor(math.log10(value)))
    shown = round(value, digits - 2 if value >= 100 else digits)
    scale = 10 ** (math.floor(math.log10(shown)) - 1)
    return tick_text(round(shown / scale) * scale)


def draw(results, panels):
    """The picture as SVG text; panels as growth.py has them."""
    drawing = Drawing()
    note = "Messages (or connections) per second: higher is better. Logarithmic scales."
    draw_source(drawing, results, ("ours", "reference"), note)
    width = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS
    top = 104.0
    for at, panel in enumerate(panels):
        column, row = at % COLUMNS, at // COLUMNS
        draw_panel(drawing, panel, MARGIN + column * (width + GAP), top + row * (PANEL_HEIGHT + 14), width)
    rows = -(-len(panels) // COLUMNS)
    return drawing.finish(top + rows * (PANEL_HEIGHT + 14) + 4)
