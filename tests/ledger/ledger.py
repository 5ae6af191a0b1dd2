#!/usr/bin/python3
"""The ledger of what the long suite has done so far, summed up against the goals for 1.0.

Usage: ledger.py [FILE]        (default: ledger.jsonl beside this program)

One JSON object per line and run of a step: date (UTC), commit, step, measure (what `amount`
counts), amount, violations, seconds. Lines are only ever appended, by tests/long, and only for
steps that came to their end. Exit code: 0; 1 a line is malformed, which is named.
"""

import collections
import datetime
import json
import os
import sys

DEFAULT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ledger.jsonl")

# Measure, what it is, the goal for 1.0; `best` goals are of one run, not of all together.
GOALS = (
    ("safety-seeds", "seeds of the simulator in safety mode", 1_000_000, False),
    ("topologies", "random partial topologies (simulator and comparison)", 100_000, False),
    ("mutants", "deliberate faults hunted in one run", 150, True),
    ("kills", "kill -9 of real processes", 100_000, False),
    ("pauses", "pauses of a real leader with reads in flight", 10_000, False),
    ("damages", "bit flips, torn, lost and misdirected writes", 100_000, False),
    ("operations", "operations checked for linearizability", 10 ** 9, False),
    ("fuzz-inputs", "mutated inputs to decoders", 10 ** 10, False),
    ("scenario-seeds", "seeds of every scenario of cut links, simulated", None, False),
    ("partition-runs", "scenarios of cut links and bad disks, real processes", None, False),
)
_FIELDS = {"date": str, "commit": str, "step": str, "measure": str, "amount": int,
           "violations": int, "seconds": (int, float)}


def entry(commit, step, measure, amount, violations, seconds, now=None):
    """A line of the ledger as a dictionary."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    return {"date": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "commit": commit, "step": step,
            "measure": measure, "amount": amount, "violations": violations,
            "seconds": round(seconds, 1)}


def append(path, line):
    """Appends one entry."""
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def read(path):
    """All entries. ValueError: a line is not one; the text names it."""
    entries = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                one = json.loads(line)
                good = set(one) == set(_FIELDS) and all(
                    isinstance(one[name], kind) for name, kind in _FIELDS.items())
                good = good and one["amount"] >= 0 and one["violations"] >= 0
            except (ValueError, TypeError):
                good = False
            if not good or one["measure"] not in {goal[0] for goal in GOALS}:
                raise ValueError("%s:%d is no entry of the ledger" % (path, number))
            entries.append(one)
    return entries


def total(entries, measure):
    """The sum of all amounts of a measure."""
    return sum(one["amount"] for one in entries if one["measure"] == measure)


def table(entries):
    """The sums against the goals, as Markdown."""
    by_measure = collections.defaultdict(list)
    for one in entries:
        by_measure[one["measure"]].append(one)
    lines = ["| measure | what | runs | done | goal for 1.0 | share | violations | hours |",
             "|---|---|---|---|---|---|---|---|"]
    for measure, what, goal, best in GOALS:
        mine = by_measure[measure]
        amounts = [one["amount"] for one in mine]
        done = max(amounts, default=0) if best else sum(amounts)
        lines.append("| %s | %s | %d | %s | %s | %s | %d | %.1f |" % (
            measure, what, len(mine), format(done, ","),
            format(goal, ",") if goal else "-",
            "%.2f%%" % (100 * done / goal) if goal else "-",
            sum(one["violations"] for one in mine), sum(one["seconds"] for one in mine) / 3600))
    return "\n".join(lines)


def main(argv):
    path = argv[1] if len(argv) > 1 else DEFAULT
    try:
        entries = read(path)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(entries))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
