"""Tests written in Python, run by the system's /usr/bin/python3."""

def python_test(name, src, data = [], **kwargs):
    """A test that is one executable Python file.

    Bazel's own py_test starts through `python`, which Debian 12 does not have. The file runs where
    it lies, so that it can import its siblings; it must begin with "#!/usr/bin/python3" and be
    executable.

    Args:
      name: of the test.
      src: the executable file.
      data: what it imports, reads or starts.
      **kwargs: as for any test (size, tags, args, ...).
    """
    native.sh_test(
        name = name,
        srcs = [src],
        data = data,
        **kwargs
    )
