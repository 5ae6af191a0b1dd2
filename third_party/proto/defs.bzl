"""C++ messages, gRPC stubs and a descriptor set from .proto files, by the system's protoc."""

load("@rules_cc//cc:defs.bzl", "cc_library")

_GOOGLEAPIS = "third_party/googleapis"

def _import_roots(root, deps):
    """The folders that the imports of a proto of `root` with these deps are relative to."""
    roots = [root]
    if root == _GOOGLEAPIS:
        return roots
    if root != "api" and [dep for dep in deps if dep.startswith("//api")]:
        roots.append("api")
    return roots + [_GOOGLEAPIS]

def _labels(deps, suffix):
    """The labels of what this macro made for `deps`, under the given suffix."""
    labels = []
    for dep in deps:
        if ":" in dep:
            labels.append(dep + suffix)
        else:
            labels.append(dep + ":" + dep.split("/")[-1] + suffix)
    return labels

def rasputin_proto_library(
        name,
        srcs,
        deps = [],
        grpc = False,
        import_root = None,
        visibility = ["//:api_users"],
        grpc_visibility = ["//:grpc_users"]):
    """Makes the targets of one set of protos.

    Targets:
      NAME                 cc_library of the messages; include "rasputin/kv/v1/kv.pb.h"
      NAME_grpc            with grpc = True: cc_library of the stubs, "rasputin/kv/v1/kv.grpc.pb.h"
      NAME_protos          filegroup of the .proto files and of all that they import
      NAME_descriptor_set  NAME.descriptor_set, a FileDescriptorSet with imports and comments

    Args:
      name: of the message library.
      srcs: .proto files, relative to this package.
      deps: message libraries of imported protos, made by this macro (labels without suffix).
      grpc: whether the protos declare services. Stubs never need the stubs of deps.
      import_root: folder that imports and includes are relative to; by default this package. A
        package below it is fine: import_root = "api" in package api/rasputin/kv/v1.
      visibility: of everything but the stubs.
      grpc_visibility: of NAME_grpc.
    """
    package = native.package_name()
    root = import_root if import_root != None else package
    if package != root and not package.startswith(root + "/"):
        fail("import_root %s is not above package %s" % (root, package))

    stems = [src[:-len(".proto")] for src in srcs]
    # A sandbox has only the folders of what is imported, and protoc warns of one that is missing.
    imports = ("$$(for root in %s; do [ ! -d $$root ] || echo -I$$root; done)" %
               " ".join(_import_roots(root, deps)))
    files = " ".join(["$(location %s)" % src for src in srcs])

    native.filegroup(
        name = name + "_protos",
        srcs = srcs + _labels(deps, "_protos"),
        visibility = ["//visibility:public"],
    )
    native.genrule(
        name = name + "_messages_src",
        srcs = srcs + _labels(deps, "_protos"),
        outs = [stem + ".pb.h" for stem in stems] + [stem + ".pb.cc" for stem in stems],
        cmd = "protoc %s --cpp_out=$(GENDIR)/%s %s" % (imports, root, files),
        visibility = ["//visibility:private"],
    )
    native.genrule(
        name = name + "_descriptor_set",
        srcs = srcs + _labels(deps, "_protos"),
        outs = [name + ".descriptor_set"],
        cmd = "protoc %s --include_imports --include_source_info -o $@ %s" % (imports, files),
        visibility = visibility,
    )
    cc_library(
        name = name,
        srcs = [stem + ".pb.cc" for stem in stems],
        hdrs = [stem + ".pb.h" for stem in stems],
        copts = ["-w"],
        strip_include_prefix = "/" + root,
        visibility = visibility,
        deps = deps + ["@protobuf"],
    )
    if not grpc:
        return
    native.genrule(
        name = name + "_stubs_src",
        srcs = srcs + _labels(deps, "_protos"),
        outs = [stem + ".grpc.pb.h" for stem in stems] + [stem + ".grpc.pb.cc" for stem in stems],
        cmd = ("protoc %s --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin " % imports +
               "--grpc_out=$(GENDIR)/%s %s" % (root, files)),
        visibility = ["//visibility:private"],
    )
    cc_library(
        name = name + "_grpc",
        srcs = [stem + ".grpc.pb.cc" for stem in stems],
        hdrs = [stem + ".grpc.pb.h" for stem in stems],
        copts = ["-w"],
        strip_include_prefix = "/" + root,
        visibility = grpc_visibility,
        deps = [
            ":" + name,
            "@grpc//:grpc++",
        ],
    )
