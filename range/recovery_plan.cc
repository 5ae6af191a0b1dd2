// Judging ranges by reports; see recovery_plan.h.

#include "range/recovery_plan.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "consensus/core/configuration.h"
#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using consensus::Configuration;
using consensus::LogPosition;
using consensus::Member;
using consensus::RangeId;
using consensus::ReplicaId;
using consensus::StoreId;
using storage::v1::ReplicaReport;
using storage::v1::StoreReport;

struct Survivors {
  std::set<StoreId> lost;
  std::set<StoreId> reported;
  // Of each range, by store.
  std::map<RangeId, std::map<StoreId, const ReplicaReport*>> replicas;
};

absl::StatusOr<Survivors> Gather(const std::vector<StoreReport>& reports,
                                 const std::vector<StoreId>& lost) {
  if (reports.empty()) return absl::InvalidArgumentError("no store was inspected");
  Survivors survivors;
  survivors.lost = {lost.begin(), lost.end()};
  for (const StoreReport& report : reports) {
    const StoreId store(report.store_id());
    if (report.cluster_id() != reports.front().cluster_id()) {
      return absl::FailedPreconditionError(
          absl::StrCat("store ", reports.front().store_id(), " belongs to cluster ",
                       reports.front().cluster_id(), ", but store ", report.store_id(),
                       " to cluster ", report.cluster_id(), ": these are not of one cluster"));
    }
    if (!survivors.reported.insert(store).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("store ", report.store_id(), " is reported twice"));
    }
    if (survivors.lost.count(store) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("store ", report.store_id(), " is called lost, but here it is"));
    }
    for (const ReplicaReport& replica : report.replicas()) {
      survivors.replicas[RangeId(replica.range().range_id())][store] = &replica;
    }
  }
  return survivors;
}

Configuration InForce(const ReplicaReport& replica) {
  RangeDescriptor members;
  *members.mutable_replicas() = replica.members();
  return ToConfiguration(members);
}

absl::StatusOr<RangeVerdict> Judge(RangeId range, const Survivors& survivors) {
  const std::map<StoreId, const ReplicaReport*>& replicas = survivors.replicas.at(range);
  RangeVerdict verdict;
  verdict.range = range;
  StoreId unknown;
  for (const auto& [store, replica] : replicas) {
    const Configuration members = InForce(*replica);
    // A store that lives and no longer holds the replica does not vote for it.
    const bool quorum = HasQuorum(members, [&](ReplicaId id) {
      const StoreId holder = members.Find(id)->store;
      if (survivors.lost.count(holder) != 0) return false;
      const auto found = replicas.find(holder);
      if (found != replicas.end()) return found->second->replica_id() == id.value();
      return survivors.reported.count(holder) == 0;
    });
    if (quorum) verdict.keeps_majority = true;
    for (const Member& member : members.AllMembers()) {
      const bool known =
          survivors.lost.count(member.store) != 0 || survivors.reported.count(member.store) != 0;
      if (!known && !unknown.IsSet()) unknown = member.store;
    }
    const LogPosition position{consensus::Term(replica->last_term()),
                               consensus::Index(replica->last_index())};
    if (verdict.survivor.IsSet() && !(verdict.position < position)) continue;
    verdict.survivor = store;
    verdict.position = position;
  }
  if (verdict.keeps_majority) {
    verdict.survivor = StoreId();
    verdict.position = LogPosition();
    return verdict;
  }
  if (unknown.IsSet()) {
    return absl::FailedPreconditionError(
        absl::StrCat("range ", range.value(), " has lost its majority, and store ", unknown.value(),
                     ", which may hold more of it than the stores inspected, is neither lost nor "
                     "inspected: pass "
                     "its report, or call it lost if it is"));
  }
  for (const auto& [store, replica] : replicas) {
    if (store != verdict.survivor) verdict.others.push_back(store);
  }
  return verdict;
}

}  // namespace

bool operator==(const RangeVerdict& a, const RangeVerdict& b) {
  return a.range == b.range && a.keeps_majority == b.keeps_majority && a.survivor == b.survivor &&
         a.position == b.position && a.others == b.others;
}

absl::StatusOr<std::vector<RangeVerdict>> PlanRecovery(const std::vector<StoreReport>& reports,
                                                       const std::vector<StoreId>& lost) {
  const absl::StatusOr<Survivors> survivors = Gather(reports, lost);
  if (!survivors.ok()) return survivors.status();
  std::vector<RangeVerdict> verdicts;
  for (const auto& [range, replicas] : survivors->replicas) {
    const absl::StatusOr<RangeVerdict> verdict = Judge(range, *survivors);
    if (!verdict.ok()) return verdict.status();
    verdicts.push_back(*verdict);
  }
  return verdicts;
}

}  // namespace rasputin::range
