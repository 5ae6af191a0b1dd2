#!/usr/bin/python3
"""Bazel lets a layer depend on exactly what the table in tests/tidy/layers.py lets it include.

Compares answers of Bazel's own visibility query, made while this test is built; one target stands
for each layer. It proves that the package groups work, not that every target uses the right one.
"""

import os
import sys
import unittest

sys.dont_write_bytecode = True
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "tidy"))
import layers  # pylint: disable=wrong-import-position

SYSTEM = ("grpc", "protobuf", "rocksdb")
# Layers that have no target yet which their users could depend on.
EMPTY = ()


def read_lines(name):
    """The lines of a file that the build made for this test."""
    with open(os.path.join("tests", "layers", name), encoding="utf-8") as lines:
        return lines.read().splitlines()


class LayersTest(unittest.TestCase):
    """One case for each way in which the two could differ."""

    def setUp(self):
        self.layer_of = {}
        for line in read_lines("representatives.txt"):
            layer, target = line.split()
            self.layer_of[target if ":" in target else target + ":" + target.split("/")[-1]] = layer

    def visible(self, layer):
        """The layers and system libraries that targets of `layer` may depend on."""
        lines = read_lines("visible_" + layer.replace("/", "_"))
        return set(self.layer_of[line] for line in lines) - {layer}

    def test_every_layer_of_the_table_is_represented(self):
        folders = set(layer.folder for layer in layers.LAYERS) - {"third_party"}
        folders -= set(EMPTY)
        self.assertEqual(set(self.layer_of.values()) - set(SYSTEM), folders)

    def test_visibility_is_the_table(self):
        for layer in layers.LAYERS:
            if layer.folder in ("third_party",) + EMPTY:
                continue
            allowed = set(layer.may_include + layer.system) - {layer.folder} - set(EMPTY)
            if layer.folder == "kv":
                allowed.add("rocksdb")  # Only its engine files; tidy looks at those.
            self.assertEqual(self.visible(layer.folder), allowed, layer.folder)


if __name__ == "__main__":
    unittest.main()
