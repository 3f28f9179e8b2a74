#!/usr/bin/env python3
"""Measures how rates change with the number of connections and of subscriptions.

Started by bench/run.sh like measure.py, whose options it takes. Writes growth.json, growth.md and
growth.svg.
"""

import re
from dataclasses import dataclass

import growth_chart
import measure
from cases import Case
from report import NOTE_BETTER, heading, precision, with_unit

CONNECTIONS = (1, 10, 100, 1000, 10_000)
TOPICS = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
FEW = 10


@dataclass(frozen=True)
class Series:
    """The same work with more and more of something."""

    title: str
    count_of: str  # what there is more and more of
    points: tuple  # (how many, Case), of which the first figure is drawn


def _series(title, count_of, figures, numbers, args, count):
    """args has N and FEW for numbers, COUNT for the messages, of which there are count(n). figures may be a function
    of n as well."""

    def case(n):
        words = [{"N": str(n), "FEW": str(min(n, FEW))}.get(word, word) for word in args.split()]
        shown = figures(n) if callable(figures) else figures
        return Case(" ".join(words), count(n), f"{title}: {n}", shown, placements=("two",))

    return Series(title, count_of, tuple((n, case(n)) for n in numbers))


def _fan(title, mode, few, count):
    active = "FEW" if few else "N"
    figures = ("rate", "cpu", "near_cpu")
    return _series(title, "connections", figures, CONNECTIONS, f"{mode} tcp 64 COUNT N {active}", count)


SERIES = (
    _fan("PUSH sockets to one PULL, all active", "fanin", False, lambda n: 1_000_000),
    _fan(f"PUSH sockets to one PULL, {FEW} active", "fanin", True, lambda n: 1_000_000),
    _fan("PUB to SUB sockets, all match", "fanout", False, lambda n: max(1_000_000 // n, 50)),
    _fan(f"PUB to SUB sockets, {FEW} match", "fanout", True, lambda n: 1_000_000 // min(n, FEW)),
    _fan("ROUTER echo, DEALER sockets, all ask", "fanecho", False, lambda n: 200_000),
    _fan(f"ROUTER echo, DEALER sockets, {FEW} ask", "fanecho", True, lambda n: 200_000),
    _series(
        "connecting, and a message from each",
        "connections",
        ("connects", "rss", "cpu"),
        (10, 100, 1000, 5000),
        "conn tcp N",
        lambda n: 1,
    ),
    _series(
        "matching among subscriptions",
        "subscriptions",
        # Time and memory of a few subscriptions are lost in those of the sockets.
        lambda n: ("match", "subscribe", "mem") if n >= 1000 else ("match",),
        TOPICS,
        "subs N COUNT",
        lambda n: 500_000,
    ),
)


def _rows(series, results):
    """One row per number and figure."""
    by_case = {r["case"]: r for r in results["results"]}
    for number, case in series.points:
        result = by_case.get(case.args)
        if not result:
            continue
        for at, (figure, entry) in enumerate(result["figures"].items()):
            cells = []
            for contender in ("ours", "reference"):
                failure = result["failures"].get(contender)
                value = entry.get(contender)
                shown = "" if value is None else with_unit(value, figure)
                cells.append(f"{shown} FAILED {failure['count']} of {failure['of']}".strip() if failure else shown)
            better = f"{entry['better']:.{precision(entry['better'])}f}x" if "better" in entry else ""
            yield (f"{number:,}".replace(",", " ") if at == 0 else "", figure, *cells, better)


def tables(results):
    """(title, head, rows) of each series that was run."""
    reference = results["reference"]["name"]
    for series in SERIES:
        rows = list(_rows(series, results))
        if rows:
            yield series.title, (series.count_of, "figure", "ours", reference, "better"), rows


def failures(results):
    for result in results["results"]:
        for contender, failure in result["failures"].items():
            name = results["reference"]["name"] if contender == "reference" else contender
            yield f"FAILED: {name}, {failure['command']}, {failure['count']} of {failure['of']}: {failure['reason']}"


def markdown(results):
    lines = [heading(results), "", f"64-byte messages over tcp; matching within the process. {NOTE_BETTER}", ""]
    for title, head, rows in tables(results):
        lines += [f"**{title}**", "", "| " + " | ".join(head) + " |", "|--:|---|--:|--:|--:|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
    lines += [f"- {line}" for line in failures(results)]
    return "\n".join(lines).rstrip() + "\n"


def text(results):
    lines = [heading(results), ""]
    for title, head, rows in tables(results):
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        lines.append(title)
        for row in (head, *rows):
            left = f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}"
            lines.append(left + "".join(f"  {cell:>{width}}" for cell, width in zip(row[2:], widths[2:])))
        lines.append("")
    lines += failures(results)
    return "\n".join(lines).rstrip() + "\n"


def panels(results):
    """What is drawn: (title, unit, {contender: [(number, value)]}) of each series that was run."""
    by_case = {r["case"]: r for r in results["results"]}
    for series in SERIES:
        lines = {"ours": [], "reference": []}
        for number, case in series.points:
            entry = by_case.get(case.args, {}).get("figures", {}).get(case.figures[0], {})
            for contender, line in lines.items():
                if entry.get(contender):
                    line.append((number, entry[contender]))
        if any(lines.values()):
            yield series.title, series.count_of, lines


def main():
    options = measure.parse_options()
    pattern = options.filter
    cases = [c for s in SERIES for _, c in s.points if re.search(pattern, c.args) or re.search(pattern, s.title)]
    # With few connections, "all active" and "ten active" are the same runs.
    cases = list({c.args: c for c in cases}.values())
    results = measure.measure(options, cases)
    files = {
        "growth.json": measure.as_json(results),
        "growth.md": markdown(results),
        "growth.svg": growth_chart.draw(results, list(panels(results))),
    }
    measure.finish(options, results, files, text(results))


if __name__ == "__main__":
    main()
