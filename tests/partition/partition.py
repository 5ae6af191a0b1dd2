#!/usr/bin/python3
"""Cuts links between real processes and prints what clients saw: one table for several systems.

Usage: partition.py [--systems LIST] [--scenario NAME]... [--rounds N]
                    [--disks | --clocks | --pauses N] [--folder DIR]

Needs the right to make network namespaces; without it, says so and exits with 77. Leaves logs,
histories and the table in the folder, and nothing running. Exit code 1: Rasputin did not do what a
scenario requires; what other systems do is only reported. --help says more.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import clocks
import disks
import network
import pauses
import scenarios
import stage
import systems

EXIT_SKIPPED = 77


def programs(root):
    """Paths of the programs under bazel's output folder."""
    return {"rasputind": os.path.join(root, "server/rasputind"),
            "rasputin": os.path.join(root, "client/rasputin"),
            "clock_shim": os.path.join(root, "tests/partition/clock_shim.so"),
            "load": os.path.join(root, "tests/partition/partition_load")}


def prepare(folder):
    """Namespaces for this process, and a memory file system for data that nobody else sees."""
    network.isolate()
    data = os.path.join(folder, "data")
    os.makedirs(data, exist_ok=True)
    network.run("mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", data)


def _seconds(values):
    """The median, and the highest if there are several."""
    middle = "%.1f" % statistics.median(values)
    return middle if len(values) == 1 else "%s (max %.1f)" % (middle, max(values))


def _clients(results, kind):
    """Median seconds without success of each node's client."""
    columns = zip(*(result.by_client[kind] for result in results))
    return " ".join("%.1f" % statistics.median(column) for column in columns)


def _changes(results):
    """Leaderships that began during the fault, and after it; summed over the rounds."""
    during = sum(result.changes for result in results)
    after = sum(result.changes_after for result in results)
    return "%d, after %d" % (during, after) if after else str(during)


def row(results):
    """The cells of one scenario and one system, from all its rounds."""
    live = sum(result.live["set"] and result.live["get"] for result in results)
    recoveries = [result.recovery for result in results if result.recovery is not None]
    elected = [result.new_leader for result in results if result.new_leader is not None]
    return [results[0].scenario, results[0].system,
            _changes(results),
            _seconds(elected) if elected else "-",
            _seconds([result.without["set"] for result in results]),
            _seconds([result.without["get"] for result in results]),
            _clients(results, "set"), _clients(results, "get"),
            str(sum(result.stale for result in results)),
            str(sum(len(result.lost) for result in results)),
            "%d/%d" % (live, len(results)),
            _seconds(recoveries) if len(recoveries) == len(results) else "never",
            "yes" if not any(result.failures for result in results) else "NO"]


HEADS = ("scenario", "system", "leader changes", "new leader s", "no writes s", "no reads s",
         "no writes by client", "no reads by client", "stale", "lost", "live", "healed s",
         "as required")


def table(rows, heads=HEADS):
    """The rows as a table of Markdown."""
    widths = [max(len(line[i]) for line in [heads] + rows) for i in range(len(heads))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
             for line in [list(heads), ["-" * width for width in widths]] + rows]
    return "\n".join(lines)


def run_table(arguments, names):
    """Runs scenarios on systems in turn; returns the failures of Rasputin."""
    rows, failures, details = [], [], []
    for name in names:
        scenario = scenarios.find(name)
        for system in arguments.systems.split(","):
            results = []
            for number in range(arguments.rounds):
                seed = arguments.seed + number
                result = stage.Stage(scenario, system, arguments.folder,
                                     programs(arguments.bin), seed).run()
                results.append(result)
                details.append(dict(vars(result)))
                for failure in result.failures:
                    print("%s, %s, round %d: %s" % (system, name, seed, failure), flush=True)
                    if system == "rasputin":
                        failures.append("%s: %s" % (name, failure))
            rows.append(row(results))
            print("| " + " | ".join(rows[-1]) + " |", flush=True)
            with open(os.path.join(arguments.folder, "results.json"), "w",
                      encoding="utf-8") as out:
                json.dump(details, out, indent=1)
    text = table(rows)
    with open(os.path.join(arguments.folder, "table.md"), "w", encoding="utf-8") as out:
        out.write(text + "\n")
    print("\n" + text, flush=True)
    return failures


def run_disks(arguments, chosen):
    """Runs the faults of disks; returns the failures of Rasputin."""
    rows, said, failures = [], [], []
    for scenario in chosen:
        for system in arguments.systems.split(","):
            for number in range(arguments.rounds):
                report = disks.run(scenario, system, arguments.folder, programs(arguments.bin),
                                   arguments.seed + number)
                rows.append(report.cells())
                said.append(report.text())
                print("| " + " | ".join(rows[-1]) + " |\n" + said[-1], flush=True)
                if system == "rasputin":
                    failures += ["%s: %s" % (scenario.name, one) for one in report.failures]
    text = table(rows, disks.HEADS) + "\n\n" + "\n".join(said)
    with open(os.path.join(arguments.folder, "disks.md"), "w", encoding="utf-8") as out:
        out.write(text + "\n")
    print("\n" + text, flush=True)
    for failure in failures:
        print("rasputin, " + failure, flush=True)
    return failures


def run_clocks(arguments, chosen):
    """Runs the faults of clocks on Rasputin; returns the failures."""
    rows, failures = [], []
    for scenario in chosen:
        for number in range(arguments.rounds):
            report = clocks.run_one(scenario, arguments.folder, programs(arguments.bin),
                                    arguments.seed + number)
            rows.append(report.cells())
            print("| " + " | ".join(rows[-1]) + " |", flush=True)
            failures += ["%s: %s" % (scenario.name, one) for one in report.failures]
    text = table(rows, clocks.HEADS)
    with open(os.path.join(arguments.folder, "clocks.md"), "w", encoding="utf-8") as out:
        out.write(text + "\n")
    print("\n" + "\n".join([text] + failures), flush=True)
    return failures


def run_pauses(arguments):
    """Runs the pauses on each system; returns the failures of Rasputin."""
    failures = []
    for system in arguments.systems.split(","):
        report = pauses.run(system, arguments.folder, programs(arguments.bin), arguments.pauses,
                            arguments.seed)
        print("%s: %s" % (system, report.text()), flush=True)
        if system == "rasputin":
            failures += report.failures()
    return failures


def parse(argv):
    """The command line."""
    known = ", ".join(one.name for one in scenarios.SCENARIOS + disks.SCENARIOS +
                      clocks.SCENARIOS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="Scenarios: " + known)
    parser.add_argument("--systems", default="rasputin,etcd",
                        help="of %s (default: rasputin,etcd)" % ", ".join(systems.SYSTEMS))
    parser.add_argument("--scenario", action="append", help="only these (default: all)")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each scenario")
    parser.add_argument("--disks", action="store_true",
                        help="instead of scenarios: disks that stall or fail, and what is said")
    parser.add_argument("--clocks", action="store_true",
                        help="instead of scenarios: clocks of wrong rates and that step")
    parser.add_argument("--pauses", type=int, default=0,
                        help="instead of scenarios: pause the leader so often")
    parser.add_argument("--folder", default="_rasputin_partition", help="for logs and results")
    parser.add_argument("--bin", default="bazel-bin", help="where bazel puts programs")
    parser.add_argument("--seed", type=int, default=1, help="of the first round")
    arguments = parser.parse_args(argv)
    arguments.folder = os.path.abspath(arguments.folder)
    arguments.bin = os.path.abspath(arguments.bin)
    for name in arguments.scenario or ():
        if name not in known.split(", "):
            parser.error("unknown scenario %s; known: %s" % (name, known))
    return arguments


def main(argv):
    arguments = parse(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    os.makedirs(arguments.folder, exist_ok=True)
    try:
        prepare(arguments.folder)
    except network.NoRight as reason:
        print("SKIPPED: " + str(reason))
        return EXIT_SKIPPED
    begin = time.monotonic()
    if arguments.pauses:
        runs, failures = 1, run_pauses(arguments)
    elif arguments.disks or arguments.clocks:
        rows, run = ((disks.SCENARIOS, run_disks) if arguments.disks else
                     (clocks.SCENARIOS, run_clocks))
        chosen = [one for one in rows if one.name in (arguments.scenario or (one.name,))]
        runs, failures = len(chosen), run(arguments, chosen)
    else:
        chosen = arguments.scenario or [one.name for one in scenarios.SCENARIOS]
        runs, failures = len(chosen), run_table(arguments, chosen)
    runs *= 1 if arguments.pauses else arguments.rounds
    runs *= 1 if arguments.clocks else len(arguments.systems.split(","))
    print("%d runs, %d findings against Rasputin, %.0f s" % (runs, len(failures),
                                                            time.monotonic() - begin))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
