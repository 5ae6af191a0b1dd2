"""What the targets of one layer may depend on, as Bazel itself sees it."""

# One target of each layer that its users may depend on; a leaf, so that the query stays quick.
REPRESENTATIVES = {
    "api": "//api/rasputin/type/v1:type",
    "client": "//client:session",
    "client/route": "//client/route:full_key",
    "consensus": "//consensus/log:segment_file",
    "consensus/core": "//consensus/core:types",
    "consensus/lease": "//consensus/lease:message",
    "consensus/wire": "//consensus/wire:frame",
    "kv": "//kv:command",
    "range": "//range:request",
    "server": "//server/front:ports",
    "grpc": "@grpc//:grpc++",
    "protobuf": "@protobuf//:protobuf",
    "rocksdb": "@rocksdb//:rocksdb",
}

_SYSTEM = ["grpc", "protobuf", "rocksdb"]

def visible_targets(name):
    """Makes a file NAME_LAYER for each layer: the representatives that its targets may depend on.

    Args:
      name: prefix of the targets.

    Returns:
      The labels of the files.
    """
    labels = []
    targets = "set('%s')" % "' '".join(REPRESENTATIVES.values())
    for layer, target in REPRESENTATIVES.items():
        if layer in _SYSTEM:
            continue
        own = name + "_" + layer.replace("/", "_")
        native.genquery(
            name = own,
            expression = "visible('%s', %s)" % (target, targets),
            scope = REPRESENTATIVES.values(),
        )
        labels.append(":" + own)
    return labels

def representatives_file(name):
    """Makes NAME.txt with a line "layer target" for each representative."""
    lines = ["%s %s" % (layer, target) for layer, target in REPRESENTATIVES.items()]
    native.genrule(
        name = name,
        outs = [name + ".txt"],
        cmd = "printf '%%s\\n' %s > $@" % " ".join(["'%s'" % line for line in lines]),
    )
