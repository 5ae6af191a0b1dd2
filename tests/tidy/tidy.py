#!/usr/bin/python3
"""Checks the source tree against what STYLE.md and ARCHITECTURE.md say and a test can measure.

Usage: tests/tidy/tidy.py [--fix] [PATH_PREFIX...], from anywhere; without prefixes, everything.
Prints one line for each finding, `path:line: [rule] message`, and exits with 1 if there was any;
--fix lets clang-format rewrite C++ first. The rules are in shape.py, layers.py, determinism.py and
formatting.py; this file only applies them.

Under `bazel test` it checks the real tree, not a copy: it finds itself through its symbolic link.
"""

import os
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import determinism
import formatting
import layers
import shape
import source_file

_RULES = (
    shape.check_file_size,
    shape.check_function_length,
    shape.check_columns,
    shape.check_text,
    shape.check_include_guard,
    shape.check_words,
    shape.check_names,
    layers.check_includes,
    layers.check_build_file,
    layers.check_package_groups,
    determinism.check_purity,
    determinism.check_banned_calls,
)


def has_header(path, paths):
    """Whether a source is part of what a header of its folder declares: store_turn.cc, store.h."""
    stem = os.path.splitext(path)[0]
    while "_" in os.path.basename(stem) and stem + ".h" not in paths:
        stem = stem.rsplit("_", 1)[0]
    return stem + ".h" in paths


def check(sources):
    """The findings of every rule that needs no tool and no file system."""
    texts = {source.path: source.text for source in sources}
    existing = set(texts)
    for path in texts:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            existing.add(path)
    findings = []
    for source in sources:
        for rule in _RULES:
            findings += rule(source)
        findings += shape.check_links(source, existing)
        header = source.path[:-len(".cc")] + ".h" if source.path.endswith(".cc") else ""
        findings += shape.check_head(source, has_header(source.path, texts))
        findings += determinism.check_hash_order(source, texts.get(header, ""))
    return findings


def main(arguments):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    prefixes = tuple(argument for argument in arguments if argument != "--fix")
    if "--fix" in arguments:
        formatting.fix_formatting(root, [source for source in source_file.read_tree(root)
                                         if source.path.startswith(prefixes or "")])
    sources = source_file.read_tree(root)
    findings = check(sources) + formatting.check_formatting(root, sources)
    if prefixes:
        findings = [finding for finding in findings if finding.path.startswith(prefixes)]
    for finding in sorted(findings):
        print("%s:%d: [%s] %s" % finding)
    print("tidy: %d files, %d findings" % (len(sources), len(findings)))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
