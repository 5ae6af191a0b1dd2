#!/usr/bin/python3
"""Any language and any node: seed_round.py against each node of a cluster of three processes.

Starts rasputind three times on the loopback at free ports with data under the test's own folder,
initialises with the command line, and runs the round once through every node, with stubs alone.
Two of the three cannot be the leader, and the round through those is told to insist on it.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
RASPUTIND = os.path.abspath("server/rasputind")
RASPUTIN = os.path.abspath("client/rasputin")
SEED_ROUND = os.path.abspath("tests/python/seed_round.py")
API = os.path.abspath("api")
NODES = 3
STOP_SECONDS = 60


def free_ports(count):
    """Different ports, free at this moment."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Cluster:
    """Three processes, stopped at the end."""

    def __init__(self, folder):
        ports = free_ports(3 * NODES)
        peers = ["127.0.0.1:%d" % port for port in ports[:NODES]]
        self.endpoints = ["127.0.0.1:%d" % port for port in ports[NODES:2 * NODES]]
        self.processes = []
        for node in range(NODES):
            home = os.path.join(folder, str(node))
            os.mkdir(home)
            with open(os.path.join(home, "output"), "wb") as output:
                self.processes.append(subprocess.Popen(
                    [RASPUTIND, "--listen-host=127.0.0.1", "--advertise-host=127.0.0.1",
                     "--peer-port=%d" % ports[node], "--cli-port=%d" % ports[NODES + node],
                     "--http-port=%d" % ports[2 * NODES + node], "--seed-peers=" + ",".join(peers),
                     "--storage-dir=" + os.path.join(home, "data")],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT))

    def rasputin(self, *arguments):
        """Runs the command line; returns its exit code and output."""
        run = subprocess.run([RASPUTIN, "--endpoints", ",".join(self.endpoints)] + list(arguments),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
        return run.returncode, run.stdout.decode()

    def stop(self):
        """Asks all to stop, and ends what does not."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class SeedRoundTest(unittest.TestCase):
    """One cluster for all cases."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.cluster = Cluster(cls.folder.name)
        # Waits for the nodes to listen, as long as its own timeout.
        code, output = cls.cluster.rasputin("--timeout", "60s", "cluster", "init")
        if code != 0:
            cls.tearDownClass()
            raise AssertionError("cluster init: exit code %d, %s" % (code, output))

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        cls.folder.cleanup()

    def seed_round(self, endpoint, *flags):
        """Runs the round as a program of its own; returns exit code and output."""
        run = subprocess.run([SEED_ROUND, API, endpoint] + list(flags), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return run.returncode, run.stdout.decode()

    def test_every_node_answers_stubs_alone(self):
        for endpoint in self.cluster.endpoints:
            code, output = self.seed_round(endpoint)
            self.assertEqual(code, 0, output)
            self.assertEqual(output.count("right: "), 6, output)

    def test_a_node_that_does_not_lead_answers(self):
        followers = 0
        for endpoint in self.cluster.endpoints:
            code, output = self.seed_round(endpoint, "--expect-follower")
            if "should not be the leader" in output:
                continue
            self.assertEqual(code, 0, output)
            followers += 1
        self.assertEqual(followers, NODES - 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
