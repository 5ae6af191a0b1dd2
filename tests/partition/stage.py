"""One run of one scenario against one system: cluster, load, fault, measurement.

Order: start, A made the leader, load through every node, two seconds of rest, fault, links whole
again, recovery, reads of everything through every node, judgement of the history. Whatever
happens, everything that was started is stopped. Not thread-safe; one at a time per process.
"""

import os
import shutil
import subprocess
import time

import measure
from clock import Clock
from disk import Disk
from network import Network
from scenarios import A, LEASE_SECONDS
from systems import SYSTEMS

_START_SECONDS = 60
_RECOVERY_SECONDS = 40
_REST_SECONDS = 2


class LoadProgram:
    """The running partition_load: how far it is, and its verdicts at the end."""

    def __init__(self, stage, writers, readers, rate, timeout_ms):
        self.history_path = os.path.join(stage.folder, "history-%s.tsv" % stage.system)
        with open(os.path.join(stage.folder, "load-%s.log" % stage.system), "wb") as errors:
            self._process = subprocess.Popen(
                [stage.programs["load"], stage.cluster.load, self.history_path,
                 str(writers), str(readers), str(rate), str(timeout_ms)] +
                [stage.cluster.endpoint(node) for node in range(stage.nodes)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        os.set_blocking(self._process.stdout.fileno(), False)
        self._text = ""
        self.progress = [(0, 0)] * stage.nodes

    def update(self):
        """Takes in what it has printed. RuntimeError: it has ended."""
        data = self._process.stdout.read()
        if data is not None:
            self._text += data.decode()
        lines = self._text.split("\n")
        self._text = lines.pop()
        for line in lines:
            numbers = [int(word) for word in line.split()[1:]]
            self.progress = list(zip(numbers[::2], numbers[1::2]))
        if self._process.poll() is not None:
            raise RuntimeError("the load has ended by itself")

    def finish(self, nodes):
        """Stops it; returns its verdicts by name."""
        os.set_blocking(self._process.stdout.fileno(), True)
        line = "finish %s\n" % " ".join(str(node) for node in nodes)
        output, _ = self._process.communicate(line.encode(), timeout=900)
        words = [line.split() for line in output.decode().splitlines()]
        return {word[0]: word[1] for word in words if len(word) == 2}

    def kill(self):
        """Ends it if it runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Stage:
    """What scenarios act through, and what they leave behind to be measured."""

    def __init__(self, scenario, system, folder, programs, seed=1, lease_ms=2000):
        self.scenario = scenario
        self.system = system
        self.nodes = scenario.nodes
        self.seconds = scenario.seconds
        self.changes_max = scenario.changes_max
        self.seed = seed
        self.programs = programs
        self.lease_ms = lease_ms  # Of Rasputin.
        self.folder = os.path.join(folder, "%s-%d" % (scenario.name, seed))
        self.notes = []
        self.resumes = []
        self.struck = None  # The instant (seconds) at which the whole fault was there.
        self.exits = {}  # Node to the instant (seconds) at which its process was seen to be gone.
        self.disks = {}
        self.clocks = {}
        self.cluster = None
        self.load = None
        self._data = os.path.join(folder, "data")
        self._network = None

    # What scenarios use.

    def cut(self, packets=(), data=()):
        """See Network.cut."""
        self._network.cut(packets=packets, data=data)

    def hold(self, seconds):
        """Lets time pass."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(0.02, max(0.0, end - time.monotonic())))
            self.load.update()
            for node in range(self.nodes):
                if node not in self.exits and self.cluster.exited(node):
                    self.exits[node] = time.monotonic()

    def resumed(self):
        """Notes that a process has just been resumed."""
        self.resumes.append(time.monotonic_ns())

    def note(self, text):
        """Keeps a remark for the report."""
        self.notes.append(text)

    # The run.

    def open(self, writers=1, readers=1, rate=100, timeout_ms=2000):
        """Starts cluster and load, and waits until every client is served."""
        os.makedirs(self.folder, exist_ok=True)
        shutil.rmtree(self._data, ignore_errors=True)
        folders = [os.path.join(self._data, str(node)) for node in range(self.nodes)]
        for folder in folders:
            os.makedirs(folder)
        for node in self.scenario.disks:
            self.disks[node] = Disk(folders[node], os.path.join(self._data, "image%d" % node))
        for node, error in self.scenario.clocks.items():
            self.clocks[node] = Clock(os.path.join(self._data, "clock%d" % node), error)
        self._network = Network(self.nodes)
        self.cluster = SYSTEMS[self.system](self, self._network, folders)
        for node in range(self.nodes):
            if os.path.exists(self.cluster.log(node)):
                os.remove(self.cluster.log(node))
        self.cluster.begin()
        self.cluster.lead(A)
        self.load = LoadProgram(self, writers, readers, rate, timeout_ms)
        if self.await_progress(range(self.nodes), 20, _START_SECONDS) is None:
            raise RuntimeError("the load does not get going: %s" % self.load.progress)
        self.hold(_REST_SECONDS)

    def await_progress(self, nodes, more, seconds):
        """Waits until the clients of `nodes` have so many more writes and reads; returns seconds.

        None: not within `seconds`.
        """
        begin = time.monotonic()
        before = list(self.load.progress)
        while time.monotonic() < begin + seconds:
            self.hold(0.05)
            if all(self.load.progress[node][kind] >= before[node][kind] + more
                   for node in nodes for kind in (0, 1)):
                return time.monotonic() - begin
        return None

    def close(self):
        """Ends everything."""
        if self.load is not None:
            self.load.kill()
        for disk in self.disks.values():
            disk.resume()
        if self.cluster is not None:
            self.cluster.stop()
        for disk in self.disks.values():
            disk.close()
        if self._network is not None:
            self._network.close()

    def run(self):
        """The whole; returns a Result."""
        try:
            self.open()
            self.scenario.prepare(self)
            begin = time.monotonic_ns()
            self.scenario.fault(self)
            end = time.monotonic_ns()
            self.cut()
            for disk in self.disks.values():
                disk.resume()
            self.scenario.heal(self)
            alive = [node for node in range(self.nodes) if node not in self.scenario.dead]
            recovery = self.await_progress(alive, 5, _RECOVERY_SECONDS)
            self.hold(_REST_SECONDS)
            verdicts = self.load.finish(alive)
            return Result(self, begin, end, recovery, verdicts)
        finally:
            self.close()


class Result:
    """What one run showed. Times in seconds."""

    def __init__(self, stage, begin, end, recovery, verdicts):
        history = measure.read_history(stage.load.history_path)
        self.scenario = stage.scenario.name
        self.system = stage.system
        self.seed = stage.seed
        self.notes = stage.notes
        self.recovery = recovery
        self.operations = len(history)
        leaderships = stage.cluster.leaderships()
        self.changes = measure.changes_of(leaderships, begin / 1e9, end / 1e9)
        self.changes_after = measure.changes_of(leaderships, end / 1e9, time.monotonic())
        self.late_changes = measure.changes_of(leaderships, end / 1e9 - 5 * LEASE_SECONDS,
                                               end / 1e9)
        ended = measure.first_end(stage.cluster.ends(), stage.exits, A, begin / 1e9, end / 1e9)
        # From when the whole fault was there; several disks do not stall at one instant.
        wait = 0 if stage.struck is None else stage.struck - begin / 1e9
        self.led_until = None if ended is None else max(0.0, ended - wait)
        self.leader = measure.leader_at(leaderships, end / 1e9)
        self.new_leader = measure.seconds_to_leader(leaderships, begin / 1e9, end / 1e9)
        self.without = {}
        self.by_client = {}
        self.live = {}
        for kind in ("set", "get"):
            everybody = measure.successes(history, kind)
            self.without[kind] = measure.seconds_without(everybody, begin, end)
            self.live[kind] = measure.live(everybody, end, LEASE_SECONDS)
            clients = [measure.successes(history, kind, node) for node in range(stage.nodes)]
            self.by_client[kind] = [measure.seconds_without(one, begin, end) for one in clients]
            self.live[kind + "-clients"] = [measure.live(one, end, LEASE_SECONDS)
                                            for one in clients]
        self.stale = len(measure.stale_reads(history))
        self.lost = measure.lost_keys(history)
        self.unanswered = int(verdicts["unanswered"])
        self.verdicts = verdicts
        self.in_flight = sum(measure.in_flight(history, at) for at in stage.resumes)
        self.failures = self._judge(stage)

    def _judge(self, stage):
        failures = []
        if self.stale:
            failures.append("%d stale reads" % self.stale)
        if self.lost:
            failures.append("acknowledged writes lost: %s" % ", ".join(self.lost))
        if self.unanswered:
            failures.append("%d reads at the end were not answered" % self.unanswered)
        for name in ("linearizable", "versions"):
            if self.verdicts[name] == "violated":
                failures.append("the history is wrong (%s)" % name)
        if stage.scenario.live and not (self.live["set"] and self.live["get"]):
            failures.append("not live at the end of the fault")
        if stage.changes_max is not None:
            changes = self.changes + self.changes_after
            if changes > stage.changes_max:
                failures.append("%d leader changes, allowed %d" % (changes, stage.changes_max))
        if stage.scenario.leader not in (None, self.leader):
            failures.append("%s leads at the end of the fault, not %s" % (
                self.leader, stage.scenario.leader))
        if self.late_changes:
            failures.append("%d leader changes in the last 5 D of the fault" % self.late_changes)
        for node in stage.scenario.served or ():
            if not (self.live["set-clients"][node] and self.live["get-clients"][node]):
                failures.append("clients of %s not served" % "ABCDE"[node])
        if self.recovery is None:
            failures.append("not every client was served again after the fault")
        return failures
