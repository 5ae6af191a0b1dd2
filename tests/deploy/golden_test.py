#!/usr/bin/python3
"""Compares the rendering of deploy/base with the one that was reviewed and committed.

After a change that is meant: `tests/deploy/golden_test.py --update`, then read the difference.
"""

import difflib
import os
import sys
import unittest

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import manifests

_HERE = os.path.dirname(os.path.realpath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_HERE))
_BASE = "deploy/base"
_GOLDEN = "tests/deploy/base.golden.yaml"
_HEAD = ("# What `kubectl kustomize deploy/base` renders, sorted by kind, name and field.\n"
         "# Written by: tests/deploy/golden_test.py --update\n")


class GoldenTest(unittest.TestCase):
    """The reviewed rendering and the tree."""

    maxDiff = None

    def test_base_renders_what_was_reviewed(self):
        rendered = _HEAD + manifests.canonical_text(manifests.render(_BASE))
        with open(_GOLDEN, encoding="utf-8") as golden:
            reviewed = golden.read()
        difference = "".join(difflib.unified_diff(
            reviewed.splitlines(True), rendered.splitlines(True), _GOLDEN, _BASE + " rendered"))
        self.assertEqual(difference, "", "if it is meant: tests/deploy/golden_test.py --update")

    def test_every_file_of_the_base_is_rendered_from(self):
        with open(os.path.join(_BASE, "kustomization.yaml"), encoding="utf-8") as opened:
            listed = opened.read()
        for name in os.listdir(os.path.join(_ROOT, _BASE)):
            if name != "kustomization.yaml":
                self.assertIn("- %s\n" % name, listed)
                self.assertTrue(os.path.exists(os.path.join(_BASE, name)),
                                "%s is not in the data of this test" % name)


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        os.chdir(_ROOT)
        with open(_GOLDEN, "w", encoding="utf-8") as output:
            output.write(_HEAD + manifests.canonical_text(manifests.render(_BASE)))
    else:
        unittest.main()
