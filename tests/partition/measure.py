"""What a history says: time without success, stale reads, lost writes, liveness.

Histories are those of partition_load: one operation per line. Instants are nanoseconds of the
monotonic clock. Pure functions but for reading the file.
"""

import collections

OK = "ok"
SECOND = 1_000_000_000
# Operations that follow each other closer than this count as uninterrupted service.
GAP_SECONDS = 0.5

Operation = collections.namedtuple("Operation", "process kind key value called returned result "
                                                "version")


def node_of(operation):
    """The node through which it was done."""
    return operation.process // 1000


def is_final(operation):
    """Whether it is one of the reads of everything at the end."""
    return operation.process % 1000 == 999


def read_history(path):
    """The operations of a file; `returned` is None if no answer ever came."""
    history = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            process, kind, key, value, called, returned, result, version = (
                line.rstrip("\n").split("\t"))
            history.append(Operation(int(process), kind, key, value, int(called),
                                     None if returned == "-" else int(returned), result,
                                     int(version)))
    return history


def successes(history, kind, node=None):
    """Sorted instants at which operations of a kind (through a node) were answered."""
    return sorted(one.returned for one in history
                  if one.kind == kind and one.result == OK and not is_final(one) and
                  (node is None or node_of(one) == node))


def seconds_without(instants, begin, end):
    """Seconds of [begin, end] that lie in gaps longer than GAP_SECONDS between `instants`."""
    total = 0
    last = begin
    for instant in [one for one in instants if begin < one < end] + [end]:
        if instant - last > GAP_SECONDS * SECOND:
            total += instant - last
        last = instant
    return total / SECOND


def live(instants, end, window_seconds, windows=3):
    """Whether there was an answer in each of the last windows before `end`."""
    window = int(window_seconds * SECOND)
    return all(any(end - (i + 1) * window <= instant < end - i * window for instant in instants)
               for i in range(windows))


def stale_reads(history):
    """Reads with a lower version than an operation on the key that had returned before they began.

    That operation may be a write that was acknowledged or a read. A missing key has version 0.
    """
    stale = []
    by_key = collections.defaultdict(list)
    for one in history:
        if one.result == OK:
            by_key[one.key].append(one)
    for operations in by_key.values():
        returned = sorted(operations, key=lambda one: one.returned)
        done = 0
        highest = 0
        for one in sorted(operations, key=lambda one: one.called):
            while done < len(returned) and returned[done].returned < one.called:
                highest = max(highest, returned[done].version)
                done += 1
            if one.kind == "get" and one.version < highest:
                stale.append(one)
    return stale


def lost_keys(history):
    """Keys whose reads at the end found less than what had been acknowledged."""
    acknowledged = collections.defaultdict(int)
    found = collections.defaultdict(int)
    read = set()
    for one in history:
        if one.result != OK:
            continue
        if is_final(one):
            found[one.key] = max(found[one.key], one.version)
            read.add(one.key)
        elif one.kind == "set":
            acknowledged[one.key] = max(acknowledged[one.key], one.version)
    return sorted(key for key, version in acknowledged.items()
                  if key in read and found[key] < version)


def in_flight(history, instant, kind="get"):
    """Successful operations of a kind that had begun and not been answered at an instant."""
    return sum(1 for one in history if one.kind == kind and one.result == OK and
               one.called < instant < one.returned)


def changes_of(leaderships, begin, end):
    """How many leaderships began within [begin, end] (seconds, as the list has them)."""
    return sum(1 for at, _ in leaderships if begin <= at <= end)


def seconds_to_leader(leaderships, begin, end):
    """From `begin` to the first leadership that began before `end`; None: none did."""
    return next((at - begin for at, _ in leaderships if begin <= at <= end), None)


def first_end(ends, exits, node, begin, end):
    """Seconds from `begin` until a node no longer led, by its log, or its process had ended."""
    found = [at for at, other in ends if other == node and begin <= at <= end]
    found += [exits[node]] if begin <= exits.get(node, 0) <= end else []
    return min(found) - begin if found else None


def leader_at(leaderships, instant):
    """The node whose leadership began last before an instant; None: nobody's."""
    before = [node for at, node in leaderships if at <= instant]
    return before[-1] if before else None
