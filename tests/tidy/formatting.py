"""C++ as clang-format writes it, with the committed .clang-format.

Runs the system's clang-format. Needs it installed: a missing formatter is a finding, not a pass.
"""

import os
import re
import shutil
import subprocess

from source_file import Finding

_WARNING = re.compile(r"^(.*?):(\d+):\d+: (?:error|warning): (.*)$")


def fix_formatting(root, sources):
    """Rewrites the C++ among `sources` as clang-format wants it."""
    paths = [source.path for source in sources if source.language == "c++"]
    if paths:
        subprocess.run(["clang-format", "-i"] + paths, cwd=root, check=True)


def check_formatting(root, sources):
    """One finding per file that clang-format would change, at the first such line."""
    paths = [source.path for source in sources if source.language == "c++"]
    if not paths:
        return []
    if not os.path.exists(os.path.join(root, ".clang-format")):
        return [Finding(".clang-format", 0, "format", "missing")]
    if shutil.which("clang-format") is None:
        return [Finding(".clang-format", 0, "format", "clang-format is not installed: run "
                        "third_party/install.sh test")]
    run = subprocess.run(["clang-format", "--dry-run", "--Werror", "--ferror-limit=1"] + paths,
                         cwd=root, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    first = {}
    for line in run.stdout.decode().splitlines():
        match = _WARNING.match(line)
        if match:
            first.setdefault(match.group(1), int(match.group(2)))
    if run.returncode != 0 and not first:
        return [Finding(".clang-format", 0, "format", run.stdout.decode().strip())]
    return [Finding(path, line, "format", "run: clang-format -i %s" % path)
            for path, line in sorted(first.items())]
