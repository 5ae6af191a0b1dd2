// Verbs and the texts of messages; see core_script.h.

#include "consensus/core/core_script.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "consensus/core/configuration_codec.h"

namespace rasputin::consensus {
namespace {

uint64_t Number(const std::string& word) {
  uint64_t value = 0;
  CHECK(absl::SimpleAtoi(word, &value)) << "not a number: " << word;
  return value;
}

std::string Text(LogPosition p) { return absl::StrCat(p.term.value(), "/", p.index.value()); }

std::string Text(const std::vector<Entry>& entries) {
  std::string out = "[";
  for (const Entry& entry : entries) {
    absl::StrAppend(&out, out.size() > 1 ? " " : "", entry.term.value(), "/", entry.index.value());
    if (entry.type == EntryType::kConfig) {
      absl::StrAppend(&out, ":", ToString(*DecodeConfiguration(entry.payload)));
    } else if (!entry.payload.empty()) {
      absl::StrAppend(&out, ":", std::string(entry.payload));
    }
  }
  return out + "]";
}

const char* Text(ProbeStatus status) {
  return status == ProbeStatus::kOk ? "ok" : status == ProbeStatus::kBound ? "bound" : "not-now";
}

const char* Text(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kProbing:
      return "probing";
    case Role::kPulling:
      return "pulling";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

struct BodyText {
  std::string operator()(const ProbeRequest& b) {
    return absl::StrCat("Probe last=", Text(b.last));
  }
  std::string operator()(const ProbeReply& b) {
    std::string out = absl::StrCat("ProbeReply ", Text(b.status), " last=", Text(b.last));
    if (b.bound_to.IsSet()) absl::StrAppend(&out, " bound_to=", b.bound_to.value());
    return out;
  }
  std::string operator()(const VoteRequest& b) {
    std::string out = absl::StrCat("Vote last=", Text(b.last), b.nonce.IsSet() ? " nonce" : "");
    if (b.released_term.IsSet()) absl::StrAppend(&out, " released=", b.released_term.value());
    return out;
  }
  std::string operator()(const VoteReply& b) { return b.granted ? "Granted" : "Refused"; }
  std::string operator()(const AppendRequest& b) {
    return absl::StrCat("Append after=", Text(b.previous), " ", Text(b.entries),
                        " commit=", b.commit.value(), " epoch=", b.epoch.value());
  }
  std::string operator()(const AppendReply& b) {
    return absl::StrCat(b.accepted ? absl::StrCat("Appended match=", b.match.value())
                                   : absl::StrCat("AppendRefused hint=", Text(b.conflict_hint)),
                        " bound=", b.bound_epoch.value());
  }
  std::string operator()(const PullRequest& b) {
    return absl::StrCat("Pull after=", Text(b.after));
  }
  std::string operator()(const PullReply& b) {
    return absl::StrCat(b.matched ? "Pulled after=" : "PullMismatch try=", Text(b.previous), " ",
                        Text(b.entries), " of ", Text(b.donor_last));
  }
  std::string operator()(const Release& b) {
    std::string out = absl::StrCat("Release <=", b.released_term.value());
    if (b.target.IsSet()) absl::StrAppend(&out, " target=", b.target.value());
    return out;
  }
  std::string operator()(const ReleaseAck& b) {
    return absl::StrCat("ReleaseAck <=", b.released_term.value());
  }
  std::string operator()(const ReleaseQuery& b) {
    return absl::StrCat("ReleaseQuery term=", b.bound_term.value());
  }
  // The owner's, never a core's.
  std::string operator()(const SnapshotChunk&) { return "SnapshotChunk"; }
  std::string operator()(const SnapshotAck&) { return "SnapshotAck"; }
  std::string operator()(const Removed&) { return "Removed"; }
};

std::string EventText(Event event) {
  event.range = RangeId();
  return absl::StrCat("  ! ", ToString(event));
}

}  // namespace

std::string ToString(const Message& m) {
  return absl::StrCat("  ", m.from.value(), "->", m.to.value(), " t", m.term.value(), " ",
                      std::visit(BodyText(), m.body));
}

CoreScript::Node& CoreScript::At(const std::string& word) {
  const auto found = nodes_.find(Number(word));
  CHECK(found != nodes_.end() && found->second.core != nullptr) << "replica " << word;
  return found->second;
}

std::vector<std::string> CoreScript::Run(const std::string& line) {
  out_.clear();
  const Words words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  const std::string& verb = words[0];
  if (verb == "cluster") {
    Cluster(words);
  } else if (verb == "log") {
    SetLog(words);
  } else if (verb == "support") {
    SetSupport(words);
  } else if (verb == "withdraw") {
    At(words[1]).leases->lowest[StoreId(100 + Number(words[2]))] = Epoch(Number(words[3]) + 1);
    At(words[1]).core->Tick(now_);
  } else if (verb == "wait") {
    Wait(words);
  } else if (verb == "campaign") {
    Campaign(words);
  } else if (verb == "deliver" || verb == "drop") {
    Deliver(words, verb == "drop");
  } else if (verb == "hold") {
    At(words[1]).hold = true;
  } else if (verb == "sync") {
    Node& node = At(words[1]);
    node.hold = false;
    for (const Ready& ready : std::exchange(node.held, {})) Persist(Number(words[1]), ready);
  } else if (verb == "propose") {
    At(words[1]).core->Propose(now_, absl::Cord(words[2]));
  } else if (verb == "read") {
    Print(At(words[1]).core->MayServeRead(now_) ? "  may serve" : "  may not serve");
  } else if (verb == "read-index") {
    At(words[1]).core->RequestReadIndex(now_, Number(words[2]));
  } else if (verb == "transfer") {
    At(words[1]).core->TransferLeadership(now_, ReplicaId(Number(words[2])));
  } else if (verb == "abdicate") {
    At(words[1]).core->Abdicate(now_);
  } else if (verb == "change") {
    Change(words);
  } else if (verb == "cut") {
    CutLog(words);
  } else if (verb == "snapshot") {
    SendSnapshot(words);
  } else if (verb == "strand") {
    At(words[1]).durable.term = Term(Number(words[2]));
    At(words[1]).durable.vote = ReplicaId(Number(words[1]));
    Start(Number(words[1]));
  } else if (verb == "restart") {
    Start(Number(words[1]));
  } else if (verb == "status") {
    Status();
  } else {
    LOG(FATAL) << "unknown verb: " << verb;
  }
  for (auto& [id, node] : nodes_) {
    if (node.core != nullptr) Settle(id);
  }
  return out_;
}

void CoreScript::Cluster(const Words& words) {
  replicas_ = Number(words[1]);
  now_.boot = now_.raw = Instant(std::chrono::seconds(1000));
  Configuration all;
  for (uint64_t id = 1; id <= replicas_; ++id) {
    all.voters.push_back({ReplicaId(id), StoreId(100 + id)});
  }
  for (uint64_t id = 1; id <= replicas_; ++id) {
    Node& node = nodes_[id];
    node.start_configuration = all;
    node.leases = std::make_unique<ManualLeases>();
    node.leases->support[StoreId(100 + id)] = {Epoch(1), {Instant::max(), Instant::max()}};
    Start(id);
  }
}

void CoreScript::Start(uint64_t id) {
  Node& node = nodes_[id];
  node.held.clear();
  node.hold = false;
  node.invariants.reset();
  node.core.reset();
  node.log = std::make_unique<VectorLog>(node.durable_entries, node.start);
  node.configuration = node.start_configuration;
  CoreOptions options;
  options.range = RangeId(7);
  options.self = ReplicaId(id);
  options.self_store = StoreId(100 + id);
  options.lease_duration = kD;
  InitialState initial;
  initial.hard_state = node.durable;
  initial.configuration = node.start_configuration;
  initial.applied = node.start.index;
  node.core = std::make_unique<Core>(options, initial, node.log.get(), node.leases.get(), now_);
  node.invariants = std::make_unique<CoreInvariants>(node.core.get(), &violations_);
}

// log R 1,1,2: the replica restarts with entries of these terms.
void CoreScript::SetLog(const Words& words) {
  Node& node = At(words[1]);
  node.durable_entries.clear();
  for (const std::string& term : Words(absl::StrSplit(words[2], ','))) {
    Entry entry;
    entry.term = Term(Number(term));
    entry.index = Index(node.durable_entries.size() + 1);
    node.durable.term = entry.term;
    node.durable_entries.push_back(entry);
  }
  Start(Number(words[1]));
}

// support A B E: store A is supported by store B at epoch E for D from now.
void CoreScript::SetSupport(const Words& words) {
  Node& node = At(words[1]);
  const StoreId peer(100 + Number(words[2]));
  node.leases->support[peer] = {Epoch(Number(words[3])), {now_.boot + kD, now_.raw + kD}};
  node.leases->own_epoch[peer] = Epoch(Number(words[3]));
  node.core->Tick(now_);
}

void CoreScript::Wait(const Words& words) {
  const auto time = std::chrono::milliseconds(static_cast<int64_t>(Number(words[1])));
  now_.boot += time;
  now_.raw += time;
  for (auto& [id, node] : nodes_) {
    if (node.core != nullptr) node.core->Tick(now_);
  }
}

// The clocks go on until the replica's election timer fires; nobody else is woken.
void CoreScript::Campaign(const Words& words) {
  Node& node = At(words[1]);
  CHECK(node.core->NextDeadline() != Instant::max()) << "no timer runs";
  const Duration left = std::max(Duration::zero(), node.core->NextDeadline() - now_.boot);
  now_.boot += left;
  now_.raw += left;
  node.core->Tick(now_);
}

// deliver: what is under way now, in order. deliver A->B: only that. deliver all: until silence.
void CoreScript::Deliver(const Words& words, bool drop) {
  const std::string which = words.size() > 1 ? words[1] : "";
  do {
    std::vector<Message> rest;
    for (const Message& m : std::exchange(network_, {})) {
      const std::string link = absl::StrCat(m.from.value(), "->", m.to.value());
      if (which != "" && which != "all" && which != link) {
        rest.push_back(m);
      } else if (!drop && nodes_[m.to.value()].core != nullptr) {
        nodes_[m.to.value()].core->Step(now_, m);
        Settle(m.to.value());
      }
    }
    network_.insert(network_.begin(), rest.begin(), rest.end());
  } while (which == "all" && !network_.empty());
}

void CoreScript::Queue(const std::vector<Message>& messages) {
  for (const Message& m : messages) {
    Print(ToString(m));
    network_.push_back(m);
  }
}

void CoreScript::Persist(uint64_t id, const Ready& ready) {
  Node& node = nodes_[id];
  if (ready.hard_state.has_value()) node.durable = *ready.hard_state;
  VectorLog::Continue(&node.durable_entries, node.start, ready.entries);
  if (ready.persist_sequence != 0) {
    Print(absl::StrCat("  ", id, " synced", ready.entries.empty() ? "" : " ",
                       ready.entries.empty() ? "" : Text(ready.entries)));
  }
  Queue(ready.send_after_persist);
  if (ready.persist_sequence != 0) node.core->OnPersisted(now_, ready.persist_sequence);
}

void CoreScript::Settle(uint64_t id) {
  Node& node = nodes_[id];
  while (node.core->HasReady()) {
    const Ready ready = node.core->TakeReady();
    node.invariants->CheckReady(ready);
    for (const Event& event : ready.events) Print(EventText(event));
    Queue(ready.send_now);
    node.log->Append(ready.entries);
    if (node.hold) {
      node.held.push_back(ready);
    } else {
      Persist(id, ready);
    }
    if (!ready.committed.empty()) {
      Print(absl::StrCat("  ", id, " applies ", Text(ready.committed)));
      Apply(id, ready.committed);
    }
    for (const ReplicaId to : ready.snapshots_wanted) {
      Print(absl::StrCat("  ", id, " wants a snapshot for ", to.value()));
    }
    for (const ReadIndexResult& read : ready.reads) {
      Print(absl::StrCat("  ", id, " read ", read.context,
                         read.failed ? " failed" : absl::StrCat(" at ", read.index.value())));
    }
    node.invariants->Check();
  }
}

void CoreScript::Apply(uint64_t id, const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (entry.type == EntryType::kConfig) {
      nodes_[id].configuration = *DecodeConfiguration(entry.payload);
    }
  }
  nodes_[id].core->OnApplied(entries.back().index);
}

// change R 1,2,4 [5,6]: R proposes these voters and learners; replica n is on store 100 + n.
void CoreScript::Change(const Words& words) {
  Configuration target;
  for (const std::string& id : Words(absl::StrSplit(words[2], ','))) {
    target.voters.push_back({ReplicaId(Number(id)), StoreId(100 + Number(id))});
  }
  for (const std::string& id : words.size() > 3 ? Words(absl::StrSplit(words[3], ',')) : Words()) {
    target.learners.push_back({ReplicaId(Number(id)), StoreId(100 + Number(id))});
  }
  const ProposeStatus status = At(words[1]).core->ProposeConfiguration(now_, target).status;
  if (status != ProposeStatus::kAccepted) {
    Print(absl::StrCat("  refused: ", status == ProposeStatus::kChangeUnderWay ? "change under way"
                                      : status == ProposeStatus::kNotReady     ? "not ready"
                                      : status == ProposeStatus::kInvalid      ? "invalid"
                                                                               : "not leader"));
  }
}

// cut R: R forgets its log up to what it has applied.
void CoreScript::CutLog(const Words& words) {
  Node& node = At(words[1]);
  const Index applied = node.core->applied_index();
  const uint64_t cut = applied.value() - node.start.index.value();
  node.start = {node.log->TermAt(applied), applied};
  node.start_configuration = node.configuration;
  node.durable_entries.erase(node.durable_entries.begin(),
                             node.durable_entries.begin() + static_cast<ptrdiff_t>(cut));
  node.log->CutTo(applied);
}

// snapshot A B [lost]: the state of A is installed at B, whose replica begins anew with it.
void CoreScript::SendSnapshot(const Words& words) {
  Node& from = At(words[1]);
  const uint64_t to = Number(words[2]);
  const bool lost = words.size() > 3;
  if (!lost) {
    Node& node = nodes_[to];
    if (node.leases == nullptr) {
      node.leases = std::make_unique<ManualLeases>();
      node.leases->support[StoreId(100 + to)] = {Epoch(1), {Instant::max(), Instant::max()}};
      node.durable.term = from.core->term();
    } else {
      node.durable = node.core->hard_state();
    }
    const Index applied = from.core->applied_index();
    node.start = {from.log->TermAt(applied), applied};
    node.start_configuration = from.configuration;
    node.durable_entries.clear();
    Start(to);
  }
  from.core->OnSnapshotSent(now_, ReplicaId(to), !lost);
}

void CoreScript::Status() {
  for (const auto& [id, node] : nodes_) {
    if (node.core == nullptr) continue;
    const HardState& hs = node.core->hard_state();
    Print(absl::StrCat(
        "  ", id, " ", Text(node.core->role()), " t", hs.term.value(), " vote=", hs.vote.value(),
        " last=", Text(node.log->Last()), " commit=", node.core->commit_index().value(),
        hs.bound_leader.IsSet() ? absl::StrCat(" bound=", hs.bound_leader.value(), "/t",
                                               hs.bound_term.value(), "/e", hs.bound_epoch.value())
                                : "",
        hs.released_term.IsSet() ? absl::StrCat(" released=", hs.released_term.value()) : "",
        node.core->configuration() == nodes_[1].start_configuration
            ? ""
            : absl::StrCat(" ", ToString(node.core->configuration()))));
  }
}

}  // namespace rasputin::consensus
