#!/usr/bin/python3
"""Three cuts between real servers in network namespaces, and what must hold whatever the speed.

Safety (no stale read, no acknowledged write lost, a linearizable history), progress of the clients
that can be served, and no change of a leader that keeps a majority. No time is judged. Without the
right to make network namespaces every case is reported as skipped.
"""

import os
import sys
import unittest
import xml.sax.saxutils

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import network
import partition
import scenarios
import stage
from network import both
from scenarios import A, B, C, Scenario

FOLDER = os.path.join(os.path.abspath(os.environ.get("TEST_TMPDIR", "_rasputin_partition")), "p")
PATIENCE_SECONDS = 60
# Longer than by default: a busy machine must not cost a leader its lease.
LEASE_MS = 5000


def cut(pairs, served):
    """A fault that lasts until the clients of `served` have gone on."""

    def fault(cluster):
        cluster.cut(packets=both(pairs))
        # More than what was under way when the links went.
        if cluster.await_progress(served, 50, PATIENCE_SECONDS) is None:
            cluster.note("clients of %s made no progress: %s" % (list(served),
                                                               cluster.load.progress))
    return fault


class PartitionTest(unittest.TestCase):
    """One cluster for each case."""

    def check(self, name, nodes, pairs, served, changes_max=None):
        """Runs one cut; leaders are counted only if `changes_max` is given."""
        scenario = Scenario(name, "", cut(pairs, served), nodes=nodes)
        run = stage.Stage(scenario, "rasputin", FOLDER, partition.programs("."), lease_ms=LEASE_MS)
        result = run.run()
        self.assertEqual(result.notes, [])
        self.assertEqual(result.stale, 0)
        self.assertEqual(result.lost, [])
        self.assertEqual(result.unanswered, 0)
        self.assertEqual(result.verdicts["linearizable"], "ok")
        self.assertEqual(result.verdicts["versions"], "ok")
        self.assertIsNotNone(result.recovery)
        if changes_max is not None:
            self.assertLessEqual(result.changes + result.changes_after, changes_max)

    def test_a_cut_to_one_follower_changes_no_leader_and_its_clients_are_relayed(self):
        self.check("leader-follower", 3, {(A, B)}, range(3), changes_max=0)

    def test_another_leads_where_only_one_reaches_all(self):
        self.check("quorum-loss", 5, scenarios.star(C, 5), range(5))

    def test_the_others_go_on_without_an_isolated_leader(self):
        self.check("isolation", 3, scenarios.alone(A, 3), (B, C))


def report_skipped(reason):
    """Tells bazel's reader of results that no case was run, and why."""
    path = os.environ.get("XML_OUTPUT_FILE")
    if path is None:
        return
    cases = "".join(
        "<testcase name=%s classname=\"PartitionTest\"><skipped message=%s/></testcase>" %
        (xml.sax.saxutils.quoteattr(name), xml.sax.saxutils.quoteattr(reason))
        for name in unittest.defaultTestLoader.getTestCaseNames(PartitionTest))
    with open(path, "w", encoding="utf-8") as out:
        out.write("<testsuites><testsuite name=\"partition_test\">%s</testsuite></testsuites>" %
                  cases)


if __name__ == "__main__":
    try:
        partition.prepare(FOLDER)
    except network.NoRight as error:
        print("SKIPPED: %s" % error)
        report_skipped(str(error))
        sys.exit(0)
    unittest.main(verbosity=2)
