"""Counts the test cases of the bazel runs that test.sh made and prints "N passed, N failed",
and ", N skipped" where a test said that it could not run here.

Reads, from the folder given as the only argument, pairs of files: NAME.json (bazel's build events)
and NAME.status (bazel's exit code); and NAME.steps, whose lines begin with `passed`, `failed` or
`skipped` and count as a case each. Not responsible for running anything. Single-threaded.

Invariant: the exit code is 0 if and only if every bazel run succeeded and no case failed; a failure
that has no test case of its own (a target that does not build, a crash, a timeout) counts as one.
"""

import glob
import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree


class Tally:
    """What happened: counts of cases, and a line for each failure and each skipped case."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skipped = []


def local_path(uri):
    """The path behind a file: URI of a build event, or None for another scheme."""
    parts = urllib.parse.urlparse(uri)
    return urllib.parse.unquote(parts.path) if parts.scheme == "file" else None


def count_cases(xml_path):
    """(Passed cases, names of failed, names and reasons of skipped cases) of a test.xml.

    Disabled cases are none of these.
    """
    passed, failed, skipped = 0, [], []
    for case in xml.etree.ElementTree.parse(xml_path).iter("testcase"):
        name = "%s.%s" % (case.get("classname", ""), case.get("name", ""))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name.strip("."))
        elif case.find("skipped") is not None:
            reason = case.find("skipped").get("message", "").strip().replace("\n", " ")
            skipped.append("%s: %s" % (name.strip("."), reason))
        elif case.get("status", "run") == "run":
            passed += 1
    return passed, failed, skipped


def add_test_result(tally, label, result):
    """Adds one attempt of one shard of a test to the tally."""
    xml_path = None
    for output in result.get("testActionOutput", []):
        if output.get("name") == "test.xml":
            xml_path = local_path(output.get("uri", ""))
    passed, failed, skipped = 0, [], []
    if xml_path and os.path.exists(xml_path):
        try:
            passed, failed, skipped = count_cases(xml_path)
        except xml.etree.ElementTree.ParseError:
            failed = ["(unreadable test.xml)"]
    succeeded = result.get("status") in ("PASSED", "FLAKY")
    tally.passed += max(passed, 1) if succeeded and not failed and not skipped else passed
    tally.skipped += ["%s %s" % (label, text) for text in skipped]
    if not succeeded and not failed:
        failed = ["(%s)" % result.get("status", "no status").lower()]
    tally.failures += ["%s %s" % (label, name) for name in failed]


def summarize_run(tally, events, status):
    """Adds one bazel run (an iterable of build events and bazel's exit code) to the tally."""
    failures_before = len(tally.failures)
    for event in events:
        identity = event.get("id", {})
        if "testResult" in identity and "testResult" in event:
            add_test_result(tally, identity["testResult"]["label"], event["testResult"])
        elif "targetCompleted" in identity:
            # An aborted target has no `completed` payload at all.
            if not event.get("completed", {}).get("success", False):
                label = identity["targetCompleted"]["label"]
                tally.failures.append("%s (does not build)" % label)
    if status != 0 and len(tally.failures) == failures_before:
        tally.failures.append("bazel (exit code %d)" % status)


def add_steps(tally, lines):
    """Adds cases that were not bazel's: lines of an outcome and a text."""
    for line in lines:
        outcome, _, text = line.strip().partition(" ")
        if outcome == "passed":
            tally.passed += 1
        elif outcome == "skipped":
            tally.skipped.append(text)
        elif outcome:
            tally.failures.append(text or outcome)


def read_events(path):
    """Yields the build events of a file of JSON lines."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def main(folder):
    tally = Tally()
    for status_path in sorted(glob.glob(os.path.join(folder, "*.status"))):
        with open(status_path, encoding="utf-8") as status_file:
            status = int(status_file.read())
        events_path = status_path[: -len(".status")] + ".json"
        events = read_events(events_path) if os.path.exists(events_path) else []
        summarize_run(tally, events, status)
    for steps_path in sorted(glob.glob(os.path.join(folder, "*.steps"))):
        with open(steps_path, encoding="utf-8") as lines:
            add_steps(tally, lines)
    for failure in tally.failures:
        print("FAILED: " + failure)
    for skipped in tally.skipped:
        print("SKIPPED: " + skipped)
    print("%d passed, %d failed" % (tally.passed, len(tally.failures)) +
          (", %d skipped" % len(tally.skipped) if tally.skipped else ""))
    return 1 if tally.failures or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
