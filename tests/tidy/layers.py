"""The layer table of ARCHITECTURE.md, checked against #include lines and BUILD files.

Bazel's visibility refuses the same dependencies when the build is analysed; this check also sees
system headers, which the compiler would find without any dependency, and keeps the package groups
of the root BUILD.bazel equal to the table. Pure functions over SourceFile.
"""

import collections
import re

import cpp_text

# A layer: the folder it lives in, the layers its code may include, and the system libraries it may.
Layer = collections.namedtuple("Layer", ["folder", "may_include", "system"])

_CORE = ("consensus/core", "consensus/lease")
_CONSENSUS = _CORE + ("consensus",)
_BELOW_SERVER = _CONSENSUS + ("consensus/wire", "kv", "range", "api")

# The most specific folder wins. `api` stands for messages and stubs generated from protos.
LAYERS = (
    Layer("api", ("api",), ("protobuf", "grpc")),
    Layer("consensus/core", _CORE, ()),
    Layer("consensus/lease", _CORE, ()),
    Layer("consensus/wire", _CONSENSUS + ("consensus/wire", "api"), ("protobuf",)),
    Layer("consensus", _CONSENSUS + ("consensus/wire",), ()),
    Layer("kv", ("kv", "api"), ("protobuf",)),
    Layer("range", _CONSENSUS + ("consensus/wire", "kv", "range", "api"), ("protobuf",)),
    Layer("server", _BELOW_SERVER + ("server", "client/route"), ("protobuf", "grpc", "rocksdb")),
    Layer("client/route", ("client/route", "api"), ("protobuf",)),
    Layer("client", ("client/route", "client", "api"), ("protobuf", "grpc")),
    Layer("third_party", ("api", "third_party"), ("protobuf", "grpc", "rocksdb")),
)
# May depend on everything, and nothing else depends on it.
TESTS = Layer("tests", tuple(layer.folder for layer in LAYERS) + ("tests",),
              ("protobuf", "grpc", "rocksdb"))

# Only these files of kv know RocksDB: the engine port's implementation.
_ROCKSDB_FILE = re.compile(r"(^|/)kv/(?:\w+/)*\w*rocks\w*\.(h|cc)$")

_SYSTEM_HEADERS = (
    ("protobuf", re.compile(r"google/protobuf/|.*\.pb\.h$")),
    ("grpc", re.compile(r"grpc(pp)?/|grpc\+\+/|.*\.grpc\.pb\.h$")),
    ("rocksdb", re.compile(r"rocksdb/")),
)
_GENERATED = re.compile(r"(rasputin|google/rpc)/.*\.pb\.h$")
_INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')
_DEPENDENCY = re.compile(r'"((?://|@)[^"]*)"')

# The package groups of the root BUILD.bazel, and the layer that each is the visibility of.
GROUPS = {
    "api_users": "api",
    "consensus_core_users": "consensus/core",
    "consensus_users": "consensus",
    "kv_users": "kv",
    "range_users": "range",
    "server_users": "server",
    "client_route_users": "client/route",
    "client_users": "client",
}


def layer_of(path):
    """The layer of a file or folder, or None outside of all."""
    best = None
    for layer in LAYERS + (TESTS,):
        if path == layer.folder or path.startswith(layer.folder + "/"):
            if best is None or len(layer.folder) > len(best.folder):
                best = layer
    return best


def system_library(header):
    """The restricted system library that a header belongs to, or None."""
    for library, pattern in reversed(_SYSTEM_HEADERS):
        if pattern.match(header):
            return library
    return None


def _refusal(own, folder):
    """The layer of `folder` if code of layer `own` must not use it, else None."""
    target = layer_of(folder)
    if target is None or target.folder in own.may_include + ("third_party",):
        return None
    return target


def check_includes(source):
    """Every #include of a C++ file against the table."""
    if source.language != "c++":
        return []
    own = layer_of(source.path)
    if own is None:
        return [source.finding(0, "layer", "folder '%s' is in no layer; extend the table in "
                               "tests/tidy/layers.py and ARCHITECTURE.md" % source.folder)]
    findings = []
    code = cpp_text.without_comments(source.text, keep_strings=True)
    for number, line in enumerate(code.splitlines(), 1):
        match = _INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        target = _refusal(own, "api/x" if _GENERATED.match(header) else header)
        library = system_library(header)
        allowed = own.system + (("rocksdb",) if _ROCKSDB_FILE.search(source.path) else ())
        if target is not None:
            findings.append(source.finding(number, "layer", "%s must not include %s: '%s'" %
                                           (own.folder, target.folder, header)))
        elif library is not None and library not in allowed:
            findings.append(source.finding(number, "layer", "%s must not include %s: '%s'" %
                                           (source.path, library, header)))
    return findings


def check_build_file(source):
    """Every label in a BUILD file against the table, and nothing public but what is external."""
    own = layer_of(source.path)
    if source.language != "build" or own is None or own.folder == "third_party":
        return []
    findings = []
    for number, line in enumerate(source.lines, 1):
        code = line.split("#")[0]
        if "//visibility:public" in code:
            findings.append(source.finding(number, "visibility", "use a package group of the root "
                                           "BUILD.bazel instead of //visibility:public"))
        for label in _DEPENDENCY.findall(code):
            if label.startswith("@"):
                library = label[1:].split("//")[0]
                if library in ("protobuf", "grpc", "rocksdb"):
                    allowed = own.system + (("rocksdb",) if own.folder == "kv" else ())
                    if library not in allowed:
                        findings.append(source.finding(number, "layer", "%s must not depend on %s" %
                                                       (own.folder, label)))
                continue
            package = label[2:].split(":")[0]
            target = _refusal(own, package)
            if target is not None and not label.endswith(("__pkg__", "__subpackages__")):
                findings.append(source.finding(number, "layer", "%s must not depend on %s: '%s'" %
                                               (own.folder, target.folder, label)))
    return findings


def package_groups(build_text):
    """The package groups of a BUILD file: {name: (allowed folders, refused folders)}."""
    groups = {}
    for body in re.findall(r"package_group\((.*?)\n\)", build_text, re.DOTALL):
        name = re.search(r'name = "([^"]+)"', body).group(1)
        specs = re.findall(r'"(-?)//([^"]*)/\.\.\."', body)
        groups[name] = ([folder for sign, folder in specs if not sign],
                        [folder for sign, folder in specs if sign])
    return groups


def check_package_groups(source):
    """The package groups of the root BUILD.bazel against the table, pair by pair."""
    if source.path != "BUILD.bazel":
        return []
    findings = []
    groups = package_groups(source.text)
    for name, target in GROUPS.items():
        if name not in groups:
            findings.append(source.finding(0, "layer", "package group '%s' is missing" % name))
            continue
        allowed, refused = groups[name]
        for layer in LAYERS + (TESTS,):
            if layer.folder == "third_party":
                continue
            is_in = any((layer.folder + "/").startswith(folder + "/") for folder in allowed)
            is_out = any((layer.folder + "/").startswith(folder + "/") for folder in refused)
            if (is_in and not is_out) != (target in layer.may_include):
                findings.append(source.finding(
                    0, "layer", "package group '%s' and the table disagree about '%s'" %
                    (name, layer.folder)))
    return findings
