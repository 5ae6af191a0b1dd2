"""The steps of the long suite, as data: what is run, how much of it, and how its output is read.

Amounts are for one run of the suite, of an hour on two quiet cores (README.md). `{amount}` and
`{first}` in a command are the step's own share and the first seed; `{bin}` is bazel's output
folder, `{folder}` one for what the step leaves behind.
"""

import re


class Step:
    """One step.

    measure: what `amount` counts, for the ledger. targets: what bazel must build. shards: processes
    that share the amount; each takes seeds of its own. alone: it measures time, or fills both cores
    by itself, so nothing may run beside it. amounts, violations: patterns whose numbers (all groups
    of all matches) are added up; no pattern: the amount asked for, and one violation if the exit
    code says so. also: (measure, pattern) of other things that the same run counts. seconds_max:
    it is broken if it takes longer. skip_code: exit code that says it cannot run here. weak_code:
    exit code that says it came to its end, but met too little of what it is for.
    """

    def __init__(self, name, measure, amount, targets, command, shards=1, alone=False,
                 amounts=None, violations=None, also=(), seconds_max=1800, skip_code=None,
                 weak_code=None, environment=()):
        self.name = name
        self.measure = measure
        self.amount = amount
        self.targets = targets
        self.command = command
        self.shards = shards
        self.alone = alone
        self.amounts = amounts and re.compile(amounts, re.M)
        self.violations = violations and re.compile(violations, re.M)
        self.also = tuple((measure, re.compile(pattern, re.M)) for measure, pattern in also)
        self.seconds_max = seconds_max
        self.skip_code = skip_code
        self.weak_code = weak_code
        self.environment = dict(environment)


_SIM = "{bin}/tests/sim/sim"
_SEEDS = r"^(\d+) seeds, \d+ violations"
_VIOLATED = r"^\d+ seeds, (\d+) violations"
_CHECKED = (("operations", r" (\d+) checked for linearizability"),)
_PARTITION = ["tests/partition/partition.py", "--systems", "rasputin", "--bin", "{bin}", "--folder",
              "{folder}"]
_PARTITION_TARGETS = ("//server:rasputind", "//client:rasputin", "//tests/partition:partition_load",
                      "//tests/partition:clock_shim.so")
_RUNS = r"^(\d+) runs, \d+ findings"
_FINDINGS = r"^\d+ runs, (\d+) findings"
_SKIPPED = 77


def _fuzz(what, runs=1_000_000, alone=False):
    """A step of tests/fuzz: so many inputs for each of its tests."""
    name = what + "_fuzz_test"
    return Step("fuzz-" + what, "fuzz-inputs", runs, ("//tests/fuzz:" + name, "//server:rasputind"),
                ["{bin}/tests/fuzz/" + name], alone=alone, seconds_max=3600,
                amounts=r"^(\d+) inputs, ",
                environment={"FUZZ_RUNS": "{amount}", "TEST_TMPDIR": "{folder}",
                             "FUZZ_RASPUTIND": "{bin}/server/rasputind"}.items())


STEPS = (
    # One core each, two at a time.
    Step("safety", "safety-seeds", 20000, ("//tests/sim:sim",),
         [_SIM, "--first_seed={first}", "--seeds={amount}", "--seconds=30"], shards=4,
         amounts=_SEEDS, violations=_VIOLATED, also=_CHECKED, seconds_max=3 * 3600),
    Step("placement", "safety-seeds", 6000, ("//tests/sim:sim",),
         [_SIM, "--placement", "--first_seed={first}", "--seeds={amount}", "--seconds=30"],
         shards=2, amounts=_SEEDS, violations=_VIOLATED, also=_CHECKED, seconds_max=2 * 3600),
    Step("liveness", "topologies", 1000, ("//tests/sim:sim",),
         [_SIM, "--liveness", "--first_seed={first}", "--seeds={amount}", "--seconds=30"], shards=2,
         amounts=_SEEDS, violations=_VIOLATED, also=_CHECKED),
    Step("damage", "damages", 500, ("//tests/sim:sim",),
         [_SIM, "--damage", "--first_seed={first}", "--seeds={amount}", "--seconds=30"], shards=2,
         amounts=r"^all +(\d+)", violations=_VIOLATED, also=_CHECKED),
    Step("topologies", "topologies", 2000, ("//tests/compare:compare",),
         ["{bin}/tests/compare/compare", "--protocols=harpoon", "--scenario=random",
          "--first_seed={first}", "--topologies={amount}"], shards=2),
    Step("scenarios", "scenario-seeds", 100, ("//tests/compare:compare",),
         ["{bin}/tests/compare/compare", "--protocols=harpoon", "--seeds={amount}",
          "--topologies=1", "--first_seed={first}"]),
    _fuzz("log"), _fuzz("frame"), _fuzz("request"), _fuzz("row"), _fuzz("call"),
    # Both cores.
    Step("mutants", "mutants", 1, ("//tests/mutants:mutants_test",),
         ["{bin}/tests/mutants/mutants_test"], alone=True, amounts=r"^(\d+) mutants hunted",
         violations=r"^\d+ mutants hunted, (\d+) missed; \d+ controls, (\d+) found",
         seconds_max=3600),
    _fuzz("rpc", runs=5000, alone=True),
    Step("kills-with-changes", "kills", 200, ("//server:rasputind", "//tests/process:kill_servers"),
         ["{bin}/tests/process/kill_servers", "--rasputind={bin}/server/rasputind",
          "--directory={folder}", "--changes", "--kills={amount}", "--kills_of_all=10",
          "--seed={first}"], alone=True,
         amounts=r"^kill -9: (\d+) kills .* and (\d+) of all",
         violations=r"lost increments (\d+), with doubled ones (\d+)", weak_code=3,
         also=(("operations", r"^  history of (\d+) operations"),)),
    Step("flips", "damages", 30, ("//server:rasputind", "//tests/process:flip_servers"),
         ["{bin}/tests/process/flip_servers", "{bin}/server/rasputind", "{folder}", "{amount}",
          "{first}"], alone=True, amounts=r"^damage: (\d+) rounds",
         violations=r"lost increments (\d+), with doubled ones (\d+); other wrong answers (\d+)|"
                    r"not noticed, (\d+) not repaired",
         also=(("operations", r"^  history of (\d+) operations"),)),
    Step("pauses", "pauses", 100, _PARTITION_TARGETS, _PARTITION + ["--pauses", "{amount}"],
         alone=True, amounts=r": (\d+) pauses of the leader", violations=_FINDINGS,
         also=(("operations", r"; (\d+) operations, "),), skip_code=_SKIPPED),
    Step("disks", "partition-runs", 1, _PARTITION_TARGETS,
         _PARTITION + ["--disks", "--rounds", "{amount}"], alone=True, amounts=_RUNS,
         violations=_FINDINGS, skip_code=_SKIPPED),
    Step("clocks", "partition-runs", 1, _PARTITION_TARGETS,
         _PARTITION + ["--clocks", "--rounds", "{amount}"], alone=True, amounts=_RUNS,
         violations=_FINDINGS, skip_code=_SKIPPED),
    Step("partitions", "partition-runs", 1, _PARTITION_TARGETS,
         _PARTITION + ["--rounds", "{amount}"], alone=True, amounts=_RUNS, violations=_FINDINGS,
         skip_code=_SKIPPED),
)
