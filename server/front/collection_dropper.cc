// The steps of a drop; see collection_dropper.h. Not thread-safe.
//
// A request is executed at one generation of a range, which has these bounds and no others: so a
// walk from the end of what was emptied to the next range misses nothing, however old the routes
// are that it goes by, and whatever was split meanwhile. What the routes show as one range is a
// part of its own; where its range ends earlier by now, the rest is looked at again. So all parts
// leave no key out. What was emptied stays so: a range that is not yet emptied absorbs none of its
// collection that is (range/load/merge_decider.h).

#include "server/front/collection_dropper.h"

#include <deque>
#include <optional>
#include <utility>

#include "client/route/full_key.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::server {

using range::Outcome;

namespace {

// So many ranges are emptied at once: their round trips overlap, and other requests have their
// turn.
constexpr size_t kPartsMax = 8;

}  // namespace

RangeCall EmptyRangeCall(uint64_t collection_id, std::string key, Instant deadline) {
  RangeCall call;
  call.operation = kv::Operation::kDropRange;
  call.body = absl::Cord(storage::v1::DropRange().SerializeAsString());
  call.first_key = std::move(key);
  call.collection = collection_id;
  call.mutates = true;
  call.repeatable = true;
  call.wants_descriptor = true;
  call.deadline = deadline;
  return call;
}

// Keys that are not known to be empty.
struct CollectionDropper::Part {
  std::string cursor;
  std::string end;  // Empty: of the keyspace.
};

struct CollectionDropper::Work {
  // Something of the collection may be in it.
  bool IsOpen(const Part& part) const {
    return !part.cursor.empty() && client::CollectionOf(part.cursor) == id &&
           (part.end.empty() || part.cursor < part.end);
  }

  uint64_t id = 0;
  Instant deadline;
  Done done;
  std::deque<Part> waiting;
  size_t under_way = 0;  // Parts.
  bool looking = false;  // For the range at the first part's cursor.
  bool in_look = false;
  uint64_t emptied = 0;
  std::optional<RangeAnswer> failure;  // The first one: nothing more is begun.
};

CollectionDropper::CollectionDropper(Directory* directory, Dispatcher* dispatcher,
                                     client::Router* router)
    : directory_(directory), dispatcher_(dispatcher), router_(router) {}

void CollectionDropper::Drop(const ClockReading& now, const std::string& name, Instant deadline,
                             Done done) {
  auto work = std::make_shared<Work>();
  work->deadline = deadline;
  work->done = std::move(done);
  directory_->ReadCollection(
      now, name, deadline,
      [this, work](const ClockReading& when, RangeAnswer answer, Directory::Collection found) {
        // One under creation, or one that a call before this began to drop, is there too.
        if (found.id() == 0) return work->done(when, std::move(answer), 0);
        work->id = found.id();
        work->waiting.push_back({client::KeyPrefix(found.id()), ""});
        Mark(when, work);
      });
}

void CollectionDropper::GoOnWith(const ClockReading& now, uint64_t collection_id, Instant deadline,
                                 Done done) {
  auto work = std::make_shared<Work>();
  work->id = collection_id;
  work->waiting.push_back({client::KeyPrefix(collection_id), ""});
  work->deadline = deadline;
  work->done = std::move(done);
  Mark(now, std::move(work));
}

void CollectionDropper::Mark(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MetaCommand command;
  command.mutable_drop_collection()->set_collection_id(work->id);
  directory_->Command(
      now, command, /*repeatable=*/true, work->deadline,
      [this, work](const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
        if (answer.response.outcome != Outcome::kOk) {
          return work->done(when, std::move(answer), 0);
        }
        router_->ForgetCollectionById(work->id);
        Look(when, work);
      });
}

// A loop, since what is known here is found at once: a drop that is repeated meets many ranges that
// are empty already.
void CollectionDropper::Look(const ClockReading& now, const std::shared_ptr<Work>& work) {
  if (work->in_look) return;
  work->in_look = true;
  while (!work->looking && work->under_way < kPartsMax && !work->failure.has_value() &&
         !work->waiting.empty()) {
    if (!work->IsOpen(work->waiting.front())) {
      work->waiting.pop_front();
      continue;
    }
    work->looking = true;
    directory_->FindRange(now, work->waiting.front().cursor, work->deadline,
                          [this, work](const ClockReading& when, const RangeAnswer& answer,
                                       const range::RangeDescriptor& range) {
                            work->looking = false;
                            OnFound(when, work, answer, range);
                            Look(when, work);
                          });
  }
  work->in_look = false;
  if (work->looking || work->under_way > 0 || work->done == nullptr) return;
  if (!work->failure.has_value()) return Remove(now, work);
  std::exchange(work->done, nullptr)(now, *std::move(work->failure), work->emptied);
}

void CollectionDropper::OnFound(const ClockReading& now, const std::shared_ptr<Work>& work,
                                const RangeAnswer& answer, const range::RangeDescriptor& range) {
  if (answer.response.outcome != Outcome::kOk) {
    if (!work->failure.has_value()) work->failure = answer;
    return;
  }
  Part& first = work->waiting.front();
  Part part = first;
  const bool is_shorter =
      part.end.empty() || (!range.end_key().empty() && range.end_key() < part.end);
  if (is_shorter) part.end = range.end_key();
  first.cursor = part.end;
  const bool ours = range.collection_id() == work->id;
  if (ours && range.dropped()) return;
  ++work->under_way;
  if (ours) {
    Empty(now, work, part);
  } else {
    Confirm(now, work, part);
  }
}

void CollectionDropper::Empty(const ClockReading& now, const std::shared_ptr<Work>& work,
                              const Part& part) {
  dispatcher_->Send(now, EmptyRangeCall(work->id, part.cursor, work->deadline),
                    [this, work, part](const ClockReading& when, const RangeAnswer& answer) {
                      // The route was old: the range at the cursor is another collection's.
                      if (answer.wrong_collection) return Leave(when, work, part);
                      if (answer.response.outcome == Outcome::kOk) ++work->emptied;
                      Advance(when, work, part, answer);
                    });
}

// A creation that broke off left no range, or the route is old. Whatever the range answers to a
// read of the key, NOT_FOUND included, it answers at the generation that it was asked at.
void CollectionDropper::Confirm(const ClockReading& now, const std::shared_ptr<Work>& work,
                                const Part& part) {
  kv::v1::GetRequest get;
  get.set_key("k");
  RangeCall call;
  call.operation = kv::Operation::kGet;
  call.body = absl::Cord(get.SerializeAsString());
  call.first_key = part.cursor;
  call.repeatable = true;
  call.wants_descriptor = true;
  call.deadline = work->deadline;
  dispatcher_->Send(now, std::move(call),
                    [this, work, part](const ClockReading& when, RangeAnswer answer) {
                      if (answer.response.outcome == Outcome::kNotFound) {
                        answer.response.outcome = Outcome::kOk;
                      }
                      const bool ours = answer.descriptor.collection_id() == work->id;
                      if (ours && answer.response.outcome == Outcome::kOk) {
                        return Leave(when, work, part);
                      }
                      Advance(when, work, part, answer);
                    });
}

void CollectionDropper::Advance(const ClockReading& now, const std::shared_ptr<Work>& work,
                                Part part, const RangeAnswer& answer) {
  if (answer.response.outcome == Outcome::kOk) {
    part.cursor = answer.descriptor.end_key();
  } else if (!work->failure.has_value()) {
    work->failure = answer;
  }
  Leave(now, work, std::move(part));
}

void CollectionDropper::Leave(const ClockReading& now, const std::shared_ptr<Work>& work,
                              Part part) {
  --work->under_way;
  work->waiting.push_back(std::move(part));
  Look(now, work);
}

void CollectionDropper::Remove(const ClockReading& now, const std::shared_ptr<Work>& work) {
  storage::v1::MetaCommand command;
  command.mutable_remove_collection()->set_collection_id(work->id);
  directory_->Command(now, command, /*repeatable=*/true, work->deadline,
                      [done = std::exchange(work->done, nullptr), emptied = work->emptied](
                          const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
                        done(when, std::move(answer), emptied);
                      });
}

}  // namespace rasputin::server
