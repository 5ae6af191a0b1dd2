#!/usr/bin/python3
"""The ledger's own file is well formed, sums are right, and malformed lines are named."""

import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import ledger


class LedgerTest(unittest.TestCase):
    """All on small files."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "ledger.jsonl")

    def tearDown(self):
        self.folder.cleanup()

    def add(self, measure, amount, violations=0):
        ledger.append(self.path, ledger.entry("abc", "step", measure, amount, violations, 1.5))

    def test_the_ledger_of_this_tree_is_well_formed(self):
        entries = ledger.read(ledger.DEFAULT)
        self.assertTrue(all(one["commit"] for one in entries))

    def test_amounts_add_up_and_the_best_run_counts_for_mutants(self):
        for amount in (20_000, 5_000):
            self.add("safety-seeds", amount)
        for amount in (40, 30):
            self.add("mutants", amount, violations=1)
        text = ledger.table(ledger.read(self.path))
        self.assertIn("| 2 | 25,000 | 1,000,000 | 2.50% | 0 |", text)
        self.assertIn("| 2 | 40 | 150 | 26.67% | 2 |", text)
        self.assertEqual(ledger.total(ledger.read(self.path), "safety-seeds"), 25_000)

    def test_a_malformed_line_is_named(self):
        self.add("kills", 3)
        good = ledger.entry("abc", "step", "kills", 3, 0, 1)
        for bad in ({"amount": "3"}, {"amount": -1}, {"measure": "luck"}, {"more": 1}):
            with open(self.path, "w", encoding="utf-8") as out:
                out.write(json.dumps(good) + "\n" + json.dumps(dict(good, **bad)) + "\n")
            with self.assertRaisesRegex(ValueError, "ledger.jsonl:2 "):
                ledger.read(self.path)


if __name__ == "__main__":
    unittest.main()
