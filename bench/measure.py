#!/usr/bin/env python3
"""Runs zbench against our library, a reference (the system's libzmq) and plain sockets, round by round.

Started by bench/run.sh, which builds what is needed:

    measure.py --zbench FILE --ours DIR --reference DIR --out DIR

All contenders of a case run one after the other within a round, in an order that changes from round
to round, so that all of them see the same machine. Writes results.json, table.md and chart.svg; with
--busy, which keeps every core busy with other work meanwhile, busy.json, busy.md and busy.svg.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chart
import report
from cases import CASES, FIGURES, PLAIN_FIGURES

CONTENDERS = ("ours", "reference", "plain")


def wait_without_reaping(process, seconds):
    """Whether the process ended in time. It stays a zombie, so its group's number stays its own."""
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def run(command, environment, seconds):
    """Runs a command to its end: (standard output, "") or (None, why it failed)."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )
        in_time = False
        try:
            in_time = wait_without_reaping(process, seconds)
        finally:
            # zbench forks; if one side failed, the other one may wait for ever.
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        out.seek(0)
        err.seek(0)
        said = err.read().strip().splitlines()
        if not in_time:
            return None, f"no end within {seconds} s"
        if code < 0:
            return None, f"killed by {signal.Signals(-code).name}"
        if code > 0:
            return None, said[-1] if said else f"exit status {code}"
        return out.read(), ""


def figures_in(output):
    """What a line of zbench says: {name: value}."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", output.partition("|")[2])}


def loaded_library(zbench, directory):
    """Which libzmq zbench gets with this directory in front."""
    environment = dict(os.environ, LD_LIBRARY_PATH=str(directory))
    listing = subprocess.run(["ldd", zbench], env=environment, capture_output=True, text=True, check=True).stdout
    found = re.search(r"libzmq\.so\.5 => (\S+)", listing)
    return Path(found[1]).resolve() if found else None


def machine():
    """Where the figures come from."""
    model = ""
    try:
        found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        model = found[1].strip() if found else ""
    except OSError:
        pass
    here = Path(__file__).resolve().parent

    def git(*words):
        answer = subprocess.run(["git", "-C", here, *words], capture_output=True, text=True, check=False)
        return answer.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return {
        "cpu": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "commit": git("rev-parse", "--short", "HEAD") + ("+" if changed else ""),
        "date": time.strftime("%Y-%m-%d"),
    }


def described(library):
    """What a library is: the version of the package it comes from, or its place."""

    def dpkg_query(*words):
        if not shutil.which("dpkg-query"):
            return ""
        answer = subprocess.run(["dpkg-query", *words], capture_output=True, text=True, check=False)
        return answer.stdout.strip()

    package = dpkg_query("-S", str(library)).partition(": ")[0]
    version = package and dpkg_query("-W", "-f", "${Version}", package)
    return f"Debian's {version}" if version else str(library)


def placements():
    """name: what to put in front of a command. On one core only if there is no second one."""
    allowed = sorted(os.sched_getaffinity(0))
    result = {}
    if len(allowed) > 1:
        result["two"] = ["taskset", "-c", f"{allowed[0]},{allowed[1]}"]
    result["one"] = ["taskset", "-c", str(allowed[0])]
    return result


@contextlib.contextmanager
def other_work(zbench, prefix, seconds):
    """A process of normal priority on each core of a placement that never waits for anything."""
    hogs = []
    try:
        for core in prefix[-1].split(","):
            command = [*prefix[:-1], core, str(zbench), "hog", str(seconds)]
            hogs.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


class Rounds:
    """Collects figures and failures."""

    def __init__(self, options):
        self.options = options
        self.divisor = 10 if options.quick else 1
        self.samples = {}  # (placement, case, contender) -> [{figure: value} or None, one per round]
        self.failures = {}  # the same -> [reason]

    def command_for(self, case, contender):
        words = case.plain_command(self.divisor) if contender == "plain" else case.command(self.divisor)
        return words.split()

    def environment_for(self, contender, scratch):
        # Plain sockets need no libzmq, but the program is linked with one.
        directory = self.options.ours if contender == "ours" else self.options.reference
        return dict(os.environ, LD_LIBRARY_PATH=str(directory), TMPDIR=scratch)

    def one(self, placement, prefix, case, contender, scratch):
        command = [*prefix, str(self.options.zbench), *self.command_for(case, contender)]
        seconds = self.options.timeout
        busy = other_work(self.options.zbench, prefix, seconds + 10) if self.options.busy else contextlib.nullcontext()
        with busy:
            output, failure = run(command, self.environment_for(contender, scratch), seconds)
        figures = figures_in(output) if output else None
        if not failure and not figures:
            failure = "printed no figures"
        key = (placement, case.args, contender)
        self.samples.setdefault(key, []).append(None if failure else figures)
        if failure:
            self.failures.setdefault(key, []).append(failure)
            shown = " ".join(command[len(prefix) + 1 :])
            name = self.options.reference_name if contender == "reference" else contender
            print(f"  FAILED {name}, {placement} core(s): zbench {shown}: {failure}", file=sys.stderr)

    def all(self, cases):
        with tempfile.TemporaryDirectory(prefix="zbench-") as scratch:
            for number in range(self.options.rounds):
                for placement, prefix in placements().items():
                    print(f"round {number + 1} of {self.options.rounds}, {placement} core(s)", file=sys.stderr)
                    for case in cases:
                        if placement not in case.placements:
                            continue
                        turn = [c for c in CONTENDERS if c != "plain" or case.plain]
                        turn = turn[number % len(turn) :] + turn[: number % len(turn)]
                        for contender in turn:
                            self.one(placement, prefix, case, contender, scratch)

    def result(self, placement, case):
        """One line of results: medians, and the median over the rounds of ours against the reference."""
        line = {"placement": placement, "case": case.args, "label": case.label, "chart": case.chart, "figures": {}}
        sampled = {c: self.samples.get((placement, case.args, c), []) for c in CONTENDERS}
        for figure in case.figures:
            _, more_is_better = FIGURES[figure]
            entry = {}
            for contender, rounds in sampled.items():
                if contender == "plain" and figure not in PLAIN_FIGURES:
                    continue
                values = [r[figure] for r in rounds if r and figure in r]
                if values:
                    entry[contender] = statistics.median(values)
                    entry[contender + "_range"] = [min(values), max(values)]
            ratios = [
                (a[figure] / b[figure] if more_is_better else b[figure] / a[figure])
                for a, b in zip(sampled["ours"], sampled["reference"])
                if a and b and a.get(figure) and b.get(figure)
            ]
            if ratios:
                entry["better"] = statistics.median(ratios)
            line["figures"][figure] = entry
        line["failures"] = {}
        for contender in CONTENDERS:
            reasons = self.failures.get((placement, case.args, contender))
            if reasons:
                line["failures"][contender] = {
                    "count": len(reasons),
                    "of": len(sampled[contender]),
                    "reason": reasons[-1],
                    "command": "zbench " + " ".join(self.command_for(case, contender)),
                }
        return line


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zbench", type=Path, required=True)
    parser.add_argument("--ours", type=Path, required=True, help="directory of our libzmq.so.5")
    parser.add_argument("--reference", type=Path, required=True, help="directory of the libzmq.so.5 to compare with")
    parser.add_argument(
        "--reference-name", default=os.environ.get("BENCH_REFERENCE_NAME") or "libzmq", help="what tables call it"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS") or 3))
    parser.add_argument("--quick", action="store_true", default=os.environ.get("BENCH_QUICK", "0") not in ("", "0"))
    parser.add_argument("--filter", default=os.environ.get("BENCH_FILTER", ""), help="regular expression")
    parser.add_argument("--busy", action="store_true", default=os.environ.get("BENCH_BUSY", "0") not in ("", "0"))
    parser.add_argument("--timeout", type=int, default=int(os.environ.get("BENCH_TIMEOUT") or 0), help="seconds")
    options = parser.parse_args()
    options.timeout = options.timeout or (180 if options.busy else 60)
    return options


def measure(options, cases):
    """Runs the cases and says what was found, where and against what."""
    if not cases or options.rounds < 1:
        sys.exit("bench: nothing to run")
    libraries = [loaded_library(options.zbench, d) for d in (options.ours, options.reference)]
    if None in libraries or libraries[0] == libraries[1]:
        sys.exit(f"bench: need two different libraries to compare, have {libraries[0]} and {libraries[1]}")
    print(f"ours: {libraries[0]}\n{options.reference_name}: {libraries[1]}", file=sys.stderr)
    started = time.monotonic()
    rounds = Rounds(options)
    rounds.all(cases)
    return {
        "machine": machine(),
        "reference": {"name": options.reference_name, "is": described(libraries[1])},
        "rounds": options.rounds,
        "quick": options.quick,
        "busy": options.busy,
        "seconds": round(time.monotonic() - started),
        "results": [rounds.result(p, c) for p in placements() for c in cases if p in c.placements],
    }


def chosen(cases, pattern):
    return [c for c in cases if re.search(pattern, c.args) or re.search(pattern, c.label)]


def finish(options, results, files, text):
    """Writes the files {name: content} and prints the text; fails if one of our runs did."""
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (options.out / name).write_text(content)
    print(text)
    print(f"{results['seconds']} s; {', '.join(files)} are in {options.out}")
    failed = [r for r in results["results"] if "ours" in r["failures"]]
    if failed:
        sys.exit(f"bench: {len(failed)} of our {len(results['results'])} cases FAILED")


def as_json(results):
    return json.dumps(results, indent=1, ensure_ascii=False) + "\n"


def main():
    options = parse_options()
    results = measure(options, chosen(CASES, options.filter))
    names = ("busy.json", "busy.md", "busy.svg") if options.busy else ("results.json", "table.md", "chart.svg")
    contents = (as_json(results), report.markdown(results), chart.draw(results))
    finish(options, results, dict(zip(names, contents)), report.text(results))


if __name__ == "__main__":
    main()
