"""The files that tidy looks at, and what kind each is.

Lists what git tracks or would track, reads text, classifies by name. Knows no rule.
Single-threaded; a SourceFile does not change after it was made.
"""

import collections
import os
import subprocess

# One broken rule: `path` relative to the root, `line` from 1 (0 when it is about the file as a
# whole).
Finding = collections.namedtuple("Finding", ["path", "line", "rule", "message"])

_LANGUAGES = {
    ".cc": "c++",
    ".h": "c++",
    ".proto": "proto",
    ".py": "python",
    ".sh": "shell",
    ".bzl": "starlark",
    ".md": "markdown",
}


class SourceFile:
    """A file of the repository with its text; binary files have empty text."""

    def __init__(self, path, text, size_bytes=None):
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.size_bytes = len(text.encode()) if size_bytes is None else size_bytes

    @property
    def name(self):
        """The last component of the path."""
        return os.path.basename(self.path)

    @property
    def folder(self):
        """The path of the folder, "" for the root."""
        return os.path.dirname(self.path)

    @property
    def language(self):
        """One of the languages above, "build", or None where no rule of text applies."""
        if self.name in ("BUILD.bazel", "WORKSPACE") or self.name.endswith(".BUILD"):
            return "build"
        language = _LANGUAGES.get(os.path.splitext(self.name)[1])
        if language is None and self.text.startswith("#!") and "sh" in self.lines[0]:
            return "shell"
        return language

    @property
    def is_header(self):
        """A C++ header."""
        return self.name.endswith(".h")

    @property
    def is_test(self):
        """Test code, wherever it stands: by name, or because everything under tests/ is."""
        stem = os.path.splitext(self.name)[0]
        return (self.path.startswith("tests/") or stem.startswith("test_")
                or stem.endswith(("_test", "_testing", "_fuzz", "_model")))

    def finding(self, line, rule, message):
        """A Finding in this file."""
        return Finding(self.path, line, rule, message)


def list_paths(root):
    """Paths that git tracks or would track if it were told to add everything, sorted."""
    output = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        cwd=root, check=True, stdout=subprocess.PIPE).stdout.decode()
    paths = sorted(set(path for path in output.split("\0") if path))
    # A tracked file may be deleted in the working tree; a tracked link is no text of its own.
    return [path for path in paths
            if os.path.isfile(os.path.join(root, path))
            and not os.path.islink(os.path.join(root, path))]


def read_tree(root):
    """Every file of the repository as a SourceFile."""
    files = []
    for path in list_paths(root):
        full_path = os.path.join(root, path)
        with open(full_path, "rb") as opened:
            content = opened.read()
        try:
            text = content.decode("utf-8") if b"\0" not in content else ""
        except UnicodeDecodeError:
            text = ""
        files.append(SourceFile(path, text, len(content)))
    return files
