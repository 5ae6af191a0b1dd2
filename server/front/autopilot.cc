// See autopilot.h. Not thread-safe.
//
// A merge is decided from what both leaders measure. Most ranges are ruled out by what is known
// here already: the decider is asked as if the neighbour were empty, idle and old, and what it
// refuses even then needs no question.

#include "server/front/autopilot.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "range/load/merge_decider.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/replica_report.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;
using range::RangeReview;
using type::v1::DECISION_KIND_MERGE;
using type::v1::DECISION_KIND_SPLIT;
using type::v1::DECISION_OUTCOME_BEGUN;
using type::v1::DECISION_OUTCOME_DONE;
using type::v1::DECISION_OUTCOME_FAILED;
using type::v1::DECISION_OUTCOME_NOT_TAKEN;

namespace {

// Longer than an election: what is begun should come to its end.
constexpr Duration kSplitDuration = std::chrono::seconds(20);
constexpr Duration kMergeDuration = std::chrono::seconds(20);
constexpr Duration kQuestionDuration = std::chrono::seconds(2);
// A merge that failed is not tried again before: whatever stood in its way stays for a while. Twice
// as long after each further one, since every attempt is written down at both ranges.
constexpr Duration kPauseAfterFailure = std::chrono::minutes(1);
constexpr Duration kPauseAfterFailureMax = std::chrono::minutes(64);
// From some ranges of a review to the next, so that requests are served between.
constexpr Duration kPauseInReview = std::chrono::milliseconds(2);
// Merges under way and questions to neighbours together.
constexpr size_t kQuestionsMax = 8;

constexpr uint64_t kAgesSeconds = 1'000'000'000;

type::v1::RangeLoad EmptyIdleAndOld() {
  type::v1::RangeLoad load;
  load.set_observed_seconds(kAgesSeconds);
  load.set_age_seconds(kAgesSeconds);
  return load;
}

std::string FailureOf(const std::string& reason, const RangeAnswer& answer) {
  return absl::StrCat(
      reason, "; it failed: ",
      answer.response.message.empty() ? "no answer in time" : answer.response.message);
}

// Of the range's members those that could not take part in a merge, as its leader sees them; empty:
// none. Such a merge would be begun, and abandoned at the freeze.
std::string WhoIsAway(const char* which, const admin::v1::DescribeRangeResponse& range) {
  for (const admin::v1::MemberStatus& member : range.members()) {
    if (member.supported() && !member.needs_snapshot()) continue;
    return absl::StrCat("store ", member.store_id(), ", which holds a replica of the ", which,
                        " range, is away or lags behind: ranges are merged when all their replicas "
                        "take part");
  }
  return "";
}

}  // namespace

struct Autopilot::Candidate {
  // Asks the store next, if it is one that is still to be asked.
  void Prefer(StoreId store) {
    const auto at = std::find(stores.begin(), stores.end(), store);
    if (at != stores.end()) std::rotate(stores.begin(), at, at + 1);
  }

  RangeReview left;
  RangeDescriptor right;
  std::vector<StoreId> stores;  // Members of the right range that were not asked.
};

Autopilot::Autopilot(const AutopilotOptions& options, StorePort* store, DecisionsPort* port,
                     Directory* directory, Dispatcher* dispatcher, RangeSplitter* splitter,
                     RangeMerger* merger, client::Router* router, DecisionLog* log)
    : options_(options),
      store_(store),
      port_(port),
      directory_(directory),
      dispatcher_(dispatcher),
      splitter_(splitter),
      merger_(merger),
      router_(router),
      log_(log),
      next_review_(options.enabled ? Instant::min() : Instant::max()) {}

bool Autopilot::Run(const ClockReading& now) {
  if (now.boot < next_review_) return false;
  if (!reviewing_) BeginReview(now);
  Review(now);
  next_review_ = now.boot + kPauseInReview;
  if (!reviewing_) next_review_ = std::max(next_review_, review_began_ + options_.period);
  return true;
}

void Autopilot::BeginReview(const ClockReading& now) {
  reviewing_ = true;
  review_began_ = now.boot;
  for (auto it = failures_.begin(); it != failures_.end();) {
    const bool forgotten = now.boot >= it->second.not_before + kPauseAfterFailureMax;
    it = forgotten ? failures_.erase(it) : std::next(it);
  }
  review_options_.ranges_max = options_.ranges_max;
  review_options_.quiet_max = options_.quiet_max;
  review_options_.refuse_growth = options_.splits_max != 0;
  review_options_.thresholds.clear();
  for (const type::v1::Collection& collection : router_->Collections()) {
    if (collection.options().has_split()) {
      review_options_.thresholds[collection.id()] = collection.options().split();
    }
  }
}

void Autopilot::Review(const ClockReading& now) {
  const size_t splits_max = options_.splits_max;
  review_options_.splits_max = splits_max - std::min(splits_max, splitting_.size());
  for (const RangeReview& review : store_->ReviewRanges(now, review_options_, &reviewing_)) {
    if (!review.split.reason.empty()) {
      ConsiderSplit(now, review);
    } else {
      ConsiderMerge(now, review);
    }
  }
  for (const uint64_t left : wishes_.TakeDue(now.boot)) {
    const std::optional<RangeReview> review =
        store_->DescribeLoad(now, RangeId(left), /*briefly=*/false);
    if (!review.has_value() || !review->split.reason.empty()) {
      wishes_.Drop(left);
    } else {
      ConsiderMerge(now, *review);
    }
  }
}

void Autopilot::ConsiderSplit(const ClockReading& now, const RangeReview& review) {
  const uint64_t id = review.descriptor.range_id();
  const std::string& reason = review.split.reason;
  if (!review.split.split) {
    return Tell(now, DECISION_KIND_SPLIT, DECISION_OUTCOME_NOT_TAKEN, id, reason);
  }
  if (splitting_.count(id) != 0) return;
  if (review.descriptor.has_merge() || review.descriptor.has_frozen_by()) {
    return Tell(now, DECISION_KIND_SPLIT, DECISION_OUTCOME_NOT_TAKEN, id,
                absl::StrCat(reason, "; it waits for the end of a merge"));
  }
  splitting_.insert(id);
  Tell(now, DECISION_KIND_SPLIT, DECISION_OUTCOME_BEGUN, id, reason);
  splitter_->Split(
      now, review.split.split_key, review.descriptor.collection_id(), now.boot + kSplitDuration,
      [this, id, reason](const ClockReading& when, RangeAnswer answer, const SplitRanges& ranges) {
        splitting_.erase(id);
        if (answer.response.outcome != Outcome::kOk) {
          return Tell(when, DECISION_KIND_SPLIT, DECISION_OUTCOME_FAILED, id,
                      FailureOf(reason, answer));
        }
        const uint64_t right = ranges.right.range_id();
        Tell(when, DECISION_KIND_SPLIT, DECISION_OUTCOME_DONE, id,
             absl::StrCat(reason, "; the right half is range ", right));
        // Whoever asks why there is this range, asks for it.
        log_->AddQuietly(Of(when, DECISION_KIND_SPLIT, DECISION_OUTCOME_DONE, right,
                            absl::StrCat("it was split off range ", id, ": ", reason)));
      });
}

void Autopilot::ConsiderMerge(const ClockReading& now, const RangeReview& review) {
  const uint64_t id = review.descriptor.range_id();
  if (options_.merges_max == 0 || review.descriptor.end_key().empty()) return;
  if (merging_.count(id) != 0 || merging_.size() >= kQuestionsMax) return;
  if (splitting_.count(id) != 0) return;
  const auto failed = failures_.find(id);
  if (failed != failures_.end() && now.boot < failed->second.not_before) return;
  // Why not, WhyNotMerged says to whoever asks.
  if (!Hope(review).merge) {
    wishes_.Drop(id);
    return;
  }
  const std::optional<ReplicaSummary> replica = store_->FindReplica(now, RangeId(id));
  if (!replica.has_value()) return;
  if (const std::string away = WhoIsAway("left", ReportReplica(dispatcher_->self(), *replica));
      !away.empty()) {
    return NoteUsual(now, id, away);
  }
  auto candidate = std::make_shared<Candidate>();
  candidate->left = review;
  merging_.insert(id);
  FindNeighbour(now, std::move(candidate));
}

range::MergeVerdict Autopilot::Hope(const RangeReview& review) const {
  RangeDescriptor best = review.descriptor;
  best.set_range_id(UINT64_MAX);
  best.set_start_key(review.descriptor.end_key());
  best.clear_end_key();
  return range::DecideMerge(review, best, EmptyIdleAndOld(), review.thresholds,
                            options_.merge_rules);
}

std::optional<type::v1::Decision> Autopilot::WhyNotMerged(const ClockReading& now,
                                                          const RangeReview& review) const {
  const bool considered = options_.enabled && options_.merges_max != 0 &&
                          review.split.reason.empty() && !review.descriptor.end_key().empty();
  if (!considered) return std::nullopt;
  const range::MergeVerdict hope = Hope(review);
  if (hope.merge) return std::nullopt;
  return Of(now, DECISION_KIND_MERGE, DECISION_OUTCOME_NOT_TAKEN, review.descriptor.range_id(),
            hope.reason);
}

void Autopilot::FindNeighbour(const ClockReading& now, std::shared_ptr<Candidate> candidate) {
  const uint64_t id = candidate->left.descriptor.range_id();
  directory_->FindRange(
      now, candidate->left.descriptor.end_key(), now.boot + kQuestionDuration,
      [this, id, candidate](const ClockReading& when, const RangeAnswer& answer,
                            RangeDescriptor right) {
        merging_.erase(id);
        if (answer.response.outcome != Outcome::kOk) return;  // Another time.
        const std::string obstacle = range::MergeObstacle(candidate->left.descriptor, right);
        if (!obstacle.empty()) return NoteUsual(when, id, obstacle);
        const std::string apart = range::StoresObstacle(candidate->left.descriptor, right);
        if (!apart.empty() && !wishes_.HasPlace(when.boot, id)) return NoteUsual(when, id, apart);
        merging_.insert(id);
        for (const auto& replica : right.replicas()) {
          candidate->stores.push_back(StoreId(replica.store_id()));
        }
        candidate->Prefer(dispatcher_->self());
        candidate->Prefer(StoreId(router_->Leader(right.range_id())));
        candidate->right = std::move(right);
        AskNeighbour(when, candidate);
      });
}

void Autopilot::AskNeighbour(const ClockReading& now, std::shared_ptr<Candidate> candidate) {
  if (candidate->stores.empty()) {
    merging_.erase(candidate->left.descriptor.range_id());  // Another time.
    return;
  }
  RangeCall call;
  call.kind = ForwardKind::kDescribeRange;
  call.range = RangeId(candidate->right.range_id());
  call.body = absl::Cord(kBriefly);
  call.store = candidate->stores.front();
  call.repeatable = true;
  call.deadline = now.boot + kQuestionDuration;
  candidate->stores.erase(candidate->stores.begin());
  dispatcher_->Send(now, std::move(call),
                    [this, candidate](const ClockReading& when, const RangeAnswer& answer) {
                      admin::v1::DescribeRangeResponse report;
                      const bool told = answer.response.outcome == Outcome::kOk &&
                                        report.ParseFromString(std::string(answer.response.body));
                      if (told) router_->Learn(report.range());
                      if (told && report.serving()) {
                        router_->LearnLeader(report.range().range_id(), report.store_id());
                        if (const std::string away = WhoIsAway("right", report); !away.empty()) {
                          const uint64_t id = candidate->left.descriptor.range_id();
                          merging_.erase(id);
                          return NoteUsual(when, id, away);
                        }
                        return Decide(when, candidate, report.range(), report.load());
                      }
                      if (told) candidate->Prefer(StoreId(report.leader_store_id()));
                      AskNeighbour(when, candidate);
                    });
}

void Autopilot::Decide(const ClockReading& now, std::shared_ptr<Candidate> candidate,
                       const RangeDescriptor& right, const type::v1::RangeLoad& right_load) {
  const RangeDescriptor& left = candidate->left.descriptor;
  const uint64_t id = left.range_id();
  merging_.erase(id);
  // What is under way with one of them passes; an alignment changes members, too.
  if (const std::string obstacle = range::MergeObstacle(left, right); !obstacle.empty()) {
    return NoteUsual(now, id, obstacle);
  }
  range::MergeRules rules = options_.merge_rules;
  const bool stands = wishes_.Stands(now.boot, left, right);
  if (stands) rules.age_min = rules.observed_min = Duration::zero();
  const range::MergeVerdict verdict =
      range::DecideMerge(candidate->left, right, right_load, candidate->left.thresholds, rules);
  if (verdict.align) return Wish(now, left, right, verdict.reason);
  if (!verdict.merge) {
    wishes_.Drop(id);
    return NoteUsual(now, id, verdict.reason);
  }
  // The stores are the same by now: the two are still left alone until they are one.
  if (stands) wishes_.Confirm(now.boot, left, right, verdict.reason);
  size_t under_way = 0;
  for (const uint64_t one : merging_) under_way += merger_->IsBusy(one);
  if (under_way >= options_.merges_max || merger_->IsBusy(id)) return;  // Another time.
  type::v1::RangeLoad both = range::LoadOfBoth(candidate->left, right, right_load);
  // The right range's age may be that of the leader which the alignment gave it.
  if (stands) both.set_age_seconds(candidate->left.load.age_seconds());
  Merge(now, right, both, verdict.reason);
}

void Autopilot::Wish(const ClockReading& now, const RangeDescriptor& left,
                     const RangeDescriptor& right, const std::string& reason) {
  const std::string text = absl::StrCat(reason, "; ", range::StoresObstacle(left, right));
  if (wishes_.Confirm(now.boot, left, right, reason)) {
    return Tell(now, DECISION_KIND_MERGE, DECISION_OUTCOME_NOT_TAKEN, left.range_id(), text);
  }
  NoteUsual(now, left.range_id(), text);
}

// The verdict is about these two: where somebody else has merged them meanwhile, the next range is
// not absorbed in their place. What the range has become since then is not as old as they were.
void Autopilot::Merge(const ClockReading& now, const RangeDescriptor& right,
                      const type::v1::RangeLoad& load, const std::string& reason) {
  const uint64_t id = load.range_id();
  merging_.insert(id);
  Tell(now, DECISION_KIND_MERGE, DECISION_OUTCOME_BEGUN, id, reason);
  merger_->Merge(
      now, {id, right.range_id(), /*waits=*/false}, now.boot + kMergeDuration,
      [this, id, end = right.end_key(), load, reason](
          const ClockReading& when, const RangeAnswer& answer, const RangeDescriptor& merged) {
        merging_.erase(id);
        if (answer.response.outcome == Outcome::kOk) {
          failures_.erase(id);
          wishes_.Drop(id);
          if (merged.end_key() == end) store_->CarryLoad(when, merged, load);
          return Tell(when, DECISION_KIND_MERGE, DECISION_OUTCOME_DONE, id, reason);
        }
        PutOff(when, &failures_[id]);
        Tell(when, DECISION_KIND_MERGE, DECISION_OUTCOME_FAILED, id, FailureOf(reason, answer));
      });
}

void Autopilot::PutOff(const ClockReading& now, Failures* failures) {
  const Duration pause = kPauseAfterFailure * (1 << std::min(failures->count, 6));
  failures->not_before = now.boot + std::min(kPauseAfterFailureMax, pause);
  ++failures->count;
}

type::v1::Decision Autopilot::Of(const ClockReading& now, type::v1::DecisionKind kind,
                                 type::v1::DecisionOutcome outcome, uint64_t range_id,
                                 const std::string& reason) const {
  type::v1::Decision decision;
  decision.set_at_ms(static_cast<uint64_t>(now.wall_us / 1000));
  decision.set_kind(kind);
  decision.set_outcome(outcome);
  decision.set_range_id(range_id);
  decision.set_reason(reason);
  decision.set_store_id(dispatcher_->self().value());
  return decision;
}

void Autopilot::Tell(const ClockReading& now, type::v1::DecisionKind kind,
                     type::v1::DecisionOutcome outcome, uint64_t range_id,
                     const std::string& reason) {
  const type::v1::Decision decision = Of(now, kind, outcome, range_id, reason);
  if (log_->Add(decision) && port_ != nullptr) port_->OnDecision(decision);
}

void Autopilot::NoteUsual(const ClockReading& now, uint64_t range_id, const std::string& reason) {
  log_->AddUsual(Of(now, DECISION_KIND_MERGE, DECISION_OUTCOME_NOT_TAKEN, range_id, reason));
}

}  // namespace rasputin::server
