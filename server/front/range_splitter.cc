// The steps of a split; see range_splitter.h. Not thread-safe.
//
// A repetition of the same command changes nothing: the parent's generation has moved on, and the
// child refuses a split at its own start, which is how success is recognised. Unless the child was
// absorbed again meanwhile: then the range, which uses no id twice, refuses the id, as it does if a
// younger child was. Nothing else stands against such a split, and another id is taken.

#include "server/front/range_splitter.h"

#include <memory>
#include <utility>

#include "range/descriptor.h"

namespace rasputin::server {

using range::Outcome;

namespace {

constexpr Duration kPause = std::chrono::milliseconds(100);
constexpr int kIdsMax = 5;

enum class Reason : uint8_t {
  kPasses,   // A merge, or a change of members.
  kIdIsOld,  // The child's id.
  kStays,
};

// Why the range, at this descriptor, refused to be split.
Reason WhyRefused(const range::RangeDescriptor& range, const std::string& full_key,
                  uint64_t collection_id) {
  if (range.range_id() == 0) return Reason::kStays;
  const bool merging = range.has_merge() && !range.merge().abandoned();
  if (merging || range.has_frozen_by() || range::ToConfiguration(range).IsJoint()) {
    return Reason::kPasses;
  }
  return range::ValidateSplit(range, full_key, collection_id).ok() ? Reason::kIdIsOld
                                                                   : Reason::kStays;
}

}  // namespace

struct RangeSplitter::Work {
  std::string full_key;
  uint64_t collection_id = 0;
  Instant deadline;
  Done done;
  uint64_t child_id = 0;
  int ids_taken = 0;
  SplitRanges ranges;
};

RangeSplitter::RangeSplitter(Directory* directory, Dispatcher* dispatcher, client::Router* router)
    : directory_(directory), dispatcher_(dispatcher), router_(router) {}

void RangeSplitter::Split(const ClockReading& now, const std::string& full_key,
                          uint64_t collection_id, Instant deadline, Done done) {
  auto work = std::make_shared<Work>();
  work->full_key = full_key;
  work->collection_id = collection_id;
  work->deadline = deadline;
  work->done = std::move(done);
  const auto* known = router_->Locate(full_key);
  if (known != nullptr && known->start_key() == full_key &&
      known->collection_id() == collection_id) {
    work->ranges.right = *known;
    return Publish(now, std::move(work));
  }
  Begin(now, std::move(work));
}

void RangeSplitter::Begin(const ClockReading& now, std::shared_ptr<Work> work) {
  ++work->ids_taken;
  directory_->AllocateRangeId(
      now, work->deadline, [this, work](const ClockReading& when, RangeAnswer answer, uint64_t id) {
        if (answer.response.outcome != Outcome::kOk) return work->done(when, std::move(answer), {});
        work->child_id = id;
        SendSplit(when, work);
      });
}

void RangeSplitter::SendSplit(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::SplitCommand command;
  command.set_split_key(work->full_key);
  command.set_child_range_id(work->child_id);
  command.set_child_collection_id(work->collection_id);
  RangeCall call;
  call.operation = kv::Operation::kSplit;
  call.body = absl::Cord(command.SerializeAsString());
  call.first_key = work->full_key;
  call.mutates = true;
  call.repeatable = true;
  call.wants_descriptor = true;
  call.deadline = work->deadline;
  dispatcher_->Send(
      now, std::move(call), [this, work](const ClockReading& when, RangeAnswer answer) {
        if (answer.response.outcome != Outcome::kOk)
          return OnRefused(when, work, std::move(answer));
        storage::v1::SplitResult result;
        if (!result.ParseFromString(std::string(answer.response.body))) {
          answer.response.outcome = Outcome::kOutcomeUnknown;
          answer.response.message = "the range answered with something that cannot be read";
          return work->done(when, std::move(answer), {});
        }
        router_->Learn(result.left());
        router_->Learn(result.right());
        work->ranges.left = result.left();
        work->ranges.right = result.right();
        Publish(when, work);
      });
}

void RangeSplitter::OnRefused(const ClockReading& now, std::shared_ptr<Work> work,
                              RangeAnswer answer) {
  const bool refused = answer.response.outcome == Outcome::kFailedPrecondition ||
                       answer.response.outcome == Outcome::kInvalidArgument ||
                       answer.response.outcome == Outcome::kAlreadyExists;
  const auto* range = router_->Locate(work->full_key);
  if (!refused) return work->done(now, std::move(answer), {});
  if (range != nullptr && range->start_key() == work->full_key &&
      range->collection_id() == work->collection_id) {
    work->ranges.right = *range;
    return Publish(now, std::move(work));
  }
  const bool precondition = answer.response.outcome == Outcome::kFailedPrecondition;
  switch (precondition ? WhyRefused(answer.descriptor, work->full_key, work->collection_id)
                       : Reason::kStays) {
    case Reason::kPasses:
      if (now.boot + kPause >= work->deadline) break;
      return dispatcher_->After(now, kPause,
                                [this, work](const ClockReading& when) { SendSplit(when, work); });
    case Reason::kIdIsOld:
      if (work->ids_taken >= kIdsMax) break;
      return Begin(now, std::move(work));
    case Reason::kStays:
      break;
  }
  work->done(now, std::move(answer), {});
}

void RangeSplitter::Publish(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MetaCommand command;
  if (work->ranges.left.range_id() != 0) {
    *command.mutable_put_ranges()->add_ranges() = work->ranges.left;
  }
  *command.mutable_put_ranges()->add_ranges() = work->ranges.right;
  directory_->Command(
      now, command, /*repeatable=*/true, work->deadline,
      [work](const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
        work->done(when, std::move(answer), work->ranges);
      });
}

}  // namespace rasputin::server
