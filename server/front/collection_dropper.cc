// The steps of a drop; see collection_dropper.h. Not thread-safe.
//
// A request is executed at one generation of a range, which has these bounds and no others: so a
// walk from the end of what was emptied to the next range misses nothing, however old the routes
// are that it goes by, and whatever was split meanwhile.

#include "server/front/collection_dropper.h"

#include <utility>

#include "client/route/full_key.h"
#include "rasputin/kv/v1/kv.pb.h"

namespace rasputin::server {

using range::Outcome;

struct CollectionDropper::Work {
  uint64_t id = 0;
  Instant deadline;
  Done done;
  std::string cursor;  // Everything of the collection before it is empty.
  uint64_t emptied = 0;
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
        work->cursor = client::KeyPrefix(found.id());
        Mark(when, work);
      });
}

void CollectionDropper::GoOnWith(const ClockReading& now, uint64_t collection_id, Instant deadline,
                                 Done done) {
  auto work = std::make_shared<Work>();
  work->id = collection_id;
  work->cursor = client::KeyPrefix(collection_id);
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
        EmptyNext(when, work);
      });
}

void CollectionDropper::EmptyNext(const ClockReading& now, std::shared_ptr<Work> work) {
  if (work->cursor.empty() || client::CollectionOf(work->cursor) != work->id) {
    return Remove(now, std::move(work));
  }
  directory_->FindRange(
      now, work->cursor, work->deadline,
      [this, work](const ClockReading& when, RangeAnswer answer, range::RangeDescriptor range) {
        if (answer.response.outcome != Outcome::kOk) {
          return work->done(when, std::move(answer), work->emptied);
        }
        if (range.collection_id() != work->id) return Confirm(when, work);
        if (!range.dropped()) return Empty(when, work);
        work->cursor = range.end_key();
        EmptyNext(when, work);
      });
}

void CollectionDropper::Empty(const ClockReading& now, std::shared_ptr<Work> work) {
  RangeCall call;
  call.operation = kv::Operation::kDropRange;
  call.body = absl::Cord(storage::v1::DropRange().SerializeAsString());
  call.first_key = work->cursor;
  call.collection = work->id;
  call.mutates = true;
  call.repeatable = true;
  call.wants_descriptor = true;
  call.deadline = work->deadline;
  dispatcher_->Send(now, std::move(call),
                    [this, work](const ClockReading& when, RangeAnswer answer) {
                      // The route was old: the range at the cursor is another collection's.
                      if (answer.wrong_collection) return EmptyNext(when, work);
                      if (answer.response.outcome == Outcome::kOk) ++work->emptied;
                      Advance(when, work, answer);
                    });
}

// A creation that broke off left no range, or the route is old. Whatever the range answers to a
// read of the key, NOT_FOUND included, it answers at the generation that it was asked at.
void CollectionDropper::Confirm(const ClockReading& now, std::shared_ptr<Work> work) {
  kv::v1::GetRequest get;
  get.set_key("k");
  RangeCall call;
  call.operation = kv::Operation::kGet;
  call.body = absl::Cord(get.SerializeAsString());
  call.first_key = work->cursor;
  call.repeatable = true;
  call.wants_descriptor = true;
  call.deadline = work->deadline;
  dispatcher_->Send(now, std::move(call),
                    [this, work](const ClockReading& when, RangeAnswer answer) {
                      if (answer.response.outcome == Outcome::kNotFound) {
                        answer.response.outcome = Outcome::kOk;
                      }
                      const bool ours = answer.descriptor.collection_id() == work->id;
                      if (ours && answer.response.outcome == Outcome::kOk) {
                        return EmptyNext(when, work);
                      }
                      Advance(when, work, answer);
                    });
}

void CollectionDropper::Advance(const ClockReading& now, std::shared_ptr<Work> work,
                                const RangeAnswer& answer) {
  if (answer.response.outcome != Outcome::kOk) return work->done(now, answer, work->emptied);
  work->cursor = answer.descriptor.end_key();
  EmptyNext(now, std::move(work));
}

void CollectionDropper::Remove(const ClockReading& now, std::shared_ptr<Work> work) {
  storage::v1::MetaCommand command;
  command.mutable_remove_collection()->set_collection_id(work->id);
  directory_->Command(
      now, command, /*repeatable=*/true, work->deadline,
      [work](const ClockReading& when, RangeAnswer answer, storage::v1::MetaResult) {
        work->done(when, std::move(answer), work->emptied);
      });
}

}  // namespace rasputin::server
