// See command_table.h.

#include "client/cli/command_table.h"

namespace rasputin::client {
namespace {

const FlagRow kCollection = {"collection", "NAME", "default", "Collection that holds the keys."};
const FlagRow kHex = {"hex", "", "",
                      "Keys and values are given, and shown in tables, in hexadecimal."};
const FlagRow kWait = {"wait", "", "", "Waits until it is done; on a terminal that is so anyway."};
const FlagRow kFile = {"file", "PATH", "",
                       "Reads the value from a file, byte for byte, instead of the operand."};

std::vector<CommandRow> KvCommands() {
  return {
      {"kv get",
       "KEY",
       "Shows the value of a key. Exit code 1 if there is none.",
       {kCollection,
        kHex,
        {"raw", "", "", "Writes the bytes of the value alone, without a newline."},
        {"read-index", "", "", "Asks a quorum instead of relying on the leader's lease."}}},
      {"kv set",
       "KEY [VALUE]",
       "Writes a key, whatever was there. VALUE '-' is read from standard input.",
       {kCollection, kHex, kFile}},
      {"kv cas",
       "KEY [NEW]",
       "Writes a key if it holds what is expected. NEW '-' is read from standard input; if the "
       "condition fails, the current value is shown and the exit code is 1.",
       {kCollection,
        kHex,
        kFile,
        {"expect", "VALUE", "", "The key must hold this value."},
        {"expect-version", "VERSION", "", "The key must have this version."},
        {"absent", "", "", "The key must not exist."}}},
      {"kv del",
       "KEY",
       "Removes a key and shows the value it had. Exit code 1 if there was none.",
       {kCollection, kHex, {"raw", "", "", "Writes the bytes of the value alone."}}},
      {"kv scan",
       "[START] [END]",
       "Lists keys in order from START (inclusive) to END (exclusive). Columns are separated by "
       "tabs; bytes that cannot be shown are escaped, and values cut after 200 bytes: use --output "
       "json for all of them.",
       {kCollection,
        kHex,
        {"prefix", "PREFIX", "", "Only keys that begin with this; instead of START and END."},
        {"limit", "COUNT", "0", "At most so many keys; 0: all."},
        {"keys-only", "", "", "Leaves the values out."}}},
  };
}

std::vector<FlagRow> CollectionOptionFlags() {
  return {
      {"replicas", "COUNT", "0", "Voting replicas of each range: 1, 3, 5 or 7; 0: the default."},
      {"split-size-bytes", "BYTES", "0", "Size at which a range splits; 0: the servers' flag."},
      {"split-requests-per-second", "COUNT", "0", "Requests at which it splits; 0: as above."},
      {"split-cpu-millicores", "COUNT", "0", "Thousandths of a core at which it splits."},
      {"split-read-bytes-per-second", "BYTES", "0", "Bytes read a second at which it splits."},
      {"split-written-bytes-per-second", "BYTES", "0", "Bytes written at which it splits."},
      {"require", "NAME=VALUE,...", "none", "Labels of --locality that its stores must have."},
  };
}

std::vector<CommandRow> CollectionCommands() {
  return {
      {"collection create", "NAME",
       "Creates a collection of keys with values. Repeating it is safe, and leaves the options of "
       "one "
       "that is there as they are.",
       CollectionOptionFlags()},
      {"collection ls", "", "Lists the collections.", {}},
      {"collection describe", "NAME", "Shows a collection with its options.", {}},
      {"collection update", "NAME",
       "Changes options of a collection while it serves; those that are not given stay. Splits, "
       "merges and moves of replicas follow by themselves.",
       CollectionOptionFlags()},
      {"collection drop",
       "NAME",
       "Removes a collection with all its keys, for good. If it breaks off, repeat it.",
       {{"yes", "", "", "Really."}}},
  };
}

std::vector<CommandRow> AdminCommands() {
  return {
      {"range ls",
       "",
       "Lists the ranges in key order, with their leaders, members, and what the 1,000 busiest "
       "have "
       "to do.",
       {{"collection", "NAME", "", "Only the ranges of this collection."}, kHex}},
      {"range describe",
       "RANGE",
       "Shows one range as its leader sees it; `explain KEY` says it in words.",
       {kHex}},
      {"range split",
       "KEY",
       "Splits the range that holds KEY, so that KEY begins the right half. Repeating it is safe.",
       {kCollection, kHex}},
      {"range merge",
       "RANGE [RIGHT]",
       "Merges a range, by its id, with its right neighbour, which must be on the same stores. "
       "With "
       "the neighbour's id, RIGHT, it may be repeated; without, a repetition absorbs the next one.",
       {}},
      {"range replicas",
       "RANGE [CHANGE] [STORE] [NEW]",
       "Shows the replicas of a range, or changes them: add STORE, remove STORE, or replace STORE "
       "NEW. Repeating it is safe and goes on where it ended; waits ten minutes unless --timeout "
       "is "
       "given.",
       {}},
      {"lease transfer",
       "RANGE STORE",
       "Hands the leadership of a range to a store that holds a replica. RANGE and STORE are ids, "
       "as "
       "in `range ls` and `store ls`.",
       {}},
      {"cluster init",
       "",
       "Creates the cluster out of the nodes in the seed list. Repeating it is safe; waits a "
       "minute "
       "unless --timeout is given.",
       {}},
      {"cluster status",
       "",
       "Shows the cluster as a node sees it. Exit code 1 if it is not initialised.",
       {}},
  };
}

std::vector<CommandRow> StoreCommands() {
  return {
      {"store ls",
       "",
       "Lists the stores: whether they answer, how many ranges have a replica there, and where "
       "they "
       "are.",
       {}},
      {"store replace",
       "STORE NEW",
       "Moves every replica of a store, dead or alive, to another one, a range after the other. "
       "Repeating it goes on where it ended; waits ten minutes for each range unless --timeout is "
       "given.",
       {}},
      {"store drain",
       "STORE",
       "Has the cluster hand the store's leaderships to other stores, and give it neither "
       "leaderships "
       "nor replicas until `store undrain`. Its replicas stay.",
       {kWait}},
      {"store undrain",
       "STORE",
       "Makes the store one like any other again; also ends a decommissioning.",
       {}},
      {"store decommission",
       "STORE",
       "Has the cluster move everything off the store and take it off the list for good. "
       "Repeating it is safe.",
       {kWait}},
      {"plan",
       "[CHANGE]",
       "Shows what the cluster moves by itself, what it will move and has moved, and why; "
       "pause stops that until resume.",
       {}},
      {"store forget",
       "STORE",
       "Takes a store that holds no replica any more off the list, for good. Repeating it is safe.",
       {}},
  };
}

std::vector<CommandRow> LoadCommands() {
  return {
      {"explain",
       "KEY",
       "Says in words which range holds KEY, where it is and who leads it, what it has to do, when "
       "it "
       "would split, and what was decided about it lately and why.",
       {kCollection, kHex}},
      {"top",
       "",
       "Shows the busiest ranges, the stores and the newest decisions, again each second on a "
       "terminal, otherwise once.",
       {{"once", "", "", "Shows them once, on a terminal too."},
        {"rows", "COUNT", "20", "At most so many ranges and decisions, up to 1000."}}},
  };
}

// Those that act against the protocol's own judgement.
std::vector<CommandRow> WayOutCommands() {
  return {
      {"store withdraw",
       "STORE",
       "Has every store that is reached withdraw what it promised to a leader on STORE, which must "
       "be "
       "proved dead, so that others may lead at once. If STORE is NOT dead it may serve stale "
       "reads "
       "for about a lease; no write is lost. A store that was heard less than half a lease ago (1 "
       "s) "
       "is refused: so long is waited for first, which is enough after a kill. Every store keeps "
       "a trace: store audit.",
       {{"i-proved-that-this-store-is-dead", "STORE", "",
         "Required: the id once more. Its process is known to be gone, or its machine to be off; "
         "that it does not answer is no proof."}}},
      {"store audit",
       "",
       "Shows what operators did against the protocol's own judgement: promises withdrawn, ranges "
       "recovered from a survivor.",
       {}},
  };
}

CommandRow BenchCommand() {
  return {
      "bench",
      "",
      "Measures throughput, latency and CPU under a closed loop of single calls. It writes "
      "--keys keys `bench-...` into the collection; they stay. CPU of servers is counted where "
      "they "
      "run on this machine; OTHERS is the share of its processors that other processes took.",
      {{"operations", "LIST", "set,get,cas", "What to do, each alone: set, get, cas."},
       {"outstanding", "LIST", "1,64,256", "How many calls are under way at a time."},
       {"connections", "COUNT", "4", "TCP connections to each node."},
       {"threads", "COUNT", "1", "Threads of the client; each serves some of the connections."},
       {"keys", "COUNT", "100000", "How many different keys."},
       {"value-size", "BYTES", "256", "Size of a value."},
       {"seconds", "SECONDS", "10", "How long each loop is counted."},
       {"warmup", "SECONDS", "2", "How long each loop runs before."},
       {"rounds", "COUNT", "1", "How often each loop is repeated; 3 with --compare."},
       kCollection,
       {"any-node", "", "", "Goes to the endpoints in turn instead of to the leaders."},
       {"etcd", "HOST:PORT,...", "", "Drives this etcd cluster instead, with the same load."},
       {"compare", "", "", "Drives both clusters in turn and shows them in one table."},
       {"pids", "NAME=PID,...", "",
        "Processes whose CPU is counted, instead of those found by their ports; names of etcd's "
        "begin with etcd."},
       {"result", "PATH", "", "Also writes the result as JSON to a file."}}};
}

CommandTable MakeTable() {
  CommandTable table;
  table.program = "rasputin";
  table.sentence =
      "Talks to a Rasputin cluster. Exit codes: 0 done, 1 the answer is no (a missing key, a "
      "failed "
      "cas),\n2 wrong usage, 3 the cluster could not be reached, 4 refused, 5 outcome unknown.";
  table.flags = {
      {"endpoints", "HOST:PORT,...", "127.0.0.1:8880",
       "Client addresses of nodes; one is enough. RASPUTIN_ENDPOINTS changes the default."},
      {"timeout", "TIME", "10s",
       "How long to try, for example 500ms or 1m. Unless it is given, nodes to which no connection "
       "can be made are given up after 5 s, and commands that say so wait longer."},
      {"output", "FORMAT", "table", "table, or json: one JSON value on standard output."},
      {"version", "", "", "Shows the version."},
  };
  for (const auto& commands : {KvCommands(), CollectionCommands(), AdminCommands(), LoadCommands(),
                               StoreCommands(), WayOutCommands()}) {
    table.commands.insert(table.commands.end(), commands.begin(), commands.end());
  }
  table.commands.push_back(BenchCommand());
  table.commands.push_back(
      {"completion bash",
       "",
       "Prints a completion script for bash. Use it with: source <(rasputin completion bash).",
       {}});
  return table;
}

}  // namespace

const CommandTable& Commands() {
  static const CommandTable* const table = new CommandTable(MakeTable());
  return *table;
}

}  // namespace rasputin::client
