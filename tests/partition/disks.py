"""Disks that stall or fail, of the leader, of a follower, of a majority: times, and what is said.

Five nodes, A leads. The disk of each node concerned is an ext4 of its own (disk.py). Besides what a
Stage measures: how long A still led, what the nodes' logs and health pages say meanwhile, and what
a client program is told that writes through one of them. After a failure the disk is mounted again
with what had been synced, and the node is started again.
"""

import time

import stage
from scenarios import A, B, C, LEASE_SECONDS, Scenario

# Until a leader that cannot go on must have ended to lead [S-7], [H-7].
LED_MAX_SECONDS = 1.5 * LEASE_SECONDS
HEADS = ("fault", "system", "A led s", "new leader s", "no writes s", "no reads s",
         "no writes by client", "stale", "lost", "healed s", "as required")

_D = 3
_ASK_AFTER_SECONDS = 4
_ASK_SECONDS = 3
_SECONDS = 14.5
_EXIT_SECONDS = 10
_LINES_MAX = 3


def _fault(kind, nodes):
    def fault(cluster):
        cluster.cluster.mark()
        for node in nodes:
            getattr(cluster.disks[node], kind)()
            if node == A or A not in nodes:  # From then on A has no business to lead.
                cluster.struck = time.monotonic()
        cluster.hold(_ASK_AFTER_SECONDS)
        asked = cluster.cluster.ask_in_vain(nodes[0], _ASK_SECONDS)
        for node in nodes:
            cluster.note("health of %s: %s" % ("ABCDE"[node], cluster.cluster.health(node)))
        cluster.hold(_SECONDS - _ASK_AFTER_SECONDS)
        answer = asked.communicate(timeout=60)[0].decode().strip().splitlines()
        cluster.note("a write through %s: %s" % ("ABCDE"[nodes[0]], (answer or [""])[-1]))
    return fault


def _restart(nodes):
    def heal(cluster):
        for node in nodes:
            deadline = time.monotonic() + _EXIT_SECONDS
            while not cluster.cluster.exited(node) and time.monotonic() < deadline:
                cluster.hold(0.1)
            if not cluster.cluster.exited(node):
                cluster.note("%s went on without a disk and was killed" % "ABCDE"[node])
                cluster.cluster.kill(node)
            cluster.disks[node].repair()
            cluster.cluster.start(node)
    return heal


def _rows():
    groups = (("leader", (A,), range(1, 5)), ("follower", (B,), (0, 2, 3, 4)),
              ("majority-of-followers", (B, C, _D), None),
              ("majority-with-leader", (A, B, C), None))
    for kind, verb in (("stalled", "stall"), ("failing", "fail")):
        for where, nodes, served in groups:
            stays = where == "follower"
            yield Scenario("disk-%s-%s" % (kind, where), "", _fault(verb, nodes),
                           heal=_restart(nodes) if verb == "fail" else None,
                           changes_max=0 if stays else None, served=served, disks=nodes,
                           live=served is not None)


SCENARIOS = tuple(_rows())


class Report:
    """What one run showed, for people."""

    def __init__(self, run, result):
        self._result = result
        self._fault = run.scenario.name[len("disk-"):]
        self._stays = run.scenario.changes_max == 0
        self.failures = list(result.failures)
        led = result.led_until
        if not self._stays and (led is None or led > LED_MAX_SECONDS):
            self.failures.append("A led for %s s, allowed %.1f" % (
                "?" if led is None else "%.2f" % led, LED_MAX_SECONDS))
        self._said = {}
        for node in run.scenario.disks:
            self._said[node] = run.cluster.trouble(node)
            if not self._said[node]:
                self.failures.append("the log of %s says nothing" % "ABCDE"[node])

    def cells(self):
        """The row of the table."""
        def seconds(value, unknown):
            return unknown if value is None else "%.1f" % value

        result = self._result
        return [self._fault, result.system,
                seconds(result.led_until, "on" if self._stays else "?"),
                seconds(result.new_leader, "-"), "%.1f" % result.without["set"],
                "%.1f" % result.without["get"],
                " ".join("%.1f" % one for one in result.by_client["set"]), str(result.stale),
                str(len(result.lost)), seconds(result.recovery, "never"),
                "NO" if self.failures else "yes"]

    def text(self):
        """What was said: by logs, health pages and to clients."""
        lines = ["%s, %s:" % (self._result.system, self._fault)]
        for node, said in sorted(self._said.items()):
            lines += ["  log of %s: %s" % ("ABCDE"[node], one[:300]) for one in said[:_LINES_MAX]]
            if len(said) > _LINES_MAX:
                lines.append("  log of %s: and %d lines more" % ("ABCDE"[node],
                                                                len(said) - _LINES_MAX))
        lines += ["  " + note for note in self._result.notes]
        return "\n".join(lines + ["  NOT AS REQUIRED: " + one for one in self.failures])


def run(scenario, system, folder, programs, seed):
    """One row; returns a Report."""
    current = stage.Stage(scenario, system, folder, programs, seed)
    return Report(current, current.run())
