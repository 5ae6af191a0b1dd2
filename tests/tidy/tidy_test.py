#!/usr/bin/python3
"""Tests of tidy's rules: each one flags its bad examples at the right line and lets good ones pass.

Examples are texts in memory; only the formatter's test writes a file, in a folder of its own.
"""

import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import cpp_text
import determinism
import formatting
import layers
import shape
import tidy
from source_file import SourceFile

HEAD = "// What it is.\n// What it is not responsible for.\n// Thread-compatible.\n\n"


def lines_of(findings):
    """Where the findings are, as (line, rule)."""
    return [(finding.line, finding.rule) for finding in findings]


class FunctionsTest(unittest.TestCase):
    """What cpp_text takes for a function, and how long it says it is."""

    def found(self, text):
        return [(f.name, f.last_line - f.first_line + 1) for f in cpp_text.functions(text)]

    def test_finds_free_functions_methods_and_tests(self):
        text = ("namespace a {\nint F(int x) {\n  return x;\n}\nclass B : public C {\n public:\n"
                "  int G() const override { return 1; }\n};\nTEST(Name, Claim) {\n  F(1);\n}\n}\n")
        self.assertEqual(self.found(text), [("F", 3), ("G", 1), ("Name.Claim", 3)])

    def test_counts_from_the_declaration_to_the_closing_brace(self):
        self.assertEqual(self.found("\n\ntemplate <class T>\nstd::vector<T> F(T a,\n      T b) {\n"
                                    "  if (a) {\n  }\n}\n"), [("F", 6)])

    def test_a_brace_in_an_initializer_list_is_not_the_body(self):
        self.assertEqual(self.found("A::A(int x)\n    : x_{x},\n      y_(x) {\n  F();\n}\n"),
                         [("A::A", 5)])

    def test_braces_in_comments_strings_characters_and_macros_do_not_count(self):
        text = ("#define M(x) {\nint F() {  // }\n  G(\"}\", '}', 1'000);\n  /* } */\n"
                "  H(R\"(}\"})\");\n}\n")
        self.assertEqual(self.found(text), [("F", 5)])

    def test_types_and_tables_are_no_functions(self):
        text = ("enum class E : int { kA };\nstruct alignas(64) S {\n  int x = 1;\n};\n"
                "constexpr int kTable[] = {\n  1,\n};\nS s{1};\n")
        self.assertEqual(self.found(text), [])


class ShapeTest(unittest.TestCase):
    """Sizes, columns, guards, heads, names, words, links."""

    def test_flags_each_kind_of_file_beyond_its_own_limit(self):
        for path, limit in (("kv/a.h", 400), ("kv/a.cc", 800), ("kv/a_test.cc", 1000),
                            ("tests/a.cc", 1000), ("STYLE.md", 150), ("a.py", 800)):
            self.assertEqual(shape.check_file_size(SourceFile(path, "x\n" * limit)), [])
            findings = shape.check_file_size(SourceFile(path, "x\n" * (limit + 1)))
            self.assertEqual(lines_of(findings), [(limit + 1, "size")], path)
            self.assertIn("%d lines, limit %d" % (limit + 1, limit), findings[0].message)

    def test_flags_a_file_of_more_than_a_mebibyte(self):
        self.assertEqual(shape.check_file_size(SourceFile("a.bin", "", 1 << 20)), [])
        findings = shape.check_file_size(SourceFile("a.bin", "", (1 << 20) + 1))
        self.assertEqual(lines_of(findings), [(0, "size")])

    def test_flags_a_function_beyond_seventy_lines(self):
        good = "int F() {\n" + "  G();\n" * 68 + "}\n"
        self.assertEqual(shape.check_function_length(SourceFile("kv/a.cc", good)), [])
        bad = SourceFile("kv/a.cc", "\n" + good.replace("}\n", "  G();\n}\n"))
        findings = shape.check_function_length(bad)
        self.assertEqual(lines_of(findings), [(2, "function")])
        self.assertEqual(findings[0].message, "F has 71 lines, limit 70")

    def test_flags_a_python_function_beyond_seventy_lines(self):
        bad = SourceFile("a.py", "def f():\n" + "    g()\n" * 70)
        self.assertEqual(lines_of(shape.check_function_length(bad)), [(1, "function")])

    def test_flags_columns_but_not_of_an_address(self):
        text = "x" * 100 + "\n" + "x" * 101 + "\n// https://" + "x" * 101 + "\n"
        findings = shape.check_columns(SourceFile("kv/a.cc", text))
        self.assertEqual(lines_of(findings), [(2, "columns")])

    def test_flags_blanks_tabs_and_a_missing_newline(self):
        findings = shape.check_text(SourceFile("kv/a.cc", "a \n\tb\nc"))
        self.assertEqual([line for line, _ in lines_of(findings)], [1, 2, 3])

    def test_wants_the_guard_that_the_path_gives(self):
        good = HEAD + "#ifndef RASPUTIN_KV_TURN_H_\n#define RASPUTIN_KV_TURN_H_\n#endif\n"
        self.assertEqual(shape.check_include_guard(SourceFile("kv/turn.h", good)), [])
        for text in (good.replace("KV", "RANGE"), "#pragma once\n"):
            findings = shape.check_include_guard(SourceFile("kv/turn.h", text))
            self.assertIn("RASPUTIN_KV_TURN_H_", findings[0].message)

    def test_wants_a_head_of_three_to_twelve_lines(self):
        for count, wanted in ((0, 1), (2, 1), (3, 0), (12, 0), (13, 1)):
            text = "// Line.\n" * count + "\nint x;\n"
            self.assertEqual(len(shape.check_head(SourceFile("kv/a.cc", text))), wanted, count)

    def test_wants_one_line_of_head_of_tests_and_of_sources_with_a_header(self):
        for path, has_header in (("kv/a_test.cc", False), ("tests/a.cc", False), ("kv/a.cc", True)):
            for text, wanted in (("int x;\n", 1), ("// Line.\nint x;\n", 0)):
                findings = shape.check_head(SourceFile(path, text), has_header)
                self.assertEqual(len(findings), wanted, (path, text))

    def test_wants_a_head_in_scripts(self):
        for path, bad, good in (("a.py", "x = 1\n", '"""Says."""\n'),
                                ("a.sh", "#!/bin/bash\nls\n", "#!/bin/bash\n# Says.\n"),
                                ("a.bzl", "x = 1\n", '"""Says."""\n')):
            self.assertEqual(lines_of(shape.check_head(SourceFile(path, bad))), [(1, "head")])
            self.assertEqual(shape.check_head(SourceFile(path, good)), [])

    def test_flags_promises_banners_and_machine_paths(self):
        for text, rule in (("// TODO: later", "later"), ("// FIXME", "later"),
                           ("// ---- Part --------", "banner"), ("// ==========", "banner"),
                           ('Open("/home/me/x")', "machine path"),
                           ("cd /root/x", "machine path")):
            findings = shape.check_words(SourceFile("kv/a.cc", "int x;\n" + text + "\n"))
            self.assertEqual(lines_of(findings), [(2, rule)], text)
        for text in ("x - 1;  // a - b", "kTODOS", '"https://a/root/b"', "$HOME/work/x", "--x"):
            self.assertEqual(shape.check_words(SourceFile("kv/a.cc", text + "\n")), [], text)

    def test_flags_names_that_say_nothing(self):
        for path in ("kv/util/a.cc", "kv/string_util.h", "common/a.cc", "kv/misc.cc"):
            self.assertEqual(lines_of(shape.check_names(SourceFile(path, ""))), [(0, "name")], path)
        for path in ("kv/commonality.cc", "kv/turn.cc", "kv/utilization.cc"):
            self.assertEqual(shape.check_names(SourceFile(path, "")), [])

    def test_flags_links_that_lead_nowhere(self):
        text = "[a](../kv/README.md#x) [b](https://x) [c](gone.md)\n```\n[d](gone.md)\n```\n"
        findings = shape.check_links(SourceFile("range/README.md", text), {"kv/README.md"})
        self.assertEqual([finding.message for finding in findings], ["'gone.md' leads nowhere"])


class LayersTest(unittest.TestCase):
    """The table, by #include and by label, and the package groups that repeat it."""

    def test_flags_includes_against_the_table(self):
        for path, header in (("consensus/core/a.cc", '"kv/turn.h"'),
                             ("consensus/core/a.cc", '"consensus/log/shared_log.h"'),
                             ("consensus/lease/a.h", '"rasputin/kv/v1/kv.pb.h"'),
                             ("consensus/log/a.cc", '"rasputin/peer/v1/peer.pb.h"'),
                             ("kv/a.cc", '"consensus/core/types.h"'),
                             ("kv/a.cc", '"range/store.h"'),
                             ("range/a.cc", '"server/flags.h"'),
                             ("range/a.cc", "<grpcpp/grpcpp.h>"),
                             ("range/a.cc", '"rasputin/kv/v1/kv.grpc.pb.h"'),
                             ("range/a.cc", "<rocksdb/db.h>"), ("kv/turn.cc", "<rocksdb/db.h>"),
                             ("server/a.cc", '"client/client.h"'), ("server/a.cc", '"tests/sim.h"'),
                             ("client/a.cc", '"range/store.h"'),
                             ("client/route/a.cc", '"client/client.h"'),
                             ("client/route/a.cc", "<grpcpp/channel.h>"),
                             ("consensus/core/a.cc", "<google/protobuf/message.h>")):
            source = SourceFile(path, "\n#include %s\n" % header)
            self.assertEqual(lines_of(layers.check_includes(source)), [(2, "layer")],
                             (path, header))

    def test_allows_includes_of_the_table(self):
        for path, header in (("consensus/core/a.cc", '"consensus/lease/b.h"'),
                             ("consensus/core/a.cc", '"absl/status/status.h"'),
                             ("consensus/wire/a.cc", '"rasputin/peer/v1/peer.pb.h"'),
                             ("kv/a.cc", '"rasputin/kv/v1/kv.pb.h"'),
                             ("kv/rocks_engine.cc", "<rocksdb/db.h>"),
                             ("range/a.cc", '"consensus/log/shared_log.h"'),
                             ("server/a.cc", '"client/route/cache.h"'),
                             ("server/a.cc", '"google/rpc/status.pb.h"'),
                             ("client/a.cc", "<grpcpp/grpcpp.h>"),
                             ("tests/sim/a.cc", '"server/flags.h"')):
            source = SourceFile(path, "// #include \"tests/x.h\"\n#include %s\n" % header)
            self.assertEqual(layers.check_includes(source), [], (path, header))

    def test_flags_code_outside_of_every_layer(self):
        findings = layers.check_includes(SourceFile("new/a.cc", ""))
        self.assertEqual(lines_of(findings), [(0, "layer")])

    def test_flags_labels_against_the_table(self):
        for package, label in (("kv", "//consensus/core:types"), ("consensus/core", "@protobuf"),
                               ("range", "@grpc//:grpc++"), ("server", "//client:client"),
                               ("server", "//tests/sim:disk"), ("kv", "//visibility:public"),
                               ("client", "@rocksdb//:rocksdb")):
            source = SourceFile(package + "/BUILD.bazel", '\n    deps = ["%s"],\n' % label)
            self.assertEqual([line for line, _ in lines_of(layers.check_build_file(source))], [2],
                             (package, label))

    def test_allows_labels_of_the_table(self):
        for package, label in (("kv", "@rocksdb"), ("kv", "//third_party/proto:defs.bzl"),
                               ("kv", "//:kv_users"), ("kv", "//tests:__subpackages__"),
                               ("tests/sim", "//server:flags"), ("server", "@grpc//:grpc++")):
            source = SourceFile(package + "/BUILD.bazel", '    deps = ["%s"],\n' % label)
            self.assertEqual(layers.check_build_file(source), [], (package, label))

    def test_flags_a_package_group_that_contradicts_the_table(self):
        text = ('package_group(\n    name = "kv_users",\n    packages = [\n        "//kv/...",\n'
                '        "//range/...",\n        "//server/...",\n        "//tests/...",\n'
                '%s    ],\n)\n')
        messages = lambda extra: [
            finding.message
            for finding in layers.check_package_groups(SourceFile("BUILD.bazel", text % extra))
            if "kv_users" in finding.message]
        self.assertEqual(messages(""), [])
        self.assertEqual(messages('        "//client/...",\n'),
                         ["package group 'kv_users' and the table disagree about 'client/route'",
                          "package group 'kv_users' and the table disagree about 'client'"])


    def test_every_layer_but_api_has_a_package_group_of_its_users(self):
        # consensus/lease and consensus/wire share the groups of their neighbours.
        named = set(layers.GROUPS.values()) | {"consensus/lease", "consensus/wire", "third_party"}
        self.assertEqual(named, set(layer.folder for layer in layers.LAYERS))


class DeterminismTest(unittest.TestCase):
    """What code of the pure layers may call."""

    def test_flags_impure_code_in_pure_layers_only(self):
        for text in ("auto t = std::chrono::steady_clock::now();", "absl::Now();",
                     "clock_gettime(CLOCK_BOOTTIME, &t);", "time(nullptr);", "#include <thread>",
                     "std::mutex m;", "#include <random>", "std::random_device d;", "rand();",
                     "LOG(INFO) << 1;", "std::cerr << 1;", 'printf("x");', 'getenv("X");'):
            for folder in ("consensus/core", "consensus/lease", "kv", "range"):
                source = SourceFile(folder + "/a.cc", "\n" + text + "\n")
                self.assertEqual(lines_of(determinism.check_purity(source)), [(2, "determinism")],
                                 text)
            for path in ("server/a.cc", "kv/a_test.cc", "consensus/log/a.cc"):
                self.assertEqual(determinism.check_purity(SourceFile(path, text)), [], path)

    def test_allows_pure_code_that_looks_similar(self):
        for text in ("CHECK(x);", "Tick(now);", "// absl::Now() is not called", '"rand()"',
                     "sprintf_like(x);", "operand(x);", "core.time();", "DialogLOG(x);",
                     "LOG(FATAL) << 1;"):
            self.assertEqual(determinism.check_purity(SourceFile("kv/a.cc", text)), [], text)

    def test_flags_a_loop_over_a_hash_table(self):
        header = "class A {\n  absl::flat_hash_map<int, std::vector<int>> replicas_;\n};\n"
        loop = "for (const auto& [id, replica] : %s) {\n"
        bad = SourceFile("range/a.cc", "\n" + loop % "replicas_")
        self.assertEqual(lines_of(determinism.check_hash_order(bad, header)), [(2, "determinism")])
        bad = SourceFile("range/a.cc", "std::unordered_set<int> ids;\n" + loop % "ids")
        self.assertEqual(lines_of(determinism.check_hash_order(bad)), [(2, "determinism")])
        for good in ("std::map<int, int> ids;\n" + loop % "ids",
                     "std::unordered_set<int> ids;\n// A sum: any order.\n" + loop % "ids"):
            self.assertEqual(determinism.check_hash_order(SourceFile("range/a.cc", good)), [])

    def test_flags_exceptions_uninstrumented_mutexes_and_detached_threads(self):
        for text, rule in (("throw 1;", "exception"), ("try {", "exception"),
                           ("absl::ReaderMutexLock l(&m);", "mutex"), ("absl::Mutex m;", "mutex"),
                           ('#include "absl/synchronization/mutex.h"', "mutex"),
                           ("std::thread(f).detach();", "process")):
            findings = determinism.check_banned_calls(SourceFile("server/a.cc", text))
            self.assertEqual([rule], [finding.rule for finding in findings], text)

    def test_lets_only_mains_turn_deadlock_detection_off(self):
        text = ('#include "absl/synchronization/mutex.h"\n'
                "absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);\n")
        for path, rules in (("server/main.cc", []), ("client/main.cc", []),
                            ("server/a.cc", ["mutex", "mutex"])):
            findings = determinism.check_banned_calls(SourceFile(path, text))
            self.assertEqual(rules, [finding.rule for finding in findings], path)
        findings = determinism.check_banned_calls(SourceFile("server/main.cc", "absl::Mutex m;"))
        self.assertEqual(["mutex"], [finding.rule for finding in findings])


class TidyTest(unittest.TestCase):
    """The rules together."""

    def test_formatter_flags_what_it_would_change(self):
        folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        with open(os.path.join(folder, ".clang-format"), "w", encoding="utf-8") as config:
            config.write("BasedOnStyle: Google\n")
        sources = []
        for name, text in (("bad.cc", "\nint  F( ) {return 1;}\n"), ("good.cc", "int x = 1;\n")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as code:
                code.write(text)
            sources.append(SourceFile(name, text))
        findings = formatting.check_formatting(folder, sources)
        self.assertEqual([(finding.path, finding.line) for finding in findings], [("bad.cc", 2)])

    def test_a_good_pair_of_files_has_no_findings(self):
        header = SourceFile("kv/turn.h", HEAD + "#ifndef RASPUTIN_KV_TURN_H_\n"
                            "#define RASPUTIN_KV_TURN_H_\n\nint F();\n\n#endif\n")
        source = SourceFile("kv/turn.cc", HEAD + '#include "kv/turn.h"\n\nint F() { return 1; }\n')
        self.assertEqual(tidy.check([header, source]), [])

    def test_a_source_belongs_to_the_header_whose_name_it_extends(self):
        paths = {"range/store.h", "range/store_turn.cc", "kv/store.h"}
        self.assertTrue(tidy.has_header("range/store.cc", paths))
        self.assertTrue(tidy.has_header("range/store_turn.cc", paths))
        self.assertFalse(tidy.has_header("range/storehouse.cc", paths))
        self.assertFalse(tidy.has_header("server/store_turn.cc", paths))

    def test_every_rule_is_applied(self):
        bad = SourceFile("kv/util.cc", "#include \"range/store.h\"\nthrow absl::Now(); // TODO\t")
        rules = {finding.rule for finding in tidy.check([bad])}
        self.assertEqual(rules, {"head", "layer", "exception", "determinism", "later", "name",
                                 "blanks"})


if __name__ == "__main__":
    unittest.main()
