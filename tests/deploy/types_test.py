#!/usr/bin/python3
"""Compiles the rendered manifests against the types of the Kubernetes API, strictly.

Each object becomes a literal of the type that its apiVersion and kind name: a field that does not
exist, is missing or has the wrong type does not compile. Needs the folder that
third_party/kubernetes_types.sh prints, in $RASPUTIN_KUBERNETES_TYPES or where that script puts it.
"""

import bisect
import copy
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import manifests

_INSTALLED_AS = "rasputin-tools/kubernetes-types-1.30.0-typescript-5.4.5"


def types_folder():
    """Where node_modules with the compiler and the types is; RuntimeError if nowhere."""
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    folder = (os.environ.get("RASPUTIN_KUBERNETES_TYPES")
              or os.path.join(cache, _INSTALLED_AS))
    if not os.path.exists(os.path.join(folder, "node_modules/.bin/tsc")):
        raise RuntimeError("no TypeScript in '%s': run third_party/kubernetes_types.sh, or set "
                           "RASPUTIN_KUBERNETES_TYPES" % folder)
    return folder


def module_of(api_version):
    """The module of the types of an apiVersion: v1 is core/v1, x.y.io/v1 is x/v1."""
    group, _, version = api_version.rpartition("/")
    return "kubernetes-types/%s/%s" % (group.split(".")[0] or "core", version)


def constant_of(number, thing):
    """Lines of TypeScript that import an object's type and make it a constant of that type."""
    module = module_of(thing["apiVersion"])
    # Required, not optional as in the types: a manifest must say what it is.
    return ('import {%s as Type%d} from "%s";\n'
            "export const object%d: Type%d & {apiVersion: string; kind: string} = %s;\n" %
            (thing["kind"], number, module, number, number, json.dumps(thing, indent=2)))


def compile_objects(objects):
    """What tsc says about each object: a list of messages per object, empty where it is right."""
    folder = types_folder()
    first_lines = []
    source = ""
    for number, thing in enumerate(objects):
        first_lines.append(source.count("\n") + 1)
        source += constant_of(number, thing)
    with tempfile.TemporaryDirectory() as scratch:
        os.symlink(os.path.join(folder, "node_modules"), os.path.join(scratch, "node_modules"))
        with open(os.path.join(scratch, "objects.ts"), "w", encoding="utf-8") as output:
            output.write(source)
        run = subprocess.run(
            ["node", os.path.join(folder, "node_modules/.bin/tsc"), "--strict", "--noEmit",
             "--skipLibCheck", "--pretty", "false", "--target", "es2020", "--module", "commonjs",
             "--moduleResolution", "node", "objects.ts"],
            cwd=scratch, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    messages = [[] for _ in objects]
    for line, message in re.findall(r"^objects\.ts\((\d+),\d+\): (.*)$", run.stdout, re.MULTILINE):
        messages[bisect.bisect_right(first_lines, int(line)) - 1].append(message)
    if (run.returncode == 0) == any(messages):
        raise RuntimeError("tsc did not run: exit code %d, %s" % (run.returncode, run.stdout))
    return messages


def misspell(thing):
    """A field that does not exist, deep inside."""
    container = thing["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["readOnlyRootFileSystem"] = True


def mistype(thing):
    """A number as text."""
    thing["spec"]["replicas"] = "3"


def omit(thing):
    """A field that must be there is not."""
    del thing["spec"]["selector"]


def rename(thing):
    """A kind that the apiVersion does not have."""
    thing["kind"] = "StatefullSet"


def age(thing):
    """An apiVersion that does not exist."""
    thing["apiVersion"] = "apps/v0"


# A change, and what the compiler must say about the changed StatefulSet.
_WRONG = (
    (misspell, "readOnlyRootFileSystem\"' does not exist"),
    (mistype, "Type 'string' is not assignable to type 'number'"),
    (omit, "'selector' is missing"),
    (rename, "StatefullSet"),
    (age, "apps/v0"),
)


class TypesTest(unittest.TestCase):
    """The base as the compiler sees it, and proof that the compiler sees."""

    @classmethod
    def setUpClass(cls):
        cls.objects = manifests.render("deploy/base")
        stateful_set = next(thing for thing in cls.objects if thing["kind"] == "StatefulSet")
        wrong = []
        for change, _ in _WRONG:
            wrong.append(copy.deepcopy(stateful_set))
            change(wrong[-1])
        # One run of the compiler for all: loading the types is what takes time.
        messages = compile_objects(cls.objects + wrong)
        cls.of_base, cls.of_wrong = messages[:len(cls.objects)], messages[len(cls.objects):]

    def test_every_object_of_the_base_has_its_type(self):
        for thing, messages in zip(self.objects, self.of_base):
            self.assertEqual(messages, [], manifests.name_of(thing))

    def test_wrong_objects_do_not_compile(self):
        for (change, expected), messages in zip(_WRONG, self.of_wrong):
            with self.subTest(change.__name__):
                self.assertIn(expected, "\n".join(messages))


if __name__ == "__main__":
    unittest.main()
