#!/usr/bin/python3
"""A round of a key through stubs generated from api/ and one endpoint: all that a language needs.

Usage: seed_round.py API_FOLDER HOST:PORT [KEY]
  API_FOLDER  the repository's api/
  HOST:PORT   client port of any node; it need not be the leader of anything

Generates Python stubs with protoc into a temporary folder, then does what a first user would: set,
get, a cas that succeeds, a cas that fails and returns the current value, a delete that returns the
last value, and a get of the missing key. Prints each step; exits with 0 if all answers are right.
Also says whether the node asked led the key's range, and with --expect-follower fails if it did.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile

# Debian's packages; another Python of the user need not have them.
import grpc

PROTOC = "/usr/bin/protoc"
GRPC_PLUGIN = "/usr/bin/grpc_python_plugin"
DEADLINE_SECONDS = 30


def generate(api, folder):
    """Python modules for all protos that users need, importable once `folder` is on the path."""
    protos = []
    for package in ("kv", "admin", "type"):
        source = os.path.join("rasputin", package, "v1")
        protos += [os.path.join(source, name) for name in sorted(os.listdir(
            os.path.join(api, source))) if name.endswith(".proto")]
    protos.append(os.path.join("rasputin", "v1", "error.proto"))
    subprocess.run([PROTOC, "-I" + api, "--python_out=" + folder, "--grpc_out=" + folder,
                    "--plugin=protoc-gen-grpc=" + GRPC_PLUGIN] + protos, check=True)


class Round:
    """The steps, against one channel."""

    def __init__(self, channel):
        self.kv = importlib.import_module("rasputin.kv.v1.kv_pb2")
        self.admin = importlib.import_module("rasputin.admin.v1.admin_pb2")
        stubs = importlib.import_module("rasputin.kv.v1.kv_pb2_grpc")
        admin_stubs = importlib.import_module("rasputin.admin.v1.admin_pb2_grpc")
        self.service = stubs.KvServiceStub(channel)
        self.directory = admin_stubs.DirectoryServiceStub(channel)

    def leader_address(self, key):
        """The client address of the store that leads the key's range; None: not known."""
        answer = self.directory.LookupRange(self.admin.LookupRangeRequest(key=key),
                                            timeout=DEADLINE_SECONDS)
        for store in answer.stores:
            if store.store_id == answer.route.leader_store_id:
                return store.client_address
        return None

    def get(self, key):
        """The response of Get."""
        return self.service.Get(self.kv.GetRequest(key=key), timeout=DEADLINE_SECONDS)

    def cas(self, key, expected, value):
        """The response of Cas."""
        return self.service.Cas(self.kv.CasRequest(key=key, expected_value=expected, value=value),
                                timeout=DEADLINE_SECONDS)

    def run(self, key):
        """Pairs of a step's name and whether its answer was right."""
        written = self.service.Set(self.kv.SetRequest(key=key, value=b"hello"),
                                   timeout=DEADLINE_SECONDS)
        yield "set gives a version", written.version > 0
        read = self.get(key)
        yield "get gives value and version", (read.found and read.value == b"hello" and
                                              read.version == written.version)
        swapped = self.cas(key, b"hello", b"goodbye")
        yield "cas with the right value succeeds", (swapped.success and
                                                    swapped.value == b"goodbye" and
                                                    swapped.version > written.version)
        refused = self.cas(key, b"hello", b"again")
        yield "cas with a wrong value gives the current one", (
            not refused.success and refused.found and refused.value == b"goodbye" and
            refused.version == swapped.version)
        removed = self.service.Delete(self.kv.DeleteRequest(key=key), timeout=DEADLINE_SECONDS)
        yield "delete gives the last value", (removed.found and
                                              removed.previous_value == b"goodbye" and
                                              removed.previous_version == swapped.version)
        yield "get of the missing key finds nothing", not self.get(key).found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("api")
    parser.add_argument("endpoint")
    parser.add_argument("key", nargs="?", default="seed-round")
    parser.add_argument("--expect-follower", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate(arguments.api, folder)
        sys.path.insert(0, folder)
        right = True
        with grpc.insecure_channel(arguments.endpoint) as channel:
            steps = Round(channel)
            key = arguments.key.encode()
            leader = steps.leader_address(key)
            print("asking %s; the key's leader is at %s" % (arguments.endpoint, leader))
            if arguments.expect_follower and leader in (None, arguments.endpoint):
                print("wrong: the node asked should not be the leader", file=sys.stderr)
                return 1
            for name, is_right in steps.run(key):
                print("%s: %s" % ("right" if is_right else "WRONG", name))
                right = right and is_right
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
