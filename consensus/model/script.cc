// A path as a readable script: each action, what the core reported and what it sent.
//
// Part of Explorer (explorer.h). Executes the path anew from the root, as texts are not kept. Not
// thread-safe.

#include "absl/strings/str_cat.h"
#include "consensus/core/core_script.h"
#include "consensus/model/explorer.h"

namespace rasputin::consensus::model {

std::string Explorer::NameOf(const Action& action) const {
  const std::string self = absl::StrCat("replica ", action.replica + 1);
  const std::string store = absl::StrCat("store ", action.replica + 1);
  switch (action.kind) {
    case ActionKind::kLeaseEnds:
      return absl::StrCat(store, " counts no more on the support of store ", action.peer + 1);
    case ActionKind::kSupport:
      return absl::StrCat(store, " is supported by store ", action.peer + 1, " again");
    case ActionKind::kWithdraw:
      return absl::StrCat(store, " withdraws its promise to store ", action.peer + 1);
    case ActionKind::kReplica:
      break;
  }
  switch (action.input.kind) {
    case InputKind::kMessage:
      return absl::StrCat("arrives:", ToString(messages_.message(action.input.argument)));
    case InputKind::kElectionTimer:
      return self + ": its election timer fires";
    case InputKind::kAttemptTimer:
      return self + " gives its campaign up";
    case InputKind::kTransferTimer:
      return self + " gives the handover up";
    case InputKind::kTick:
      return self + " looks at its lease";
    case InputKind::kPersisted:
      return self + ": what it was writing is durable";
    case InputKind::kRestart:
      return self + " dies and starts again";
    case InputKind::kPropose:
      return self + ": a command is proposed";
    case InputKind::kTransfer:
      return absl::StrCat(self, " is told to hand over to replica ", action.input.argument + 1);
    case InputKind::kAbdicate:
      return self + " is told to abdicate";
    case InputKind::kQuery:
      return self + ": a client went unserved";
  }
  return "?";
}

// The last action of `path` may be one in which the core stops the process: it is named by the
// caller then, not taken here.
std::vector<std::string> Explorer::ScriptOf(const std::vector<uint32_t>& path) {
  std::vector<std::string> lines;
  GroupState state = root_;
  int step = 0;
  for (const uint32_t packed : path) {
    const Action action = Unpack(packed);
    lines.push_back(absl::StrCat(++step, ". ", NameOf(action)));
    GroupState with_leases = state;
    ChangeLeases(action, &with_leases);
    if (action.kind != ActionKind::kLeaseEnds) {
      for (std::string& line :
           replicas_.Describe(state.replicas[action.replica],
                              with_leases.leases.ViewOf(action.replica), InputOf(action))) {
        lines.push_back(absl::StrCat("  ", line));
      }
    }
    Perform(action, &state);
  }
  return lines;
}

std::vector<std::string> Explorer::CurrentScript() {
  if (nodes_.empty()) return {"on the way to the root"};
  const std::vector<uint32_t> path = PathTo(expanding_);
  std::vector<std::string> lines = ScriptOf(path);
  lines.push_back(absl::StrCat(path.size() + 1, ". ", NameOf(Unpack(performing_))));
  return lines;
}

}  // namespace rasputin::consensus::model
