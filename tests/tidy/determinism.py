"""Rules about what code may call: determinism of the pure layers, exceptions, mutexes.

Everything below gRPC and the operating system is a function of its inputs (ARCHITECTURE.md), so
that the simulator runs what ships. Text search, no proof: it finds what is written by accident.
Pure functions.
"""

import re

import cpp_text

_PURE_FOLDERS = ("consensus/core/", "consensus/lease/", "kv/", "range/")

_IMPURE = (
    ("clock", re.compile(
        r"_clock::now\b|\babsl::Now\b|\bGetCurrentTimeNanos\b|\b(clock_gettime|gettimeofday)\b"
        r"|(?<![\w.>:])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0|&)|<ctime>|<time\.h>"
        r"|absl/time/clock\.h"
        r"|(?:system|steady|high_resolution)_clock")),
    ("thread", re.compile(
        r"\bstd::(?:this_thread|thread|jthread|async|(?:shared_)?mutex|condition_variable|future)\b"
        r"|<(?:thread|mutex|shared_mutex|condition_variable|future)>|\bpthread_|\bthread_local\b"
        r"|absl/synchronization/")),
    ("randomness", re.compile(
        r"\bstd::(?:random_device|mt19937|minstd_rand|default_random_engine)"
        r"|<random>|absl/random/|\babsl::(?:BitGen|InsecureBitGen|Uniform)\b"
        r"|(?<![\w:.>])s?rand\s*\("
        r"|\bgetrandom\s*\(")),
    ("logging", re.compile(
        r"(?<![\w])(?:D|P|V)?LOG(?:_IF|_EVERY_N|_FIRST_N)?\s*\((?!FATAL\))"
        r"|\bstd::(?:cout|cerr|clog)\b"
        r"|(?<![\w:.>])(?:std::)?f?printf\s*\(|<iostream>")),
    ("environment", re.compile(r"\b(?:std::)?getenv\s*\(|/proc/")),
)

# RocksDB calls back on threads of its own; the port's implementation must hold a lock there.
_MAY_USE = {"thread": re.compile(r"^kv/(?:\w+/)*\w*rocks\w*\.(?:h|cc)$")}


def _is_pure(source):
    return source.language == "c++" and source.path.startswith(_PURE_FOLDERS) and not source.is_test


def check_purity(source):
    """No clock, thread, randomness, logging or environment in the deterministic layers."""
    if not _is_pure(source):
        return []
    findings = []
    code = cpp_text.without_comments(source.text, keep_strings=True)
    for number, line in enumerate(code.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            line = cpp_text.without_comments(line)
        for what, pattern in _IMPURE:
            allowed = _MAY_USE.get(what)
            match = pattern.search(line)
            if match and not (allowed and allowed.search(source.path)):
                message = "%s ('%s') in a layer that is a function of its inputs"
                findings.append(source.finding(number, "determinism",
                                               message % (what, match.group(0).strip())))
    return findings


_HASH_DECLARATION = re.compile(
    r"\b(?:flat|node|unordered)_?(?:hash_)?(?:multi)?(?:map|set)\s*<[^;{}()]*>\s*&?\s*(\w+)"
    r"\s*[;={,)]")
_RANGE_FOR = re.compile(r"\bfor\s*\([^;()]*:\s*(?:\w+(?:\.|->))*(\w+)\s*\)")


def check_hash_order(source, header_text=""):
    """No loop over a hash map or set in the deterministic layers, unless it says why order is lost.

    A comment with the words "any order" in the line of the loop or the one above lets it through.
    `header_text` is that of the file's own header, where members are declared.
    """
    if not _is_pure(source):
        return []
    code = cpp_text.without_comments(source.text)
    names = set(_HASH_DECLARATION.findall(cpp_text.without_comments(header_text)))
    names.update(_HASH_DECLARATION.findall(code))
    findings = []
    for number, line in enumerate(code.splitlines(), 1):
        match = _RANGE_FOR.search(line)
        if match and match.group(1) in names:
            if "any order" in " ".join(source.lines[max(0, number - 2):number]):
                continue
            message = ("loop over the hash table '%s': its order differs from run to run (sort, or "
                       "say why \"any order\" will do)")
            findings.append(source.finding(number, "determinism", message % match.group(1)))
    return findings


_BANNED_CALLS = (
    ("exception", re.compile(r"(?<!\w)(?:throw\b|try\s*\{|catch\s*\()"),
     "no exceptions of our own: return absl::Status or a named outcome"),
    ("mutex", re.compile(r"absl/synchronization/|\babsl::(?:\w*Mutex\w*|CondVar|Notification)\b"),
     "the system's Abseil is not built for the thread sanitizer: use std::mutex"),
    ("process", re.compile(r"\.detach\s*\(\s*\)"), "no detached threads"),
)

# The programs may tell the system's Abseil, whose mutexes gRPC uses, to leave deadlocks unwatched.
_MAINS = ("client/main.cc", "server/main.cc")
_DETECTION_OFF = re.compile(
    r'#include "absl/synchronization/mutex\.h"'
    r"|absl::SetMutexDeadlockDetectionMode\(absl::OnDeadlockCycle::kIgnore\)")


def check_banned_calls(source):
    """What no C++ of the project does."""
    if source.language != "c++":
        return []
    findings = []
    code = cpp_text.without_comments(source.text, keep_strings=True)
    for number, line in enumerate(code.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            line = cpp_text.without_comments(line)
        if source.path in _MAINS:
            line = _DETECTION_OFF.sub("", line)
        for rule, pattern, reason in _BANNED_CALLS:
            match = pattern.search(line)
            if match:
                findings.append(source.finding(number, rule, "'%s': %s" %
                                               (match.group(0).strip(), reason)))
    return findings
