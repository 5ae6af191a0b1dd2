"""What `kubectl kustomize` makes of a folder of deploy/, as objects and as canonical text.

Old and new kubectl order objects and fields differently; the canonical text does not depend on
that. Knows no rule about what the objects should say. Needs kubectl on the PATH and PyYAML.
"""

import os
import shutil
import subprocess
import tempfile

import yaml


def render(folder):
    """The objects of a kustomization, as kubectl renders it, ordered by kind and name.

    Raises RuntimeError with what is missing or what kubectl said.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise RuntimeError("no kubectl: run third_party/install.sh test")
    with tempfile.TemporaryDirectory() as scratch:
        # Under bazel the files are links, which kustomize does not follow out of its folder.
        copy = os.path.join(scratch, "copy")
        shutil.copytree(folder, copy, symlinks=False)
        run = subprocess.run([kubectl, "kustomize", copy], check=False, text=True,
                             env={"PATH": os.environ["PATH"], "HOME": scratch},
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode != 0:
        raise RuntimeError("kubectl kustomize %s failed: %s" % (folder, run.stderr.strip()))
    return sorted(yaml.safe_load_all(run.stdout), key=name_of)


def name_of(thing):
    """An object as KIND/NAME."""
    return "%s/%s" % (thing["kind"], thing["metadata"]["name"])


def canonical_text(objects):
    """The objects as YAML with sorted keys and unbroken lines."""
    return yaml.safe_dump_all(objects, sort_keys=True, width=1 << 20, default_flow_style=False)
