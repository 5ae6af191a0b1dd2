"""Rules about the shape of files: sizes, lengths, columns, guards, heads, names, words.

Each rule takes a SourceFile and returns Findings. Pure functions; the limits are those of STYLE.md.
"""

import ast
import re

import cpp_text

HEADER_LINES_MAX = 400
SOURCE_LINES_MAX = 800
TEST_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
FILE_BYTES_MAX = 1 << 20
DOCUMENT_LINES_MAX = {"STYLE.md": 150, "ARCHITECTURE.md": 300}
HEAD_LINES_MIN = 3
HEAD_LINES_MAX = 12

_CODE = ("c++", "proto", "python", "shell", "starlark")


def check_file_size(source):
    """Lines of code files and of two documents; bytes of everything."""
    findings = []
    if source.size_bytes > FILE_BYTES_MAX:
        findings.append(source.finding(0, "size", "file has %d bytes, limit %d: it does not belong "
                                       "into the repository" % (source.size_bytes, FILE_BYTES_MAX)))
    limit = DOCUMENT_LINES_MAX.get(source.path)
    if source.language in _CODE:
        if source.is_header:
            limit = HEADER_LINES_MAX
        else:
            limit = TEST_LINES_MAX if source.is_test else SOURCE_LINES_MAX
    if limit is not None and len(source.lines) > limit:
        message = "file has %d lines, limit %d: split it by concern" % (len(source.lines), limit)
        findings.append(source.finding(limit + 1, "size", message))
    return findings


def _python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield cpp_text.Function(node.name, node.lineno, node.end_lineno)


def check_function_length(source):
    """Lines of each C++ and Python function, from its declaration to its closing brace."""
    if source.language == "c++":
        found = cpp_text.functions(source.text)
    elif source.language == "python":
        found = _python_functions(source.text)
    else:
        return []
    findings = []
    for function in found:
        lines = function.last_line - function.first_line + 1
        if lines > FUNCTION_LINES_MAX:
            message = "%s has %d lines, limit %d" % (function.name, lines, FUNCTION_LINES_MAX)
            findings.append(source.finding(function.first_line, "function", message))
    return findings


def check_columns(source):
    """Columns of code; a line whose length is that of a URL or an #include is let through."""
    if source.language not in _CODE + ("build",):
        return []
    findings = []
    for number, line in enumerate(source.lines, 1):
        if len(line) > COLUMNS_MAX and "://" not in line and not line.startswith("#include"):
            findings.append(source.finding(number, "columns", "line has %d columns, limit %d" %
                                           (len(line), COLUMNS_MAX)))
    return findings


def check_text(source):
    """No tabs, no blanks at line ends, one newline at the end."""
    if source.language is None or not source.text:
        return []
    findings = []
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip() and source.language != "markdown":
            findings.append(source.finding(number, "blanks", "blanks at the end of the line"))
        if "\t" in line and source.language != "markdown":
            findings.append(source.finding(number, "blanks", "tab; use spaces or \\t"))
    if not source.text.endswith("\n"):
        findings.append(source.finding(len(source.lines), "blanks", "no newline at the end"))
    return findings


def include_guard(path):
    """The guard of a header: kv/turn.h has RASPUTIN_KV_TURN_H_."""
    return "RASPUTIN_" + re.sub(r"[^A-Za-z0-9]", "_", path).upper() + "_"


def check_include_guard(source):
    """A header is guarded by the macro that its path gives."""
    if not source.is_header:
        return []
    guard = include_guard(source.path)
    code = cpp_text.without_comments(source.text)
    if not re.search(r"^#ifndef %s\n#define %s$" % (guard, guard), code, re.MULTILINE):
        return [source.finding(0, "guard", "include guard must be %s (no #pragma once)" % guard)]
    return []


def _head_lines(source):
    """Number of lines of the comment (or docstring) that a file begins with."""
    if source.language == "python":
        try:
            docstring = ast.get_docstring(ast.parse(source.text))
        except SyntaxError:
            return 0
        return len(docstring.splitlines()) if docstring else 0
    if source.language == "starlark":
        match = re.match(r'"""(.*?)"""', source.text, re.DOTALL)
        return len(match.group(1).splitlines()) if match else 0
    mark = "//" if source.language in ("c++", "proto") else "#"
    lines = source.lines[1:] if source.text.startswith("#!") else source.lines
    count = 0
    for line in lines:
        if not line.startswith(mark):
            break
        count += 1
    return count


def check_head(source, has_header=False):
    """A file begins by saying what it is and what it is not responsible for.

    One line is enough for a test, and for a source whose own header says the rest (`has_header`).
    """
    if source.language not in _CODE or not source.text.strip():
        return []
    lines = _head_lines(source)
    if source.language != "c++":
        if lines == 0:
            return [source.finding(1, "head", "file must begin by saying what it is")]
        return []
    lines_min = 1 if has_header or source.is_test and not source.is_header else HEAD_LINES_MIN
    if not lines_min <= lines <= HEAD_LINES_MAX:
        message = ("file must begin with a comment of %d to %d lines (what it is, what it is not "
                   "responsible for, thread-safety, invariants); it has %d")
        return [source.finding(1, "head", message % (lines_min, HEAD_LINES_MAX, lines))]
    return []


_LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_BANNER = re.compile(r"^\s*(//|#)\s*([-=*#~_/]{5,})|[-=*]{8,}\s*$")
_MACHINE_PATH = re.compile(r"(?<![\w.*$}])/(work|root|home/\w+|Users|tmp/h)/")


def check_words(source):
    """No promises instead of code, no banner art, no paths of somebody's machine."""
    if source.language is None or source.path.startswith("tests/tidy/"):
        return []
    findings = []
    for number, line in enumerate(source.lines, 1):
        word = _LATER.search(line)
        if word and source.language != "markdown":
            findings.append(source.finding(number, "later", "%s: do it, or file an issue" %
                                           word.group(1)))
        if source.language in _CODE + ("build",) and _BANNER.search(line):
            findings.append(source.finding(number, "banner", "banner art"))
        path = _MACHINE_PATH.search(line)
        if path:
            findings.append(source.finding(number, "machine path", "path of one machine: '%s'" %
                                           path.group(0)))
    return findings


_BANNED_NAMES = ("util", "utils", "common", "misc", "helper", "helpers")


def check_names(source):
    """A name says what is inside."""
    for component in source.path.split("/"):
        for word in re.split(r"[_\-.]", component.lower()):
            if word in _BANNED_NAMES:
                return [source.finding(0, "name", "'%s' says nothing about what '%s' contains" %
                                       (word, component))]
    return []


_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def check_links(source, existing):
    """Relative links of documents lead to files or folders (`existing` has every one of both)."""
    if source.language != "markdown":
        return []
    findings, fenced = [], False
    for number, line in enumerate(source.lines, 1):
        fenced ^= line.lstrip().startswith("```")
        for target in [] if fenced else _LINK.findall(line):
            if "://" in target or target.startswith("mailto:"):
                continue
            parts = [] if target.startswith("/") else source.folder.split("/")
            for part in target.split("/"):
                if part == "..":
                    parts = parts[:-1]
                elif part not in ("", "."):
                    parts.append(part)
            if "/".join(part for part in parts if part) not in existing:
                findings.append(source.finding(number, "link", "'%s' leads nowhere" % target))
    return findings
