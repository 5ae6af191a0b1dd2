#!/usr/bin/python3
"""Tests of summarize.py: what a reader of the last line of test.sh may conclude from it.

Builds the events that bazel writes by hand; does not run bazel.
"""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import summarize  # pylint: disable=wrong-import-position


def test_result(label, status, xml=None, folder=None):
    """The event of one finished test, with a test.xml of that text if given."""
    outputs = []
    if xml is not None:
        path = os.path.join(folder, "test.xml")
        with open(path, "w", encoding="utf-8") as xml_file:
            xml_file.write(xml)
        outputs = [{"name": "test.xml", "uri": "file://" + path}]
    return {"id": {"testResult": {"label": label}},
            "testResult": {"status": status, "testActionOutput": outputs}}


class SummarizeTest(unittest.TestCase):
    """Each case feeds the events of one run."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.tally = summarize.Tally()

    def test_counts_cases_not_targets(self):
        xml = ("<testsuites><testsuite><testcase name='a'/><testcase name='b'/>"
               "<testcase name='c' status='notrun'/></testsuite></testsuites>")
        event = test_result("//x:x_test", "PASSED", xml, self.folder)
        summarize.summarize_run(self.tally, [event], 0)
        self.assertEqual((self.tally.passed, self.tally.failures), (2, []))

    def test_a_skipped_case_is_counted_as_such_and_its_target_is_not_a_pass(self):
        xml = ("<testsuites><testsuite><testcase name='a' classname='T'>"
               "<skipped message='no right'/></testcase></testsuite></testsuites>")
        event = test_result("//x:x_test", "PASSED", xml, self.folder)
        summarize.summarize_run(self.tally, [event], 0)
        self.assertEqual((self.tally.passed, self.tally.failures), (0, []))
        self.assertEqual(self.tally.skipped, ["//x:x_test T.a: no right"])

    def test_names_each_failed_case(self):
        xml = ("<testsuites><testsuite><testcase name='a' classname='T'><failure/></testcase>"
               "<testcase name='b' classname='T'/></testsuite></testsuites>")
        event = test_result("//x:x_test", "FAILED", xml, self.folder)
        summarize.summarize_run(self.tally, [event], 3)
        self.assertEqual((self.tally.passed, self.tally.failures), (1, ["//x:x_test T.a"]))

    def test_steps_of_the_long_suite_count_as_a_case_each(self):
        summarize.add_steps(self.tally, ["passed long suite, a\n", "failed long suite, b: 2 lost\n",
                                         "skipped long suite, c: no right\n", "\n"])
        self.assertEqual((self.tally.passed, self.tally.failures, self.tally.skipped),
                         (1, ["long suite, b: 2 lost"], ["long suite, c: no right"]))

    def test_a_timeout_without_xml_is_one_failure(self):
        summarize.summarize_run(self.tally, [test_result("//x:x_test", "TIMEOUT")], 3)
        self.assertEqual(self.tally.failures, ["//x:x_test (timeout)"])

    def test_a_target_that_does_not_build_is_one_failure(self):
        events = [{"id": {"targetCompleted": {"label": "//x:x"}}, "aborted": {}},
                  {"id": {"targetCompleted": {"label": "//x:y"}}, "completed": {"success": True}}]
        summarize.summarize_run(self.tally, events, 1)
        self.assertEqual(self.tally.failures, ["//x:x (does not build)"])

    def test_a_failed_bazel_without_events_is_one_failure(self):
        summarize.summarize_run(self.tally, [], 37)
        self.assertEqual(self.tally.failures, ["bazel (exit code 37)"])

    def test_exit_code_is_not_zero_when_nothing_ran(self):
        self.assertEqual(summarize.main(self.folder), 1)

    def test_exit_code_is_zero_only_without_failures(self):
        with open(os.path.join(self.folder, "a.status"), "w", encoding="utf-8") as status:
            status.write("0")
        with open(os.path.join(self.folder, "a.json"), "w", encoding="utf-8") as events:
            events.write('{"id": {"testResult": {"label": "//x:x"}},'
                         ' "testResult": {"status": "PASSED"}}\n')
        self.assertEqual(summarize.main(self.folder), 0)
        with open(os.path.join(self.folder, "b.status"), "w", encoding="utf-8") as status:
            status.write("1")
        self.assertEqual(summarize.main(self.folder), 1)


if __name__ == "__main__":
    unittest.main()
