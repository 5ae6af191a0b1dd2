"""Reads C++ just well enough for tidy: text without comments and literals, and where functions are.

No parser of C++: it follows braces and looks at what stands before each one, which is right for
code in the style of this project. Macros that open or close a brace would mislead it. Pure
functions.
"""

import collections
import re

# A function or method with a body: its name as far as it can be told, first and last line (from 1).
Function = collections.namedtuple("Function", ["name", "first_line", "last_line"])

_RAW_STRING = re.compile(r'R"([^()\\ ]{0,16})\((.*?)\)\1"', re.DOTALL)
_TOKENS = re.compile(
    r"//(?:[^\n\\]|\\.|\\\n)*"  # line comment
    r"|/\*.*?\*/"  # block comment
    r'|"(?:[^"\\\n]|\\.)*"'  # string
    r"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'",  # character, but not the ' of 1'000
    re.DOTALL)


def _keep_lines(text):
    """Nothing but the line ends of `text`."""
    return "\n" * text.count("\n")


def without_comments(text, keep_strings=False):
    """`text` with comments removed and literals emptied, every line still at its number."""

    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return " " + _keep_lines(token)
        return token if keep_strings else token[0] * 2

    if not keep_strings:
        text = _RAW_STRING.sub(lambda match: '""' + _keep_lines(match.group(0)), text)
    return _TOKENS.sub(blank, text)


def without_preprocessor(text):
    """`text` without its preprocessor lines, continued ones too, others at their numbers."""
    kept, continued = [], False
    for line in text.split("\n"):
        directive = continued or line.lstrip().startswith("#")
        continued = directive and line.endswith("\\")
        kept.append("" if directive else line)
    return "\n".join(kept)


_TYPE = re.compile(r"\b(class|struct|union|enum)\b")
_INITIALIZER_LIST = re.compile(r"\)\s*(?:noexcept)?\s*:(?!:)")
_LEADING = re.compile(r"\s*(?:(?:public|private|protected)\s*:\s*)*")
_QUALIFIERS = ("const", "override", "final", "noexcept", "try", "mutable")


def _kind(head):
    """What the brace after `head` opens at namespace or class scope."""
    head = re.sub(r"\balignas\s*\([^()]*\)", "", head[_LEADING.match(head).end():]).strip()
    if re.search(r"\bnamespace\b", head) or head.startswith("extern \"\""):
        return "namespace"
    before_parenthesis = head.split("(")[0]
    if "operator" not in head and (head.endswith("=") or re.search(r"=(?!=)", before_parenthesis)):
        return "value"
    if _INITIALIZER_LIST.search(head):
        last_word = re.search(r"(\w+|>)$", head)
        if last_word and last_word.group(0) not in _QUALIFIERS:
            return "member initializer"
        return "function"
    if _TYPE.search(before_parenthesis) and not re.search(r"\)\s*(\w+\s*)*$", head):
        return "type"
    if _TYPE.search(re.sub(r"<[^{}]*>", "", before_parenthesis)) and "(" not in head:
        return "type"
    return "function" if ")" in head else "value"


def _name(head):
    """The name of the function whose declaration is `head`; for a TEST, its arguments."""
    test = re.search(r"\b(TEST(?:_[FP])?|BENCHMARK_F)\s*\(([^)]*)\)", head)
    if test:
        return re.sub(r"\s*,\s*", ".", test.group(2).strip())
    name = re.search(r"([\w:~]+|operator\s*[^\s(]+)\s*\(", head)
    return name.group(1) if name else "?"


def functions(text):
    """All functions with bodies outside of other functions, in order."""
    code = without_preprocessor(without_comments(text))
    found, scopes = [], []
    head_start, line = 0, 1
    for position, character in enumerate(code):
        if character == "\n":
            line += 1
        inside = scopes and scopes[-1][0] in ("function", "value", "member initializer", "nested")
        if character == "{":
            head = code[head_start:position]
            kind = "nested" if inside else _kind(head)
            first_line = line - head[_LEADING.match(head).end():].count("\n")
            scopes.append((kind, head_start if kind == "member initializer" else None,
                           _name(head) if kind == "function" else None, first_line))
            head_start = position + 1
        elif character == "}" and scopes:
            kind, kept_head_start, name, first_line = scopes.pop()
            if kind == "function":
                found.append(Function(name, first_line, line))
            head_start = position + 1 if kept_head_start is None else kept_head_start
        elif character == ";" and not inside:
            head_start = position + 1
    return found
