"""The systems under test as processes in the nodes' namespaces: Rasputin and etcd.

Both with their defaults, data in a memory file system unless a node gets a disk of its own, and the
same interface: start, find and move the leader, and read from the logs when leaderships began. Not
responsible for the network nor for load.
"""

import datetime
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

from network import address

_CLIENT_PORT = 8880
_PEER_PORT = 7770
_HTTP_PORT = 9090
_START_SECONDS = 60


class System:
    """What both have in common; logs go to the stage's folder."""

    name = ""
    load = ""  # The name by which partition_load knows it.

    def __init__(self, stage, network, data_folders):
        self._network = network
        self._programs = stage.programs
        self._folder = stage.folder
        self._lease_ms = stage.lease_ms
        self._data = data_folders
        self._processes = [None] * network.nodes
        self._marks = [0] * network.nodes
        self._clocks = stage.clocks

    def endpoint(self, node):
        """HOST:PORT of a node's client port."""
        return "%s:%d" % (address(node), _CLIENT_PORT)

    def endpoints(self):
        """All client ports, separated by commas."""
        return ",".join(self.endpoint(node) for node in range(self._network.nodes))

    def log(self, node):
        """Where the output of a node goes."""
        return os.path.join(self._folder, "%s-node%d.log" % (self.name, node))

    def start(self, node):
        """Starts a node that does not run."""
        with open(self.log(node), "ab") as output:
            self._processes[node] = self._network.start(node, self._command(node), output,
                                                        self._environment(node))

    def _environment(self, node):
        if node not in self._clocks:
            return None
        return dict(os.environ, LD_PRELOAD=self._programs["clock_shim"],
                    RASPUTIN_TEST_CLOCK=self._clocks[node].path)

    def signal(self, node, number):
        """Sends a signal to a node."""
        self._processes[node].send_signal(number)

    def exited(self, node):
        """Whether the process of a node has ended."""
        return self._processes[node].poll() is not None

    def kill(self, node):
        """Ends a node at once."""
        self._processes[node].kill()
        self._processes[node].wait()

    def stop(self):
        """Ends all nodes, whatever they do."""
        for process in self._processes:
            if process is not None and process.poll() is None:
                process.kill()
        for process in self._processes:
            if process is not None:
                process.wait()

    def begin(self):
        """Starts all nodes and waits until they are a cluster with a leader."""
        for node in range(self._network.nodes):
            self.start(node)
        self._await_cluster()

    def lead(self, node):
        """Makes a node the leader."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._transfer(node)
                return
            except (RuntimeError, ValueError, KeyError, IndexError) as error:
                if time.monotonic() > deadline:
                    raise RuntimeError("node %d does not become leader: %s" % (node, error))
                time.sleep(0.5)

    def _ask(self, *command):
        """Runs a client program here; returns its output. RuntimeError: it failed."""
        environment = dict(os.environ, ETCDCTL_API="3")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, check=False,
                              env=environment)
        if done.returncode != 0:
            raise RuntimeError("%s: %s" % (" ".join(command[:1]), done.stderr.strip()[-400:]))
        return done.stdout

    def leaderships(self):
        """(Instant of the monotonic clock in seconds, node) of each, in order."""
        return self._instants(self._began)

    def ends(self):
        """The same of each end of a leadership that its own node has logged."""
        return self._instants(self._ended)

    def health(self, _node):
        """What a node says of its own state when it is asked; "" if there is no such question."""
        return ""

    def mark(self):
        """From here on `trouble` reads."""
        self._marks = [os.path.getsize(self.log(node)) for node in range(self._network.nodes)]

    def trouble(self, node):
        """Lines of a node's log since `mark` that are warnings or errors."""
        with open(self.log(node), encoding="utf-8", errors="replace") as lines:
            lines.seek(self._marks[node])
            return [line.strip() for line in lines if self._TROUBLE.search(line)]

    def ask_in_vain(self, node, seconds):
        """Begins a write through one node with a client program; returns the process."""
        environment = dict(os.environ, ETCDCTL_API="3")
        return subprocess.Popen(self._put(node, seconds), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)

    def _instants(self, of_lines):
        found = []
        offset = time.time() - time.monotonic()
        for node in range(self._network.nodes):
            with open(self.log(node), encoding="utf-8", errors="replace") as lines:
                found += [(at - offset, node) for at in of_lines(lines)]
        return sorted(found)

    def _command(self, node):
        raise NotImplementedError

    def _await_cluster(self):
        raise NotImplementedError

    def _transfer(self, node):
        raise NotImplementedError

    def _began(self, lines):
        """Instants of the wall clock at which the node whose log this is began to lead."""
        raise NotImplementedError

    def _ended(self, lines):
        """Instants of the wall clock at which it ended to lead."""
        raise NotImplementedError

    def _put(self, node, seconds):
        """The command of a write through a node."""
        raise NotImplementedError


class Rasputin(System):
    """rasputind; the leader is that of the range with all keys of the load."""

    name = load = "rasputin"
    _TROUBLE = re.compile(r"^[WEF]\d{4,8} |^rasputind: ")
    _LINE = re.compile(r"[IWEF](\d{8}|\d{4}) (\d\d:\d\d:\d\d\.\d+) .*\] "
                       r"(lease-acquired|lease-ended|abdicated|stepped-down) range=(\d+) ")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._range = 0

    def _command(self, node):
        peers = ",".join("%s:%d" % (address(other), _PEER_PORT)
                         for other in range(self._network.nodes))
        return [self._programs["rasputind"], "--listen-host=" + address(node),
                "--advertise-host=" + address(node), "--peer-port=%d" % _PEER_PORT,
                # Who leads is up to the scenarios.
                "--placement=false",
                "--cli-port=%d" % _CLIENT_PORT, "--http-port=%d" % _HTTP_PORT,
                "--first-replicas=%d" % self._network.nodes,
                "--lease-duration-ms=%d" % self._lease_ms,
                "--seed-peers=" + peers, "--storage-dir=" + os.path.join(self._data[node], "data")]

    def _cli(self, *arguments):
        text = self._ask(self._programs["rasputin"], "--endpoints", self.endpoints(), "--output",
                         "json", *arguments)
        return json.loads(text)

    def _await_cluster(self):
        deadline = time.monotonic() + _START_SECONDS
        while True:  # A node that is asked before the others listen gives up.
            try:
                self._cli("cluster", "init", "--timeout", "%ds" % _START_SECONDS)
                break
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        ranges = []
        while len(ranges) != 1:
            if time.monotonic() > deadline:
                raise RuntimeError("the default collection has %d ranges" % len(ranges))
            listed = self._cli("range", "ls", "--collection", "default")
            ranges = listed["ranges"] if isinstance(listed, dict) else listed
        self._range = ranges[0]["range_id"]
        if len(ranges[0]["replicas"]) != self._network.nodes:
            raise RuntimeError("the range has %d replicas" % len(ranges[0]["replicas"]))

    def _transfer(self, node):
        stores = self._cli("store", "ls")
        stores = stores["stores"] if isinstance(stores, dict) else stores
        target = [one["store_id"] for one in stores
                  if one["client_address"] == self.endpoint(node)][0]
        listed = self._cli("range", "ls")
        for one in listed["ranges"] if isinstance(listed, dict) else listed:
            self._cli("lease", "transfer", str(one["range_id"]), str(target))

    def _began(self, lines):
        leads = False
        for line in lines:
            match = self._LINE.match(line)
            if match is None or int(match.group(4)) != self._range:
                continue
            if match.group(3) != "lease-acquired":
                leads = False
                continue
            if not leads:  # A lease that goes on in a higher term is no new leadership.
                yield self._instant(match)
            leads = True

    def _ended(self, lines):
        for line in lines:
            match = self._LINE.match(line)
            if match is not None and int(match.group(4)) == self._range and (
                    match.group(3) != "lease-acquired"):
                yield self._instant(match)

    @staticmethod
    def _instant(match):
        day = match.group(1) if len(match.group(1)) == 8 else (
            "%d%s" % (datetime.datetime.now().year, match.group(1)))
        return datetime.datetime.strptime(day + " " + match.group(2),
                                          "%Y%m%d %H:%M:%S.%f").timestamp()

    def _put(self, node, seconds):
        return [self._programs["rasputin"], "--endpoints", self.endpoint(node), "--timeout",
                "%ds" % seconds, "kv", "set", "asked", "in vain"]

    def health(self, node):
        url = "http://%s:%d/readyz" % (address(node), _HTTP_PORT)
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return "%d %s" % (answer.status, answer.read().decode().strip())
        except urllib.error.HTTPError as error:
            return "%d %s" % (error.code, error.read().decode().strip())
        except OSError as error:
            return "no answer (%s)" % error


class Etcd(System):
    """etcd of Debian, with its defaults."""

    name = load = "etcd"
    options = ()
    _TROUBLE = re.compile(r'"level":"(warn|error|fatal|panic|dpanic)"|^panic|^fatal')

    def _command(self, node):
        client = "http://%s:%d" % (address(node), _CLIENT_PORT)
        peers = ["http://%s:%d" % (address(other), _PEER_PORT)
                 for other in range(self._network.nodes)]
        return ["etcd", "--name", "node%d" % node,
                "--data-dir", os.path.join(self._data[node], "data"),
                "--logger", "zap", "--log-level", "info", "--log-outputs", "stderr",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peers[node], "--initial-advertise-peer-urls", peers[node],
                "--initial-cluster", ",".join("node%d=%s" % pair for pair in enumerate(peers)),
                "--initial-cluster-state", "new"] + list(self.options)

    def _status(self):
        text = self._ask("etcdctl", "--endpoints", self.endpoints(), "endpoint", "status",
                         "--write-out", "json")
        return {one["Endpoint"]: one["Status"] for one in json.loads(text)}

    def _await_cluster(self):
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if all(one.get("leader", 0) != 0 for one in self._status().values()):
                    return
            except RuntimeError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("etcd has no leader; see " + self._folder)
            time.sleep(0.2)

    def _transfer(self, node):
        status = self._status()
        member = status[self.endpoint(node)]["header"]["member_id"]
        leader = status[self.endpoint(node)]["leader"]
        if leader != member:
            at = [endpoint for endpoint, one in status.items()
                  if one["header"]["member_id"] == leader][0]
            self._ask("etcdctl", "--endpoints", at, "move-leader", "%x" % member)

    def _began(self, lines):
        return self._matching(lines, re.compile(" became leader at term "))

    def _ended(self, lines):
        return self._matching(lines, re.compile(" stepped down |lost leader "))

    @staticmethod
    def _matching(lines, pattern):
        for line in lines:
            if pattern.search(line):
                stamp = json.loads(line)["ts"]
                yield datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()

    def _put(self, node, seconds):
        return ["etcdctl", "--endpoints", self.endpoint(node), "--command-timeout",
                "%ds" % seconds, "put", "asked", "in vain"]


class EtcdPreVote(Etcd):
    """etcd with --pre-vote, which this version has switched off by default."""

    name = "etcd-prevote"
    options = ("--pre-vote",)


class EtcdSerializable(Etcd):
    """etcd asked for reads that may be stale: a check of what finds stale reads."""

    name = load = "etcd-serializable"


SYSTEMS = {system.name: system for system in (Rasputin, Etcd, EtcdPreVote, EtcdSerializable)}
