#!/usr/bin/python3
"""Runs the steps of the long suite, prints a line for each, and writes the ledger.

Usage: suite.py [--step NAME[=AMOUNT]]... [--scale FACTOR] [--ledger FILE] [--bin DIR]
                [--folder DIR] [--first-seed N] [--events FILE] [--targets] [--list]

Steps of one core run two at a time, the others alone after them. A line of a step that came to its
end: `step=NAME measure=WHAT amount=N violations=N seconds=S`. Exit code: 0 all without violation;
1 some were violated or broke down; 2 wrong usage. Nothing that was started is left running.
"""

import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(_HERE), "ledger"))
# pylint: disable=wrong-import-position
import ledger
import steps as catalog

_CORES = 2
_TAIL_LINES = 25


class Outcome:
    """What a shard, or all shards of a step, came to."""

    def __init__(self):
        self.amount = 0
        self.violations = 0
        self.also = {}
        self.seconds = 0.0
        self.broken = ""   # Why it says nothing; empty: it came to its end.
        self.skipped = ""  # Why it cannot run here.
        self.weak = False  # It met too little of what it is for.
        self.outputs = []

    def add(self, other):
        """Takes another shard in; the slowest one gives the time."""
        self.amount += other.amount
        self.violations += other.violations
        for measure, amount in other.also.items():
            self.also[measure] = self.also.get(measure, 0) + amount
        self.seconds += other.seconds
        self.broken = self.broken or other.broken
        self.skipped = self.skipped or other.skipped
        self.weak = self.weak or other.weak
        self.outputs += other.outputs


def numbers(pattern, text):
    """The sum of all groups of all matches, or None: there is no match."""
    found = [group for match in pattern.finditer(text) for group in match.groups()]
    return sum(int(one) for one in found if one is not None) if found else None


def read_output(step, amount, code, text):
    """The Outcome that an exit code and an output tell."""
    outcome = Outcome()
    if step.skip_code is not None and code == step.skip_code:
        outcome.skipped = next((line for line in text.splitlines() if "SKIPPED" in line), "skipped")
        return outcome
    if step.weak_code is not None and code == step.weak_code:
        outcome.weak = True
        code = 0
    counted = numbers(step.amounts, text) if step.amounts else amount
    violated = numbers(step.violations, text) if step.violations else int(code != 0)
    if counted is None or violated is None or code not in (0, 1):
        outcome.broken = "exit code %d without a result" % code
        return outcome
    outcome.amount = counted
    outcome.violations = max(violated, int(code != 0))
    for measure, pattern in step.also:
        outcome.also[measure] = numbers(pattern, text) or 0
    return outcome


class Runner:
    """Starts the processes of steps, and ends them whatever happens."""

    def __init__(self, arguments):
        self._arguments = arguments
        self._running = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run_shard(self, step, shard, amount, first):
        """Runs one process of a step to its end."""
        name = step.name if step.shards == 1 else "%s-%d" % (step.name, shard)
        folder = os.path.join(self._arguments.folder, name)
        os.makedirs(folder, exist_ok=True)
        values = {"amount": amount, "first": first, "bin": self._arguments.bin, "folder": folder}
        environment = dict(os.environ, **{key: value.format(**values)
                                          for key, value in step.environment.items()})
        output = folder + ".log"
        begin = time.monotonic()
        with open(output, "wb") as out:
            code = self._wait([word.format(**values) for word in step.command], environment, out,
                              step.seconds_max)
        with open(output, encoding="utf-8", errors="replace") as lines:
            text = lines.read()
        if code is None:
            outcome = Outcome()
            outcome.broken = "not at its end after %d s" % step.seconds_max
        else:
            outcome = read_output(step, amount, code, text)
        outcome.seconds = time.monotonic() - begin
        outcome.outputs = [output]
        return outcome

    def stop(self):
        """Ends everything that runs and lets nothing begin."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                os.killpg(process.pid, signal.SIGKILL)

    def _wait(self, command, environment, out, seconds):
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, env=environment,
                                       start_new_session=True)
            self._running.add(process)
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with self._lock:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
                self._running.discard(process)


class Suite:
    """Runs steps and reports them."""

    def __init__(self, arguments, commit):
        self._arguments = arguments
        self._commit = commit
        self._runner = Runner(arguments)
        self._done = ledger.read(arguments.ledger) if os.path.exists(arguments.ledger) else []
        self._events = []
        self.failed = 0

    def run(self, chosen):
        """`chosen`: pairs of a step and an amount."""
        try:
            with concurrent.futures.ThreadPoolExecutor(_CORES) as pool:
                started = [(step, self._submit(pool, step, amount))
                           for step, amount in chosen if not step.alone]
                for step, shards in started:
                    self._report(step, shards)
            for step, amount in chosen:
                if not step.alone:
                    continue
                with concurrent.futures.ThreadPoolExecutor(1) as pool:
                    self._report(step, self._submit(pool, step, amount))
        finally:
            self._runner.stop()
            if self._arguments.events:
                with open(self._arguments.events, "w", encoding="utf-8") as out:
                    out.writelines(line + "\n" for line in self._events)

    def _submit(self, pool, step, amount):
        # Seeds go on where the ledger says that the last run of the step ended.
        first = self._arguments.first_seed or 1 + sum(
            one["amount"] for one in self._done
            if one["step"] == step.name and one["measure"] == step.measure)
        shards = min(step.shards, amount)
        begins = [first + amount * i // shards for i in range(shards + 1)]
        return [pool.submit(self._runner.run_shard, step, i, begins[i + 1] - begins[i], begins[i])
                for i in range(shards)]

    def _report(self, step, shards):
        outcome = Outcome()
        for shard in shards:
            outcome.add(shard.result())
        if outcome.skipped:
            print("step=%s skipped: %s" % (step.name, outcome.skipped), flush=True)
            self._events.append("skipped long suite, %s: %s" % (step.name, outcome.skipped))
            return
        bad = outcome.broken or outcome.violations
        self.failed += bool(bad)
        if bad:
            self._events.append("failed long suite, %s: %s" % (
                step.name, outcome.broken or "%d violations" % outcome.violations))
            for path in outcome.outputs:
                with open(path, encoding="utf-8", errors="replace") as lines:
                    tail = lines.read().splitlines()[-_TAIL_LINES:]
                print("last lines of %s:\n  %s" % (path, "\n  ".join(tail)), flush=True)
        else:
            self._events.append("passed long suite, %s" % step.name)
        if outcome.broken:
            print("step=%s broken: %s" % (step.name, outcome.broken), flush=True)
            return
        if outcome.weak:
            print("  (it says little, see %s)" % " ".join(outcome.outputs), flush=True)
        self._note(step, step.measure, outcome.amount, outcome.violations, outcome.seconds)
        for measure, amount in sorted(outcome.also.items()):
            if amount > 0:
                self._note(step, measure, amount, 0, 0.0)

    def _note(self, step, measure, amount, violations, seconds):
        print("step=%s measure=%s amount=%d violations=%d seconds=%.1f" % (
            step.name, measure, amount, violations, seconds), flush=True)
        line = ledger.entry(self._commit, step.name, measure, amount, violations, seconds)
        try:
            ledger.append(self._arguments.ledger, line)
        except OSError as error:
            print("  (not in the ledger: %s)" % error, flush=True)


def commit_of(folder):
    """The commit of the tree, with `+` if files differ from it; `unknown` without git."""
    def git(*words):
        done = subprocess.run(("git", "-C", folder) + words, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                              universal_newlines=True)
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "--short=12", "HEAD")
    if commit is None:
        return "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".",
                  ":!tests/ledger/ledger.jsonl")
    return commit + ("+" if changed else "")


def choose(words, scale, parser):
    """Pairs of steps and amounts; all steps if `words` is empty."""
    by_name = {step.name: step for step in catalog.STEPS}
    chosen = []
    for word in words or by_name:
        name, _, amount = word.partition("=")
        if name not in by_name:
            parser.error("no step is called %s; there are %s" % (name, ", ".join(by_name)))
        if amount and not (amount.isdigit() and int(amount) > 0):
            parser.error("%s: the amount is a number from 1 up" % word)
        step = by_name[name]
        chosen.append((step, int(amount) if amount else max(1, round(step.amount * scale))))
    return chosen


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", action="append", default=[], metavar="NAME[=AMOUNT]",
                        help="only these (default: all)")
    parser.add_argument("--scale", type=float, default=1, help="times every amount not given")
    parser.add_argument("--ledger", default=ledger.DEFAULT, help="file to append to")
    parser.add_argument("--bin", default="bazel-bin", help="where bazel puts programs")
    parser.add_argument("--folder", default="_rasputin_long", help="for outputs")
    parser.add_argument("--first-seed", type=int, help="instead of where the ledger ends")
    parser.add_argument("--events", help="file for test.sh: a line for each step")
    parser.add_argument("--targets", action="store_true", help="print what must be built")
    parser.add_argument("--list", action="store_true", help="print the steps")
    arguments = parser.parse_args(argv)
    chosen = choose(arguments.step, arguments.scale, parser)
    if arguments.targets or arguments.list:
        lines = ([one for step, _ in chosen for one in step.targets] if arguments.targets else
                 ["%-20s %s %s" % (step.name, amount, step.measure) for step, amount in chosen])
        print("\n".join(dict.fromkeys(lines)))
        return 0
    for name in ("bin", "folder", "ledger"):
        setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    os.makedirs(arguments.folder, exist_ok=True)
    begin = time.monotonic()
    suite = Suite(arguments, commit_of(_HERE))
    suite.run(chosen)
    print("long suite: %d steps, %d failed, %.0f s" % (len(chosen), suite.failed,
                                                      time.monotonic() - begin))
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
