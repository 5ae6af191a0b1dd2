#!/usr/bin/python3
"""Claims about what histories say: what counts as stale, lost, without service and live.

Histories are written by hand; instants are small numbers.
"""

import sys
import unittest

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import measure
from measure import Operation, SECOND


def write(called, returned, version, key="k", result=measure.OK, process=1):
    """A write of a unique value."""
    return Operation(process, "set", key, "v%d" % called, called, returned, result, version)


def read(called, returned, version, key="k", process=2):
    """A read that was answered."""
    return Operation(process, "get", key, "-", called, returned, measure.OK, version)


class StaleReadsTest(unittest.TestCase):
    """Which reads are stale."""

    def test_a_read_below_an_acknowledged_write_is_stale(self):
        history = [write(0, 10, 1), write(20, 30, 2), read(40, 50, 1)]
        self.assertEqual(measure.stale_reads(history), [history[2]])

    def test_a_read_that_began_before_the_write_was_acknowledged_is_not_stale(self):
        self.assertEqual(measure.stale_reads(
            [write(0, 10, 1), write(20, 30, 2), read(29, 50, 1)]), [])

    def test_a_read_below_an_earlier_read_is_stale_even_if_no_write_was_acknowledged(self):
        history = [write(0, 10, 1), write(20, None, 0, result="unknown"), read(30, 40, 2),
                   read(50, 60, 1, process=3)]
        self.assertEqual(measure.stale_reads(history), [history[3]])

    def test_a_missing_key_is_stale_after_a_write(self):
        self.assertEqual(len(measure.stale_reads([write(0, 10, 1), read(20, 30, 0)])), 1)

    def test_keys_are_independent(self):
        self.assertEqual(measure.stale_reads([write(0, 10, 5), read(20, 30, 1, key="other")]), [])


class LostKeysTest(unittest.TestCase):
    """What counts as lost."""

    def test_a_final_read_below_an_acknowledged_write_is_a_lost_write(self):
        self.assertEqual(measure.lost_keys([write(0, 10, 2), read(20, 30, 1, process=999)]), ["k"])

    def test_a_write_of_unknown_outcome_may_be_missing(self):
        self.assertEqual(measure.lost_keys([write(0, 10, 1), write(20, None, 0, result="unknown"),
                                            read(30, 40, 1, process=999)]), [])


class TimesTest(unittest.TestCase):
    """Times without success, liveness, leaders."""

    def test_only_long_gaps_count_and_those_at_the_edges_too(self):
        instants = [int(one * SECOND) for one in (0.1, 2.0, 2.4, 6.0)]
        self.assertAlmostEqual(measure.seconds_without(instants, 0, 6 * SECOND), 1.9 + 3.6)
        self.assertAlmostEqual(measure.seconds_without([], 0, 6 * SECOND), 6.0)

    def test_live_needs_an_answer_in_each_of_the_last_windows(self):
        self.assertTrue(measure.live([1, 3 * SECOND, 5 * SECOND], 6 * SECOND, 2))
        self.assertFalse(measure.live([1, 5 * SECOND], 6 * SECOND, 2))

    def test_reads_in_flight_at_a_resume_are_those_that_were_answered_after_it(self):
        history = [read(0, 10, 1), read(5, 30, 1), read(25, 30, 1)]
        self.assertEqual(measure.in_flight(history, 20), 1)

    def test_the_leader_at_an_instant_is_who_began_last_before_it(self):
        leaderships = [(1.0, 0), (5.0, 2)]
        self.assertEqual(measure.leader_at(leaderships, 4.0), 0)
        self.assertEqual(measure.leader_at(leaderships, 6.0), 2)
        self.assertIsNone(measure.leader_at(leaderships, 0.5))
        self.assertEqual(measure.changes_of(leaderships, 2.0, 6.0), 1)
        self.assertEqual(measure.seconds_to_leader(leaderships, 2.0, 6.0), 3.0)
        self.assertIsNone(measure.seconds_to_leader(leaderships, 2.0, 4.0))


if __name__ == "__main__":
    unittest.main()
