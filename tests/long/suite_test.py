#!/usr/bin/python3
"""The driver of the long suite: how outputs are read, what is reported, what goes to the ledger."""

import argparse
import os
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import steps
import suite

KILLS = "\n".join((
    "kill -9: 30 kills (23 of a leader, 12 of the meta range's, 4 of two nodes), and 4 of all at "
    "once, in 95 s",
    "  increments: 15317 acknowledged, 0 unknown, 0 calls failed; counters with lost increments 2, "
    "with doubled ones 1",
    "  history of 38626 operations: linearizable"))
SIM = "\n".join((
    "7 seeds, 3 violations",
    "operations: 55 acknowledged, 1 unknown, 0 not executed, 56 checked for linearizability"))
PAUSES = "\n".join((
    "rasputin: 100 pauses of the leader; reads through it in flight at 100 resumes (400 reads), "
    "newer writes acknowledged by another leader during 49 pauses; 146655 operations, 0 stale",
    "1 runs, 0 findings against Rasputin, 300 s"))


def of_name(name):
    return {step.name: step for step in steps.STEPS}[name]


def fake(name, script, **more):
    """A step that is a small program."""
    return steps.Step(name, "kills", 10, (), [sys.executable, "-c", script], **more)


class ReadTest(unittest.TestCase):
    """Outputs as the programs print them."""

    def test_kills_of_one_and_of_all_count_and_counters_are_violations(self):
        outcome = suite.read_output(of_name("kills-with-changes"), 30, 1, KILLS)
        self.assertEqual((outcome.amount, outcome.violations), (34, 3))
        self.assertEqual(outcome.also, {"operations": 38626})

    def test_too_few_kills_of_leaders_are_no_violation_but_doubled_counters_are(self):
        step = of_name("kills-with-changes")
        sound = KILLS.replace("increments 2", "increments 0").replace("ones 1", "ones 0")
        outcome = suite.read_output(step, 30, 3, sound)
        self.assertEqual((outcome.amount, outcome.violations), (34, 0))
        self.assertEqual((outcome.weak, outcome.broken), (True, ""))
        self.assertEqual(suite.read_output(step, 30, 3, KILLS).violations, 3)
        self.assertTrue(suite.read_output(of_name("flips"), 30, 3, "").broken)

    def test_seeds_and_violations_of_the_simulator(self):
        outcome = suite.read_output(of_name("safety"), 7, 1, SIM)
        self.assertEqual((outcome.amount, outcome.violations), (7, 3))
        self.assertEqual(outcome.also, {"operations": 56})

    def test_pauses_that_were_made_count(self):
        outcome = suite.read_output(of_name("pauses"), 100, 0, PAUSES)
        self.assertEqual((outcome.amount, outcome.violations), (100, 0))
        self.assertEqual(outcome.also, {"operations": 146655})

    def test_an_exit_code_alone_is_a_violation_too(self):
        text = SIM.replace("3 violations", "0 violations")
        self.assertEqual(suite.read_output(of_name("safety"), 7, 1, text).violations, 1)

    def test_a_program_without_a_result_is_broken(self):
        self.assertTrue(suite.read_output(of_name("safety"), 7, 0, "nothing").broken)
        self.assertTrue(suite.read_output(of_name("topologies"), 7, -11, "").broken)

    def test_what_cannot_run_here_is_skipped(self):
        outcome = suite.read_output(of_name("disks"), 1, 77, "SKIPPED: no right")
        self.assertEqual((outcome.skipped, outcome.broken), ("SKIPPED: no right", ""))


class SuiteTest(unittest.TestCase):
    """Small programs as steps."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = os.path.join(self.folder.name, "ledger.jsonl")
        self.events = os.path.join(self.folder.name, "events")

    def tearDown(self):
        self.folder.cleanup()

    def run_steps(self, *chosen):
        """Runs; returns how many failed and the lines for test.sh."""
        arguments = argparse.Namespace(folder=self.folder.name, bin="bin", ledger=self.ledger,
                                       first_seed=None, events=self.events)
        running = suite.Suite(arguments, "abc")
        with mock.patch("builtins.print"):
            running.run([(step, step.amount) for step in chosen])
        with open(self.events, encoding="utf-8") as lines:
            return running.failed, [line.split()[0] for line in lines]

    def test_each_step_is_reported_and_those_that_ended_are_in_the_ledger(self):
        failed, events = self.run_steps(
            fake("good", "print('done')"), fake("bad", "raise SystemExit(1)"),
            fake("broken", "import os; os.abort()", alone=True),
            fake("skipped", "raise SystemExit(77)", skip_code=77))
        self.assertEqual(failed, 2)
        self.assertEqual(sorted(events), ["failed", "failed", "passed", "skipped"])
        entries = {one["step"]: one["violations"] for one in suite.ledger.read(self.ledger)}
        self.assertEqual(entries, {"good": 0, "bad": 1})

    def test_shards_share_the_amount_and_seeds_go_on_where_the_ledger_ends(self):
        step = fake("shared", "print('first {first} amount {amount}')", shards=3,
                    amounts=r"amount (\d+)")
        for first in (1, 11):
            self.assertEqual(self.run_steps(step), (0, ["passed"]))
            outputs = [os.path.join(self.folder.name, "shared-%d.log" % i) for i in range(3)]
            seen = []
            for path in outputs:
                with open(path, encoding="utf-8") as out:
                    words = out.read().split()
                seen += range(int(words[1]), int(words[1]) + int(words[3]))
            self.assertEqual(seen, list(range(first, first + 10)))
        self.assertEqual(suite.ledger.total(suite.ledger.read(self.ledger), "kills"), 20)

    def test_a_step_that_takes_too_long_is_ended_and_broken(self):
        failed, events = self.run_steps(
            fake("slow", "import signal; signal.pause()", seconds_max=0.2))
        self.assertEqual((failed, events), (1, ["failed"]))
        self.assertFalse(os.path.exists(self.ledger))


class CatalogTest(unittest.TestCase):
    """The steps themselves."""

    def test_names_differ_and_every_measure_is_known_to_the_ledger(self):
        names = [step.name for step in steps.STEPS]
        self.assertEqual(len(names), len(set(names)))
        known = {goal[0] for goal in suite.ledger.GOALS}
        for step in steps.STEPS:
            self.assertLessEqual({step.measure} | {measure for measure, _ in step.also}, known)

    def test_an_amount_of_its_own_goes_before_the_scale(self):
        parser = argparse.ArgumentParser()
        chosen = suite.choose(["pauses", "disks=2"], 0.1, parser)
        self.assertEqual([(step.name, amount) for step, amount in chosen],
                         [("pauses", 10), ("disks", 2)])


if __name__ == "__main__":
    unittest.main()
