"""Clocks of wrong rates and clocks that step, in real servers, while the leader is cut off.

Five nodes, A leads, Rasputin alone: the shim that is preloaded (clock_shim) reaches no program that
makes its system calls itself. Within the bound of --clock-rate-error-max everything must hold.
Beyond it a read may be stale, but no write may be lost, the histories of writes must agree, and
some node's self-check must have reported its clock.
"""

import scenarios
import stage
from network import both
from scenarios import A, Scenario

BOUND = 0.01  # --clock-rate-error-max, default.
HEADS = ("clocks", "A led s", "new leader s", "no writes s", "no reads s", "stale", "lost",
         "self-checks", "healed s", "as required")

_SECONDS = 16
_NODES = 5
_SHARE = 0.9  # Of the bound: the true clocks are not perfect either.


def _isolate(run):
    run.cut(packets=both(scenarios.alone(A, run.nodes)))
    run.hold(_SECONDS)


def _step(node):
    def fault(run):
        for number in range(4):
            run.clocks[node].step(30 * (number + 1))
            run.hold(_SECONDS / 4)
    return fault


def _rates(share):
    """A's clocks too slow, so that its lease lasts; the others' too fast, so that promises end."""
    return {node: (-1 if node == A else 1) * share * BOUND for node in range(_NODES)}


SCENARIOS = (
    Scenario("clock-rates-within", "rates differ by the bound; A alone", _isolate,
             served=range(1, _NODES), clocks=_rates(_SHARE)),
    Scenario("clock-rates-beyond", "rates differ by ten times the bound; A alone", _isolate,
             served=range(1, _NODES), clocks=_rates(10 * _SHARE)),
    Scenario("clock-steps-leader", "A's clocks go 30 s forward, four times", _step(A),
             clocks=_rates(0)),
    Scenario("clock-steps-follower", "B's clocks go 30 s forward, four times", _step(A + 1),
             clocks=_rates(0)),
)


class Report:
    """What one run showed, for people."""

    def __init__(self, run, result):
        self._result = result
        beyond = run.scenario.name == "clock-rates-beyond"
        allowed = ("stale reads", "(linearizable)", "(versions)") if beyond else ()
        self.failures = [one for one in result.failures
                         if not any(text in one for text in allowed)]
        self.checks = 0
        for node in range(run.nodes):
            self.checks += sum("clock-suspect" in line or "leases-suspended" in line
                               for line in run.cluster.trouble(node))
        if run.scenario.name != "clock-rates-within" and self.checks == 0:
            self.failures.append("no self-check reported a clock")

    def cells(self):
        """The row of the table."""
        def seconds(value):
            return "-" if value is None else "%.1f" % value

        result = self._result
        return [result.scenario[len("clock-"):], seconds(result.led_until),
                seconds(result.new_leader), "%.1f" % result.without["set"],
                "%.1f" % result.without["get"], str(result.stale), str(len(result.lost)),
                str(self.checks), seconds(result.recovery), "NO" if self.failures else "yes"]


def run_one(scenario, folder, programs, seed):
    """One row; returns a Report."""
    current = stage.Stage(scenario, "rasputin", folder, programs, seed)
    return Report(current, current.run())
