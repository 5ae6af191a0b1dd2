"""The leader is stopped for 0.1 to 5 s, again and again, while everybody reads and writes.

Reads are in flight at each resume, and where the pause is longer than a lease others have written
meanwhile: a leader that answers from its old state is caught by the versions. The Report counts
how often that was really so.
"""

import random
import signal
import time

import measure
import scenarios
import stage

_NODES = 3
_RECOVERY_SECONDS = 60


class Report:
    """What all pauses together showed."""

    def __init__(self, run, pauses, slow, verdicts):
        history = measure.read_history(run.load.history_path)
        self.pauses = len(pauses)
        self.slow = slow  # After how many pauses some client was not served within a minute.
        self.operations = len(history)
        self.stale = len(measure.stale_reads(history))
        self.lost = measure.lost_keys(history)
        self.verdicts = verdicts
        writes = measure.successes(history, "set")
        leaderships = run.cluster.leaderships()
        reads = [one for one in history if one.kind == "get" and one.result == measure.OK]
        self.in_flight = 0
        self.with_reads = 0
        self.with_newer = 0
        for node, begin, end in pauses:
            mine = [one for one in reads if measure.node_of(one) == node]
            waiting = measure.in_flight(mine, end)
            self.in_flight += waiting
            self.with_reads += waiting > 0
            others = [int(at * measure.SECOND) for at, other in leaderships if other != node]
            began = [at for at in others if begin < at < end]
            self.with_newer += bool(began) and any(began[0] < at < end for at in writes)

    def failures(self):
        """What must not have been."""
        found = ["%d stale reads" % self.stale] if self.stale else []
        found += ["acknowledged writes lost"] if self.lost else []
        found += ["%d times no recovery within a minute" % self.slow] if self.slow else []
        return found + ["the history is wrong (%s)" % name for name in ("linearizable", "versions")
                        if self.verdicts[name] == "violated"]

    def text(self):
        """One line for people."""
        return ("%d pauses of the leader; reads through it in flight at %d resumes (%d reads), "
                "newer writes acknowledged by another leader during %d pauses; %d operations, "
                "%d stale reads, %d keys with lost writes, linearizable: %s, versions: %s; "
                "a client without service for more than a minute after %d pauses" % (
                    self.pauses, self.with_reads, self.in_flight, self.with_newer, self.operations,
                    self.stale, len(self.lost), self.verdicts["linearizable"],
                    self.verdicts["versions"], self.slow))


def run(system, folder, programs, count, seed):
    """Pauses whoever leads, `count` times; returns a Report."""
    generator = random.Random(seed)
    scenario = scenarios.Scenario("pauses", "SIGSTOP", None, nodes=_NODES)
    current = stage.Stage(scenario, system, folder, programs, seed)
    done = []
    slow = 0
    try:
        # Calls last longer than pauses, so that those of before are still waited for after.
        current.open(writers=1, readers=4, rate=100, timeout_ms=8000)
        while len(done) < count:
            leader = measure.leader_at(current.cluster.leaderships(), time.monotonic())
            current.cluster.signal(leader, signal.SIGSTOP)
            begin = time.monotonic_ns()
            current.hold(generator.uniform(0.1, 5))
            current.cluster.signal(leader, signal.SIGCONT)
            done.append((leader, begin, time.monotonic_ns()))
            slow += current.await_progress(range(_NODES), 20, _RECOVERY_SECONDS) is None
            current.hold(generator.uniform(0.1, 0.5))
        verdicts = current.load.finish(range(_NODES))
        return Report(current, done, slow, verdicts)
    finally:
        current.close()
