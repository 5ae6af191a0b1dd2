"""The scenarios: what happens to the links, processes and disks, and what is required then.

Nodes are numbered from 0 and called A, B, C, ...; A leads when a fault begins. A scenario is data
and three short functions; they act through a Stage (stage.py) and measure nothing.
"""

import itertools
import random
import signal

from network import both

LEASE_SECONDS = 2.0  # D: the default lease of Rasputin, and the unit of time for all systems.
A, B, C = range(3)


class Scenario:
    """One row of the table.

    changes_max: leaderships that may begin from the fault on; None: not judged. served: nodes whose
    clients must have writes and reads in each of the last three D of the fault; None: any client.
    leader: who must lead at the end of the fault; None: anybody. dead: nodes that do not come back.
    live: somebody must be served at the end of the fault. clocks: node to the rate error of its
    clocks.
    """

    def __init__(self, name, links, fault, nodes=5, seconds=16, prepare=None, heal=None,
                 changes_max=None, served=None, leader=None, dead=(), disks=(), live=True,
                 clocks=None):
        self.name = name
        self.links = links
        self.nodes = nodes
        self.seconds = seconds
        self.prepare = prepare or (lambda stage: None)
        self.fault = fault
        self.heal = heal or (lambda stage: None)
        self.changes_max = changes_max
        self.served = served
        self.leader = leader
        self.dead = dead
        self.disks = disks
        self.live = live
        self.clocks = clocks or {}


def pairs_of(nodes):
    """All unordered pairs."""
    return set(itertools.combinations(range(nodes), 2))


def alone(node, nodes):
    """The pairs of one node with every other."""
    return {(min(node, other), max(node, other)) for other in range(nodes) if other != node}


def star(center, nodes):
    """The pairs to cut so that only the center reaches everybody."""
    return pairs_of(nodes) - alone(center, nodes)


def _cut(*pairs):
    def fault(stage):
        stage.cut(packets=both(pairs))
        stage.hold(stage.seconds)
    return fault


def _one_way(kind, *ordered):
    def fault(stage):
        stage.cut(**{kind: set(ordered)})
        stage.hold(stage.seconds)
    return fault


def _constrained_prepare(stage):
    stage.cut(packets=both(alone(C, stage.nodes)))
    stage.hold(4)


def _flapping(stage):
    for number in range(int(stage.seconds / (LEASE_SECONDS / 3))):
        stage.cut(packets=both([(A, B)]) if number % 2 == 0 else ())
        stage.hold(LEASE_SECONDS / 3)


def _stranded(stage):
    stage.cut(packets=both(alone(B, stage.nodes)))
    stage.hold(10 * LEASE_SECONDS)
    stage.cut()
    stage.hold(4 * LEASE_SECONDS)


def _paused(stage):
    stage.cluster.signal(A, signal.SIGSTOP)
    stage.hold(10 * LEASE_SECONDS)
    stage.cluster.signal(A, signal.SIGCONT)
    stage.resumed()
    stage.hold(3 * LEASE_SECONDS)


def _stalled_disk(stage):
    stage.disks[A].stall()
    stage.hold(stage.seconds)


def _failing_disk(stage):
    stage.disks[A].fail()
    stage.hold(stage.seconds)


def random_cuts(nodes, generator):
    """(packets, data, centers): 30 to 70% of the pairs cut, 40% of the cuts one way.

    Drawn until some replica has a majority, itself included, that it reaches both ways: `centers`.
    """
    pairs = sorted(pairs_of(nodes))
    while True:
        cut = generator.sample(pairs, round(len(pairs) * generator.uniform(0.3, 0.7)))
        packets, data = set(), set()
        for pair in cut:
            if generator.random() >= 0.4:
                packets |= both([pair])
                continue
            direction = pair if generator.random() < 0.5 else pair[::-1]
            (packets if generator.random() < 0.5 else data).add(direction)
        centers = [node for node in range(nodes)
                   if nodes - len(alone(node, nodes) & set(cut)) > nodes // 2]
        if centers:
            return packets, data, centers


def _random(stage):
    packets, data, centers = random_cuts(stage.nodes, random.Random(stage.seed))
    stage.note("cut %s, data only %s, two-way majority %s" %
               (sorted(packets), sorted(data), centers))
    if A in centers:
        stage.changes_max = 0
    stage.cut(packets=packets, data=data)
    stage.hold(stage.seconds)


_TO_ALL = tuple((A, other) for other in range(1, 5))
_FROM_ALL = tuple((other, A) for other in range(1, 5))

SCENARIOS = (
    Scenario("leader-follower", "A-B cut", _cut((A, B)), changes_max=0, served=range(5)),
    Scenario("chain", "three nodes, A-C cut", _cut((A, C)), nodes=3, changes_max=0,
             served=range(3)),
    Scenario("quorum-loss", "only C reaches all", _cut(*star(C, 5)), served=range(5),
             leader=C),
    Scenario("constrained", "only C reaches all, and C was behind", _cut(*star(C, 5)),
             prepare=_constrained_prepare, served=range(5), leader=C),
    Scenario("one-way-deaf", "A does not hear B's data", _one_way("data", (B, A)), changes_max=0,
             served=range(5)),
    Scenario("one-way-mute", "B does not hear A's data", _one_way("data", (A, B)), changes_max=0,
             served=range(5)),
    Scenario("one-way-deaf-packets", "no packet from B to A", _one_way("packets", (B, A)),
             changes_max=0, served=range(5)),
    Scenario("one-way-mute-packets", "no packet from A to B", _one_way("packets", (A, B)),
             changes_max=0, served=range(5)),
    Scenario("flapping", "A-B down and up every D/3", _flapping, changes_max=0, served=range(5)),
    Scenario("isolation", "A alone", _cut(*alone(A, 5)), served=range(1, 5)),
    Scenario("stranded", "B alone for 10 D, then back", _stranded, changes_max=0, served=range(5),
             seconds=28),
    Scenario("paused", "SIGSTOP of A for 10 D", _paused, served=range(5), seconds=26),
    Scenario("deaf-leader", "A hears nobody's data", _one_way("data", *_FROM_ALL),
             served=range(1, 5)),
    Scenario("mute-leader", "nobody hears A's data", _one_way("data", *_TO_ALL),
             served=range(1, 5)),
    Scenario("stalled-disk", "A's writes hang", _stalled_disk, served=range(1, 5), disks=(A,)),
    Scenario("failing-disk", "A's writes fail", _failing_disk, served=range(1, 5), disks=(A,),
             dead=(A,)),
    Scenario("random", "30 to 70% of the pairs cut", _random, seconds=20),
)


def find(name):
    """The scenario of that name. KeyError: there is none."""
    return {one.name: one for one in SCENARIOS}[name]
