// The steps of a merge and the steps back; see range_merger.h. Not thread-safe.
//
// Begin, freeze and merge are pinned to the generation that they were meant for: sent on by the
// route of the moment, a freeze that was late could stop a range for a merge that nobody drives any
// more. The steps back are idempotent and go to whatever holds the keys. What each step leaves
// behind is computed here as the range computes it, so that no step needs another round trip.

#include "server/front/range_merger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/load/merge_decider.h"

namespace rasputin::server {

using range::Outcome;
using range::RangeDescriptor;

namespace {

// The right range serves nothing while it is frozen: three round trips and a sync are some
// milliseconds, and a member that does not hold the freeze after this will not hold it soon.
constexpr Duration kFreezeDuration = std::chrono::milliseconds(1500);
constexpr Duration kAbsorbDuration = std::chrono::seconds(2);
// Longer than an election.
constexpr Duration kStepBackDuration = std::chrono::seconds(10);
constexpr Duration kPublishDuration = std::chrono::seconds(10);
// From the moment that a store leads a range that notes a merge.
constexpr Duration kGrace = std::chrono::seconds(2);
constexpr Duration kAskDuration = std::chrono::seconds(2);
constexpr int kRoundsMax = 5;
constexpr Duration kRoundPause = std::chrono::milliseconds(100);

std::set<uint64_t> StoresOf(const RangeDescriptor& range) {
  std::set<uint64_t> stores;
  for (const auto& replica : range.replicas()) stores.insert(replica.store_id());
  return stores;
}

RangeAnswer Refusal(std::string message) {
  RangeAnswer answer;
  answer.response.outcome = Outcome::kFailedPrecondition;
  answer.response.message = std::move(message);
  return answer;
}

template <typename Message>
RangeCall CommandTo(const RangeDescriptor& range, kv::Operation operation, const Message& body,
                    Instant deadline) {
  RangeCall call;
  call.operation = operation;
  call.body = absl::Cord(body.SerializeAsString());
  call.first_key = range.start_key();
  call.mutates = true;
  call.repeatable = true;
  call.deadline = deadline;
  return call;
}

// The answer says that the command was not, and will not be, executed.
bool IsRefusal(const RangeAnswer& answer) {
  switch (answer.response.outcome) {
    case Outcome::kFailedPrecondition:
    case Outcome::kInvalidArgument:
    case Outcome::kNotFound:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct RangeMerger::Work {
  uint64_t left_id = 0;
  uint64_t wanted_right = 0;  // 0: whichever it is.
  bool waits = false;
  Instant deadline;
  Done done;  // Null: nobody waits for what is being given up.
  int rounds = 0;
  RangeDescriptor left;  // As it is after the last step.
  RangeDescriptor right;
  uint64_t right_generation = 0;  // As noted by the left range.
  storage::v1::FreezeResult frozen;
  std::string failure;  // Why it was given up.
};

RangeMerger::RangeMerger(Directory* directory, Dispatcher* dispatcher, client::Router* router)
    : directory_(directory), dispatcher_(dispatcher), router_(router) {}

void RangeMerger::Merge(const ClockReading& now, const Wanted& wanted, Instant deadline,
                        Done done) {
  auto work = std::make_shared<Work>();
  work->left_id = wanted.left;
  work->wanted_right = wanted.right;
  work->waits = wanted.waits;
  work->deadline = deadline;
  work->done = std::move(done);
  TakeUp(now, std::move(work));
}

void RangeMerger::TakeUp(const ClockReading& now, std::shared_ptr<Work> work) {
  if (working_.insert(work->left_id).second) return FindBoth(now, std::move(work));
  if (!work->waits || now.boot + kRoundPause >= work->deadline) {
    return work->done(
        now, Refusal(absl::StrCat("a merge of range ", work->left_id, " is under way")), {});
  }
  dispatcher_->After(now, kRoundPause,
                     [this, work](const ClockReading& when) { TakeUp(when, work); });
}

// Both are read from the directory: what this node knows of the neighbour may be long out of date.
void RangeMerger::FindBoth(const ClockReading& now, std::shared_ptr<Work> work) {
  directory_->FindRangeById(
      now, work->left_id, work->deadline,
      [this, work](const ClockReading& when, RangeAnswer answer, RangeDescriptor range) {
        if (answer.response.outcome != Outcome::kOk) return Finish(when, work, std::move(answer));
        storage::v1::MetaQuery query;
        query.set_ranges_from(range.start_key());
        query.set_limit(2);
        directory_->Query(when, query, work->deadline,
                          [this, work](const ClockReading& later, RangeAnswer found,
                                       const storage::v1::MetaQueryResult&) {
                            if (found.response.outcome != Outcome::kOk) {
                              return Finish(later, work, std::move(found));
                            }
                            OnFound(later, work);
                          });
      });
}

void RangeMerger::OnFound(const ClockReading& now, std::shared_ptr<Work> work) {
  const RangeDescriptor* left = router_->Find(work->left_id);
  const bool is_last = left != nullptr && left->end_key().empty();
  const RangeDescriptor* right =
      left == nullptr || is_last ? nullptr : router_->Locate(left->end_key());
  if (!is_last && (right == nullptr || right->start_key() != left->end_key())) {
    return LookAgain(now, work,
                     Refusal(absl::StrCat("the directory does not show the right neighbour of "
                                          "range ",
                                          work->left_id, " yet: try again")));
  }
  work->left = *left;
  if (right != nullptr) work->right = *right;
  const uint64_t wanted = work->wanted_right;
  if (wanted != 0 && (is_last || wanted != right->range_id())) {
    std::vector<StoreId> stores;
    for (const uint64_t store : StoresOf(work->left)) {
      const bool leads = store == router_->Leader(work->left_id);
      stores.insert(leads ? stores.begin() : stores.end(), StoreId(store));
    }
    return AskWhetherMerged(now, work, std::move(stores), true);
  }
  if (is_last) {
    return Finish(now, work,
                  Refusal(absl::StrCat("range ", work->left_id, " has no right neighbour")));
  }
  work->right_generation = right->generation();
  std::string obstacle = range::MergeObstacle(work->left, work->right);
  if (obstacle.empty()) obstacle = range::StoresObstacle(work->left, work->right);
  if (obstacle.empty()) return Begin(now, std::move(work));
  const bool noted = left->has_merge() && left->merge().right_range_id() == wanted;
  const bool frozen = right->has_frozen_by() && right->frozen_by().left_range_id() == work->left_id;
  if (work->waits && (noted || frozen)) return LookAgain(now, work, Refusal(obstacle));
  Finish(now, work, Refusal(obstacle));
}

// Each store that has applied a merge remembers it, the left range's leader among them.
void RangeMerger::AskWhetherMerged(const ClockReading& now, std::shared_ptr<Work> work,
                                   std::vector<StoreId> stores, bool all_answered) {
  if (stores.empty()) {
    std::string text = absl::StrCat("range ", work->wanted_right,
                                    " is not the right neighbour of range ", work->left_id);
    if (!all_answered) {
      return LookAgain(now, work,
                       Refusal(absl::StrCat(text,
                                            ", and not every store that would know has said "
                                            "whether it was: try again")));
    }
    const bool is_last = work->left.end_key().empty();
    absl::StrAppend(&text, is_last ? ", which has none"
                                   : absl::StrCat("; that is range ", work->right.range_id()));
    return Finish(now, work, Refusal(std::move(text)));
  }
  RangeCall call;
  call.kind = ForwardKind::kDescribeRange;
  call.range = RangeId(work->wanted_right);
  call.store = stores.front();
  call.repeatable = true;
  call.deadline = std::min(work->deadline, now.boot + kAskDuration);
  stores.erase(stores.begin());
  dispatcher_->Send(now, std::move(call),
                    [this, work, stores = std::move(stores), all_answered](
                        const ClockReading& when, const RangeAnswer& answer) {
                      const auto& known = answer.response.descriptors;
                      const bool answered = answer.response.outcome == Outcome::kOk ||
                                            answer.response.outcome == Outcome::kNotFound;
                      if (answer.response.outcome != Outcome::kNotFound || known.empty()) {
                        return AskWhetherMerged(when, work, stores, all_answered && answered);
                      }
                      if (known[0].range_id() == work->left_id) {
                        return Finish(when, work, RangeAnswer());
                      }
                      Finish(when, work, Refusal(answer.response.message));
                    });
}

void RangeMerger::LookAgain(const ClockReading& now, std::shared_ptr<Work> work,
                            RangeAnswer answer) {
  if ((!work->waits && ++work->rounds >= kRoundsMax) || now.boot + kRoundPause >= work->deadline) {
    return Finish(now, work, std::move(answer));
  }
  if (!work->waits) {
    return dispatcher_->After(now, kRoundPause,
                              [this, work](const ClockReading& when) { FindBoth(when, work); });
  }
  // What it waits for may be a merge that is to be given up here.
  working_.erase(work->left_id);
  has_news_ |= noted_.count(work->left_id) != 0;
  dispatcher_->After(now, kRoundPause,
                     [this, work](const ClockReading& when) { TakeUp(when, work); });
}

void RangeMerger::Begin(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MergeBegin begin;
  *begin.mutable_right() = work->right;
  RangeCall call = CommandTo(work->left, kv::Operation::kMergeBegin, begin, work->deadline);
  call.pinned = work->left;
  dispatcher_->Send(now, std::move(call),
                    [this, work](const ClockReading& when, RangeAnswer answer) {
                      if (answer.response.outcome == Outcome::kRangeMismatch) {
                        answer.response.outcome = Outcome::kFailedPrecondition;
                        answer.response.message =
                            absl::StrCat("range ", work->left_id, " keeps changing: try again");
                        return LookAgain(when, work, std::move(answer));
                      }
                      if (IsRefusal(answer)) return Finish(when, work, std::move(answer));
                      if (answer.response.outcome != Outcome::kOk) {
                        if (!answer.maybe_executed) return Finish(when, work, std::move(answer));
                        return GiveUp(when, work, std::move(answer));
                      }
                      work->left.set_generation(work->left.generation() + 1);
                      work->left.mutable_merge()->set_right_range_id(work->right.range_id());
                      work->left.mutable_merge()->set_right_generation(work->right_generation);
                      Freeze(when, work);
                    });
}

void RangeMerger::Freeze(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::FreezeRange freeze;
  freeze.set_left_range_id(work->left_id);
  for (const uint64_t store : StoresOf(work->left)) freeze.add_store_ids(store);
  RangeCall call = CommandTo(work->right, kv::Operation::kFreeze, freeze,
                             std::min(work->deadline, now.boot + kFreezeDuration));
  call.pinned = work->right;
  dispatcher_->Send(now, std::move(call),
                    [this, work](const ClockReading& when, RangeAnswer answer) {
                      if (answer.response.outcome == Outcome::kOk &&
                          work->frozen.ParseFromString(std::string(answer.response.body))) {
                        return Absorb(when, work);
                      }
                      // It was frozen by an attempt whose answer was lost: asked at its new
                      // generation it says where.
                      const RangeDescriptor* known = router_->Find(work->right.range_id());
                      const bool is_frozen = known != nullptr && known->has_frozen_by() &&
                                             known->frozen_by().left_range_id() == work->left_id &&
                                             known->generation() == work->right_generation + 1;
                      if (is_frozen && work->right.generation() == work->right_generation) {
                        work->right = *known;
                        return Freeze(when, work);
                      }
                      GiveUp(when, work, std::move(answer));
                    });
}

void RangeMerger::Absorb(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MergeRanges merge;
  *merge.mutable_frozen() = work->frozen;
  RangeCall call = CommandTo(work->left, kv::Operation::kMerge, merge, now.boot + kAbsorbDuration);
  call.pinned = work->left;
  dispatcher_->Send(
      now, std::move(call), [this, work](const ClockReading& when, RangeAnswer answer) {
        if (answer.response.outcome != Outcome::kOk) {
          return GiveUp(when, work, std::move(answer));
        }
        const RangeDescriptor& frozen = work->frozen.right();
        work->left.clear_merge();
        work->left.set_end_key(frozen.end_key());
        work->left.set_generation(std::max(work->left.generation(), frozen.generation()) + 1);
        router_->Learn(work->left);
        Publish(when, work);
      });
}

// A merge that was not published has happened all the same, and its leader publishes it (upkeep.h).
void RangeMerger::Publish(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MetaCommand command;
  *command.mutable_put_ranges()->add_ranges() = work->left;
  directory_->Command(
      now, command, /*repeatable=*/true, now.boot + kPublishDuration,
      [this, work](const ClockReading& when, const RangeAnswer&, const storage::v1::MetaResult&) {
        Finish(when, work, RangeAnswer());
      });
}

void RangeMerger::GiveUp(const ClockReading& now, std::shared_ptr<Work> work,
                         const RangeAnswer& reason) {
  const std::string why =
      reason.response.message.empty() ? "a step had no answer in time" : reason.response.message;
  storage::v1::MergeAbandon abandon;
  abandon.set_right_range_id(work->right.range_id());
  abandon.set_right_generation(work->right_generation);
  dispatcher_->Send(
      now,
      CommandTo(work->left, kv::Operation::kMergeAbandon, abandon, now.boot + kStepBackDuration),
      [this, work, why](const ClockReading& when, RangeAnswer answer) {
        if (answer.response.outcome != Outcome::kOk && !IsRefusal(answer)) {
          answer.response.outcome = Outcome::kOutcomeUnknown;
          answer.response.message =
              absl::StrCat(why, "; the merge may happen yet, or the leader of range ",
                           work->left_id, " gives it up");
          return Finish(when, work, std::move(answer));
        }
        // A merge of which only the answer was lost is noted no more.
        const RangeDescriptor* holder = router_->Locate(work->right.start_key());
        if (holder != nullptr && holder->range_id() == work->left_id) {
          work->left = *holder;
          return Publish(when, work);
        }
        work->failure = absl::StrCat("the merge was given up: ", why);
        if (answer.response.outcome == Outcome::kOk) return Thaw(when, work);
        Finish(when, work, Refusal(work->failure));  // Somebody else has ended it.
      });
}

void RangeMerger::Thaw(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::ThawRange thaw;
  thaw.set_left_range_id(work->left_id);
  thaw.set_right_generation(work->right_generation);
  dispatcher_->Send(
      now, CommandTo(work->right, kv::Operation::kThaw, thaw, now.boot + kStepBackDuration),
      [this, work](const ClockReading& when, const RangeAnswer& answer) {
        if (answer.response.outcome == Outcome::kOk) return End(when, work);
        Finish(when, work, Refusal(work->failure));
      });
}

void RangeMerger::End(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MergeEnd end;
  end.set_right_range_id(work->right.range_id());
  end.set_right_generation(work->right_generation);
  dispatcher_->Send(
      now, CommandTo(work->left, kv::Operation::kMergeEnd, end, now.boot + kStepBackDuration),
      [this, work](const ClockReading& when, const RangeAnswer&) {
        Finish(when, work, Refusal(work->failure));
      });
}

void RangeMerger::Finish(const ClockReading& now, const std::shared_ptr<Work>& work,
                         RangeAnswer answer) {
  working_.erase(work->left_id);
  // If it is still noted, it is looked at again.
  has_news_ |= noted_.count(work->left_id) != 0;
  if (work->done == nullptr) return;
  const bool merged = answer.response.outcome == Outcome::kOk;
  work->done(now, std::move(answer), merged ? work->left : RangeDescriptor());
}

void RangeMerger::OnDescriptor(const RangeDescriptor& descriptor, bool leads) {
  if (!descriptor.has_merge()) {
    noted_.erase(descriptor.range_id());
    return;
  }
  Noted& noted = noted_[descriptor.range_id()];
  noted.left = descriptor;
  noted.leads = leads;
  has_news_ |= leads;
}

void RangeMerger::OnLeader(RangeId range, StoreId leader) {
  const auto it = noted_.find(range.value());
  if (it == noted_.end()) return;
  it->second.leads = leader == dispatcher_->self();
  has_news_ |= it->second.leads;
}

void RangeMerger::OnRemoved(RangeId range) { noted_.erase(range.value()); }

bool RangeMerger::Run(const ClockReading& now) {
  if (!has_news_) return false;
  has_news_ = false;
  bool worked = false;
  for (auto& [id, noted] : noted_) {
    if (!noted.leads || noted.timed || IsBusy(id)) continue;
    noted.timed = true;
    worked = true;
    dispatcher_->After(now, kGrace,
                       [this, range = id](const ClockReading& when) { Resolve(when, range); });
  }
  return worked;
}

void RangeMerger::Resolve(const ClockReading& now, uint64_t left_range_id) {
  const auto it = noted_.find(left_range_id);
  if (it == noted_.end()) return;
  it->second.timed = false;
  if (!it->second.leads || !working_.insert(left_range_id).second) return;
  const RangeDescriptor& left = it->second.left;
  auto work = std::make_shared<Work>();
  work->left_id = left_range_id;
  work->left = left;
  work->right_generation = left.merge().right_generation();
  work->right.set_range_id(left.merge().right_range_id());
  if (!left.merge().abandoned()) {
    work->right.set_start_key(left.end_key());
    return GiveUp(now, std::move(work), Refusal("its driver has stopped"));
  }
  // The left range may have split since; the start of the right one never changes.
  directory_->FindRangeById(
      now, work->right.range_id(), now.boot + kStepBackDuration,
      [this, work](const ClockReading& when, RangeAnswer answer, RangeDescriptor right) {
        if (answer.response.outcome != Outcome::kOk) return Finish(when, work, std::move(answer));
        work->right = std::move(right);
        GiveUp(when, work, Refusal("its driver has stopped"));
      });
}

}  // namespace rasputin::server
