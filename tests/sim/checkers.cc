// The guarantees, checked; see checkers.h.

#include "tests/sim/checkers.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/sim/random.h"

namespace rasputin::sim {
namespace {

using consensus::EventType;
using consensus::Index;
using consensus::Term;
using range::RangeId;

// How many entries at the end of two logs are compared.
constexpr uint64_t kCompared = 64;

uint64_t HashOf(const absl::Cord& bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes.Chars()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return MixBits(hash);
}

}  // namespace

void Checkers::Report(const std::string& guarantee, const std::string& details) {
  scheduler_->Note("VIOLATION " + guarantee + ": " + details);
  if (violation_.has_value()) return;
  if (scheduler_->trace()) DescribeStores();
  violation_ = Violation{guarantee, details};
  scheduler_->Stop();
}

void Checkers::DescribeStores() {
  for (int node = 0; node < stores_->StoreCount(); ++node) {
    for (const range::ReplicaStatus& replica : stores_->ReplicasAt(node)) {
      const range::RangeDescriptor& descriptor = replica.descriptor;
      std::string members;
      for (const auto& member : descriptor.replicas()) {
        absl::StrAppend(&members, " ", member.replica_id(), "@", member.store_id(), "/",
                        static_cast<int>(member.role()));
      }
      for (const consensus::MemberProgress& member : replica.members) {
        if (member.needs_snapshot) absl::StrAppend(&members, " ", member.id.value(), " needs one");
      }
      scheduler_->Note(absl::StrCat(
          "store ", node + 1, " range ", descriptor.range_id(), " generation ",
          descriptor.generation(), " [", absl::CEscape(descriptor.start_key()), ", ",
          absl::CEscape(descriptor.end_key()), ") role ", static_cast<int>(replica.role), " term ",
          replica.term.value(), " committed ", replica.committed.value(), " applied ",
          replica.applied.value(), " last ", replica.last.value(), " leader store ",
          replica.leader_store.value(), replica.serving ? " serving" : "", " replica ",
          replica.replica.value(), " of", members));
    }
  }
}

void Checkers::OnStart(int node) {
  last_applied_.erase(last_applied_.lower_bound({node, RangeId()}),
                      last_applied_.lower_bound({node + 1, RangeId()}));
}

void Checkers::OnDescriptor(int node, const range::RangeDescriptor& descriptor) {
  const RangeId range(descriptor.range_id());
  if (absorbed_.count(range) != 0) return;
  range::RangeDescriptor& known = ranges_[range];
  if (known.generation() >= descriptor.generation()) return;
  const bool merged =
      known.has_merge() && !descriptor.has_merge() && known.end_key() != descriptor.end_key();
  if (merged) {
    const RangeId right(known.merge().right_range_id());
    absorbed_.insert(right);
    ranges_.erase(right);
  }
  known = descriptor;
  ranges_changed_ = true;
  CheckVoters(node, descriptor);
}

void Checkers::CheckVoters(int node, const range::RangeDescriptor& descriptor) {
  int before = 0;
  int after = 0;
  for (const auto& replica : descriptor.replicas()) {
    const bool comes = replica.role() == type::v1::REPLICA_ROLE_INCOMING;
    const bool goes = replica.role() == type::v1::REPLICA_ROLE_OUTGOING;
    if (replica.role() == type::v1::REPLICA_ROLE_LEARNER) continue;
    if (!comes) ++before;
    if (!goes) ++after;
  }
  if (std::min(before, after) >= voters_min_) return;
  Report("Redundancy", absl::StrCat("range ", descriptor.range_id(), " has ", before, " voters, ",
                                    after, " to be, at generation ", descriptor.generation(),
                                    ", as store ", node + 1, " says"));
}

// What is ahead of everybody else is a step that was committed, so at any instant these ranges hold
// each key once: splits and merges are one step for all who are concerned.
void Checkers::CheckTiling() {
  if (!ranges_changed_) return;
  ranges_changed_ = false;
  std::map<std::string, const range::RangeDescriptor*> by_start;
  for (const auto& [range, descriptor] : ranges_) {
    const auto [at, inserted] = by_start.emplace(descriptor.start_key(), &descriptor);
    if (inserted) continue;
    return Report("One Range per Key", absl::StrCat("ranges ", at->second->range_id(), " and ",
                                                    range.value(), " begin at one key"));
  }
  const range::RangeDescriptor* last = nullptr;
  for (const auto& [start, descriptor] : by_start) {
    if (last != nullptr && last->end_key() != start) {
      return Report("One Range per Key",
                    absl::StrCat("ranges ", last->range_id(), " and ", descriptor->range_id(),
                                 " overlap or leave a gap"));
    }
    last = descriptor;
  }
  if (last != nullptr && !last->end_key().empty()) {
    Report("One Range per Key", absl::StrCat("nothing follows range ", last->range_id()));
  }
}

void Checkers::OnEvent(int node, const consensus::Event& event) {
  if (scheduler_->trace()) {
    scheduler_->Note(absl::StrCat("store ", node + 1, ": ", consensus::ToString(event)));
  }
  scheduler_->Hash(static_cast<uint64_t>(event.type) ^ event.range.value() << 8 ^
                   event.term.value() << 24 ^ event.index.value() << 40);
  switch (event.type) {
    case EventType::kBecameLeader:
      OnBecameLeader(node, event);
      break;
    case EventType::kLeaseAcquired:
      ++counters_.leases_acquired;
      // After the turn in which the store is now.
      scheduler_->After(0, "sample", 0, [this] { Sample(); });
      break;
    case EventType::kAbdicated:
      ++counters_.abdications;
      ++counters_.abdications_by_reason[static_cast<int>(event.detail)];
      break;
    case EventType::kReleased:
      ++counters_.releases;
      break;
    case EventType::kCampaignPulling:
      ++counters_.pulls;
      break;
    case EventType::kTransferStarted:
      ++counters_.transfers_started;
      break;
    case EventType::kSupportWithdrawn:
      ++counters_.withdrawals;
      break;
    case EventType::kLogTruncated:
      ++counters_.truncations;
      break;
    case EventType::kLeasesSuspended:
      ++counters_.suspensions;
      break;
    default:
      break;
  }
}

void Checkers::OnBecameLeader(int node, const consensus::Event& event) {
  ++counters_.elections;
  ++elections_[event.range];
  consensus::Term& highest = highest_elected_[event.range];
  const auto [found, inserted] = leaders_.emplace(std::make_pair(event.range, event.term),
                                                  std::make_pair(node, event.replica));
  if (!inserted) {
    Report("Election Safety", absl::StrCat("range ", event.range.value(), " term ",
                                           event.term.value(), " is led by store ", node + 1,
                                           " and was led by store ", found->second.first + 1));
  }
  CheckNoPreemption(node, event);
  CheckLeaderCompleteness(node, event);
  highest = std::max(highest, event.term);
}

void Checkers::CheckNoPreemption(int node, const consensus::Event& event) {
  for (int other = 0; other < stores_->StoreCount(); ++other) {
    if (other == node) continue;
    for (const range::ReplicaStatus& replica : stores_->ReplicasAt(other)) {
      if (RangeId(replica.descriptor.range_id()) != event.range || !replica.serving) continue;
      if (event.term < replica.term) continue;  // A late, useless election of an old term.
      Report("No Preemption",
             absl::StrCat("store ", node + 1, " became leader of range ", event.range.value(),
                          " in term ", event.term.value(), " while store ", other + 1,
                          " served in term ", replica.term.value()));
    }
  }
}

// A leader's log holds every entry that was committed in an earlier term. (Not every entry *of* an
// earlier term: whoever learns late of its election may lack what a later leader committed.)
void Checkers::CheckLeaderCompleteness(int node, const consensus::Event& event) {
  const range::Store* store = stores_->StoreAt(node);
  const auto found = applied_.find(event.range);
  if (store == nullptr || found == applied_.end()) return;
  const consensus::log::SharedLog* log = stores_->StoreAt(node)->log();
  for (uint64_t i = found->second.size(); i-- > 1;) {
    const Applied& applied = found->second[i];
    if (applied.term == 0 || applied.committed_by >= event.term.value()) continue;
    if (log->Start(event.range).index >= Index(i)) return;
    const consensus::LogPosition last = log->Last(event.range);
    if (last.index < Index(i) || log->TermAt(event.range, Index(i)).value() != applied.term) {
      Report("Leader Completeness",
             absl::StrCat("store ", node + 1, " leads range ", event.range.value(), " in term ",
                          event.term.value(), " without entry ", i, " of term ", applied.term,
                          ", which was applied; its log ends at ", last.index.value(), " of term ",
                          last.term.value()));
    }
    return;
  }
}

void Checkers::OnApplied(int node, RangeId range, Index index, Term term,
                         const absl::Cord& command) {
  ++counters_.applied;
  const uint64_t hash = HashOf(command);
  scheduler_->Hash(hash ^ index.value());
  Index& last = last_applied_[{node, range}];
  if (index <= last) {
    Report("State Machine Safety",
           absl::StrCat("store ", node + 1, " applied entry ", index.value(), " of range ",
                        range.value(), " after entry ", last.value()));
  }
  last = index;
  std::vector<Applied>& applied = applied_[range];
  if (applied.size() <= index.value()) applied.resize(index.value() + 1);
  Applied& entry = applied[index.value()];
  if (entry.term == 0) {
    entry = {term.value(), hash, highest_elected_[range].value()};
    return;
  }
  if (entry.term == term.value() && entry.hash == hash) return;
  Report("State Machine Safety",
         absl::StrCat("store ", node + 1, " applied another entry ", index.value(), " of range ",
                      range.value(), ": term ", term.value(), " instead of ", entry.term));
}

void Checkers::Sample() {
  ++counters_.samples;
  CheckTiling();
  std::vector<Claim> claims;
  for (int node = 0; node < stores_->StoreCount(); ++node) {
    for (const range::ReplicaStatus& replica : stores_->ReplicasAt(node)) {
      // One that is frozen serves nothing, lease or not.
      if (!replica.serving || replica.descriptor.has_frozen_by()) continue;
      claims.push_back({replica.descriptor.start_key(), replica.descriptor.end_key(), node,
                        RangeId(replica.descriptor.range_id()), replica.term});
    }
  }
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return a.start < b.start; });
  for (size_t i = 1; i < claims.size(); ++i) {
    const Claim& a = claims[i - 1];
    const Claim& b = claims[i];
    if (!a.end.empty() && b.start >= a.end) continue;
    const bool same = a.range == b.range;
    Report(same ? "Lease Disjointness" : "One Serving Range",
           absl::StrCat("store ", a.node + 1, " serves range ", a.range.value(), " in term ",
                        a.term.value(), " while store ", b.node + 1, " serves range ",
                        b.range.value(), " in term ", b.term.value(), " and both hold a key"));
  }
}

void Checkers::SampleLogs() {
  std::map<RangeId, std::vector<int>> holders;
  for (int node = 0; node < stores_->StoreCount(); ++node) {
    for (const range::ReplicaStatus& replica : stores_->ReplicasAt(node)) {
      holders[RangeId(replica.descriptor.range_id())].push_back(node);
    }
  }
  for (const auto& [range, nodes] : holders) {
    for (size_t i = 1; i < nodes.size(); ++i) CompareLogs(range, nodes[i - 1], nodes[i]);
  }
}

void Checkers::CompareLogs(RangeId range, int a, int b) {
  const consensus::log::SharedLog* left = stores_->StoreAt(a)->log();
  const consensus::log::SharedLog* right = stores_->StoreAt(b)->log();
  const Index first = std::max(left->Start(range).index, right->Start(range).index).Next();
  const Index last = std::min(left->Last(range).index, right->Last(range).index);
  if (last < first) return;
  bool matched = false;  // At a higher index.
  for (uint64_t i = last.value(); i >= first.value() && i + kCompared > last.value(); --i) {
    const bool same = left->TermAt(range, Index(i)) == right->TermAt(range, Index(i));
    if (matched && !same) {
      Report("Log Matching", absl::StrCat("range ", range.value(), ": stores ", a + 1, " and ",
                                          b + 1, " agree above entry ", i, " and not on it"));
      return;
    }
    if (!same) continue;
    matched = true;
    const auto one = left->ReadEntries(range, Index(i), Index(i), 1);
    const auto other = right->ReadEntries(range, Index(i), Index(i), 1);
    // A damaged log says so; what becomes of its store is not judged here.
    if (absl::IsDataLoss(one.status()) || absl::IsDataLoss(other.status())) continue;
    if (one.ok() && other.ok() && one->front().payload == other->front().payload) continue;
    Report("Log Matching",
           absl::StrCat("range ", range.value(), ": entry ", i,
                        " of one term differs between stores ", a + 1, " and ", b + 1));
    return;
  }
}

uint64_t Checkers::ElectionsOf(RangeId range) const {
  const auto found = elections_.find(range);
  return found == elections_.end() ? 0 : found->second;
}

Index Checkers::AppliedOf(RangeId range) const {
  const auto found = applied_.find(range);
  return found == applied_.end() || found->second.empty() ? Index()
                                                          : Index(found->second.size() - 1);
}

}  // namespace rasputin::sim
