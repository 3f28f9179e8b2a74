#!/usr/bin/env python3
"""Tables of what measure.py found. By itself: report.py results.json prints the markdown one."""

import json
import sys

from cases import FIGURES

PLACEMENTS = {"two": "Two cores", "one": "Both ends on one core"}


def amount(value):
    """A number as people read it: three digits that count."""
    for limit, divisor, suffix in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:.{precision(value / divisor)}f}{suffix}"
    return f"{value:.{precision(value)}f}"


def precision(value):
    return 0 if value >= 99.95 else 1 if value >= 9.995 else 2


def with_unit(value, figure):
    text, unit = amount(value), FIGURES[figure][0]
    return text + unit if unit.startswith("/") or text[-1].isalpha() else f"{text} {unit}"


def cell(result, entry, contender, figure):
    """A table's cell: the median, or that and how it failed."""
    failure = result["failures"].get(contender)
    value = entry.get(contender)
    if failure and value is None:
        return "FAILED"
    if value is None:
        return ""
    shown = with_unit(value, figure)
    return f"{shown} (FAILED {failure['count']} of {failure['of']})" if failure else shown


def rows(results, placement):
    for result in results["results"]:
        if result["placement"] != placement:
            continue
        for number, (figure, entry) in enumerate(result["figures"].items()):
            cells = [cell(result, entry, c, figure) for c in ("ours", "reference", "plain")]
            better = f"{entry['better']:.{precision(entry['better'])}f}x" if "better" in entry else ""
            yield (result["label"] if number == 0 else "", figure, *cells, better)


def heading(results):
    machine = results["machine"]
    quick = ", a tenth of the messages" if results["quick"] else ""
    rounds = f"{results['rounds']} rounds" if results["rounds"] > 1 else "one round"
    busy = " Meanwhile each core in use had one process more that never waits, at normal priority." * results["busy"]
    reference = results["reference"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}, commit "
        f"{machine['commit']}; {reference['name']} is {reference['is']}. Medians of {rounds}{quick}.{busy}"
    )


NOTE_BETTER = (
    "“better” is how many times lower (µs, cpu, bytes) or higher (rates) ours is: the median of the rounds' "
    "ratios."
)
NOTE = NOTE_BETTER + (
    " “plain sockets” is the same exchange with blocking send and recv, and for rates length-prefixed "
    "messages batched by hand into 64 KiB writes."
)


def columns(results):
    return ("", "figure", "ours", results["reference"]["name"], "plain sockets", "better")


def failures(results):
    """Every failure with the command that shows it."""
    for result in results["results"]:
        for contender, failure in result["failures"].items():
            name = results["reference"]["name"] if contender == "reference" else contender
            yield (
                f"FAILED: {name}, {PLACEMENTS[result['placement']].lower()}, {result['label']} "
                f"({failure['command']}), {failure['count']} of {failure['of']}: {failure['reason']}"
            )


def markdown(results):
    lines = [heading(results), "", NOTE, ""]
    for placement, title in PLACEMENTS.items():
        table = list(rows(results, placement))
        if not table:
            continue
        head = "| case | " + " | ".join(columns(results)[1:]) + " |"
        lines += [f"**{title}**", "", head, "|---|---|--:|--:|--:|--:|"]
        lines += ["| " + " | ".join(row) + " |" for row in table]
        lines.append("")
    failed = list(failures(results))
    lines += [f"- {line}" for line in failed]
    return "\n".join(lines).rstrip() + "\n"


def text(results):
    lines = [heading(results), ""]
    for placement, title in PLACEMENTS.items():
        table = list(rows(results, placement))
        if not table:
            continue
        table.insert(0, (title, *columns(results)[1:]))
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        for row in table:
            left = f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}"
            lines.append(left + "".join(f"  {value:>{width}}" for value, width in zip(row[2:], widths[2:])))
        lines.append("")
    lines += failures(results)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(markdown(json.load(file)))
