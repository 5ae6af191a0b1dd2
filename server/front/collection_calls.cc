// Creating, finding and listing collections; see collection_calls.h. Not thread-safe.
//
// Nothing is kept between the steps: what a step needs is read from the meta range, so any node can
// finish what another has begun.

#include "server/front/collection_calls.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"

namespace rasputin::server {

using range::Outcome;

namespace {

constexpr size_t kNameBytesMax = 128;
constexpr uint32_t kCollectionsListed = 1000;
// A creation goes on for so long after its call has ended: a split that is on its way may still
// happen, and its range must not be left to a collection that was dropped meanwhile.
constexpr Duration kAfterDeadline = std::chrono::seconds(20);

absl::Status CheckName(const std::string& name) {
  constexpr char kAllowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (name.empty()) return absl::InvalidArgumentError("the name of the collection is empty");
  if (name.size() > kNameBytesMax) {
    return absl::InvalidArgumentError("the name of the collection has " +
                                      std::to_string(name.size()) +
                                      " bytes; at most 128 are allowed");
  }
  if (name.find_first_not_of(kAllowed) != std::string::npos) {
    return absl::InvalidArgumentError(
        "the name of a collection consists of a-z, A-Z, 0-9, '-', '_' and '.'");
  }
  return absl::OkStatus();
}

}  // namespace

CollectionCalls::CollectionCalls(CallTable* calls, Directory* directory, Dispatcher* dispatcher,
                                 RangeSplitter* splitter, CollectionDropper* dropper,
                                 client::Router* router)
    : calls_(calls),
      directory_(directory),
      dispatcher_(dispatcher),
      splitter_(splitter),
      dropper_(dropper),
      router_(router) {}

void CollectionCalls::Create(const ClockReading& now, CallId id, const absl::Cord& request,
                             Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::CreateCollectionRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  const absl::Status name = CheckName(wanted->name());
  if (!name.ok()) return calls_->Finish(id, RefuseInvalid(name));
  if (wanted->type() != type::v1::COLLECTION_TYPE_KV) {
    return calls_->Finish(id,
                          RefuseInvalid(absl::InvalidArgumentError(
                              "the type of the collection is missing or unknown; kv is known")));
  }
  Collection collection;
  collection.set_name(wanted->name());
  collection.set_type(wanted->type());
  *collection.mutable_options() = wanted->options();
  storage::v1::MetaCommand command;
  *command.mutable_create_collection()->mutable_collection() = collection;
  directory_->Command(
      now, command, /*repeatable=*/true, deadline,
      [this, id, collection, deadline](const ClockReading& when, RangeAnswer answer,
                                       storage::v1::MetaResult result) {
        if (answer.response.outcome == Outcome::kOk) {
          return OnRegistered(when, id, collection, result.collection(), deadline);
        }
        if (answer.response.outcome != Outcome::kAlreadyExists) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        storage::v1::MetaQuery query;
        query.set_collection_name(collection.name());
        directory_->Query(
            when, query, deadline,
            [this, id, collection, deadline](const ClockReading& later, RangeAnswer found,
                                             storage::v1::MetaQueryResult rows) {
              if (found.response.outcome != Outcome::kOk) {
                return calls_->Finish(id, ToCallResult(found, *router_));
              }
              Collection there;
              if (rows.collections_size() > 0) there = rows.collections(0);
              OnRegistered(later, id, collection, there, deadline);
            });
      });
}

void CollectionCalls::OnRegistered(const ClockReading& now, CallId id, const Collection& wanted,
                                   const Collection& registered, Instant deadline) {
  if (registered.type() != wanted.type() || registered.id() == 0) {
    return calls_->Finish(
        id, RefuseCall(absl::StatusCode::kAlreadyExists, rasputin::v1::ERROR_REASON_ALREADY_EXISTS,
                       "a collection of this name and another type exists"));
  }
  if (registered.dropping()) {
    return calls_->Finish(
        id, RefuseCall(absl::StatusCode::kAlreadyExists, rasputin::v1::ERROR_REASON_ALREADY_EXISTS,
                       "a collection of this name is being dropped: drop it again to finish that, "
                       "then create it"));
  }
  if (registered.ready()) return FinishCreate(id, registered);
  dispatcher_->After(now, deadline - now.boot, [this, id](const ClockReading&) {
    calls_->Finish(id, RefuseCall(absl::StatusCode::kDeadlineExceeded,
                                  rasputin::v1::ERROR_REASON_DEADLINE_EXCEEDED,
                                  "the collection is not ready yet: create it again to see it so"));
  });
  CreateRange(now, id, registered, deadline + kAfterDeadline);
}

void CollectionCalls::CreateRange(const ClockReading& now, CallId id, const Collection& collection,
                                  Instant deadline) {
  splitter_->Split(
      now, client::KeyPrefix(collection.id()), collection.id(), deadline,
      [this, id, collection, deadline](const ClockReading& when, RangeAnswer answer, SplitRanges) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        MarkReady(when, id, collection, deadline);
      });
}

void CollectionCalls::MarkReady(const ClockReading& now, CallId id, const Collection& collection,
                                Instant deadline) {
  storage::v1::MetaCommand command;
  command.mutable_collection_ready()->set_collection_id(collection.id());
  directory_->Command(now, command, /*repeatable=*/true, deadline,
                      [this, id, collection, deadline](const ClockReading& when, RangeAnswer answer,
                                                       storage::v1::MetaResult) {
                        if (answer.response.outcome == Outcome::kNotFound) {
                          return DropRange(when, id, collection, deadline, std::move(answer));
                        }
                        if (answer.response.outcome != Outcome::kOk) {
                          return calls_->Finish(id, ToCallResult(answer, *router_));
                        }
                        Collection ready = collection;
                        ready.set_ready(true);
                        FinishCreate(id, ready);
                      });
}

void CollectionCalls::DropRange(const ClockReading& now, CallId id, const Collection& collection,
                                Instant deadline, RangeAnswer refused) {
  RangeCall call = EmptyRangeCall(collection.id(), client::KeyPrefix(collection.id()), deadline);
  dispatcher_->Send(now, std::move(call),
                    [this, id, refused = std::move(refused)](const ClockReading&, RangeAnswer) {
                      calls_->Finish(id, ToCallResult(refused, *router_));
                    });
}

void CollectionCalls::FinishCreate(CallId id, const Collection& collection) {
  router_->LearnCollection(collection);
  admin::v1::CreateCollectionResponse response;
  *response.mutable_collection() = collection;
  calls_->Finish(id, OkResult(response));
}

void CollectionCalls::Get(const ClockReading& now, CallId id, const absl::Cord& request,
                          Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::GetCollectionRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  directory_->ReadCollection(
      now, wanted->name(), deadline,
      [this, id](const ClockReading&, RangeAnswer answer, Collection collection) {
        // One that is being created or dropped is shown as such; only its keys are not served.
        if (answer.response.outcome != Outcome::kOk && collection.id() == 0) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        admin::v1::GetCollectionResponse response;
        *response.mutable_collection() = std::move(collection);
        calls_->Finish(id, OkResult(response));
      });
}

void CollectionCalls::List(const ClockReading& now, CallId id, const absl::Cord& request,
                           Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::ListCollectionsRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  storage::v1::MetaQuery query;
  query.set_collections(true);
  query.set_limit(kCollectionsListed);
  directory_->Query(
      now, query, deadline,
      [this, id](const ClockReading&, RangeAnswer answer, storage::v1::MetaQueryResult result) {
        if (answer.response.outcome != Outcome::kOk) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        admin::v1::ListCollectionsResponse response;
        *response.mutable_collections() = std::move(*result.mutable_collections());
        response.set_more(result.more());
        calls_->Finish(id, OkResult(response));
      });
}

void CollectionCalls::Update(const ClockReading& now, CallId id, const absl::Cord& request,
                             Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::UpdateCollectionRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  directory_->ReadCollection(
      now, wanted->name(), deadline,
      [this, id, options = wanted->options(), deadline](const ClockReading& when,
                                                        RangeAnswer answer, Collection found) {
        // One under creation may be changed already.
        const bool there = found.id() != 0 && !found.dropping();
        if (answer.response.outcome != Outcome::kOk && !there) {
          return calls_->Finish(id, ToCallResult(answer, *router_));
        }
        storage::v1::MetaCommand command;
        command.mutable_update_collection()->set_collection_id(found.id());
        *command.mutable_update_collection()->mutable_options() = options;
        directory_->Command(
            when, command, /*repeatable=*/true, deadline,
            [this, id](const ClockReading&, RangeAnswer updated, storage::v1::MetaResult result) {
              FinishUpdate(id, updated, result.collection());
            });
      });
}

void CollectionCalls::FinishUpdate(CallId id, const RangeAnswer& answer,
                                   const Collection& collection) {
  if (answer.response.outcome != Outcome::kOk) {
    return calls_->Finish(id, ToCallResult(answer, *router_));
  }
  if (collection.ready()) router_->LearnCollection(collection);
  admin::v1::UpdateCollectionResponse response;
  *response.mutable_collection() = collection;
  calls_->Finish(id, OkResult(response));
}

void CollectionCalls::Drop(const ClockReading& now, CallId id, const absl::Cord& request,
                           Instant deadline) {
  const auto wanted = DecodeRequest<admin::v1::DropCollectionRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  const absl::Status name = CheckName(wanted->name());
  if (!name.ok()) return calls_->Finish(id, RefuseInvalid(name));
  dropper_->Drop(now, wanted->name(), deadline,
                 [this, id](const ClockReading&, RangeAnswer answer, uint64_t ranges_emptied) {
                   if (answer.response.outcome != Outcome::kOk) {
                     if (ranges_emptied > 0) {
                       absl::StrAppend(
                           &answer.response.message, " (", ranges_emptied,
                           " ranges were emptied; repeat the call for the rest, which "
                           "whoever leads the meta range also goes on with in minutes)");
                     }
                     return calls_->Finish(id, ToCallResult(answer, *router_));
                   }
                   admin::v1::DropCollectionResponse response;
                   response.set_ranges_emptied(ranges_emptied);
                   calls_->Finish(id, OkResult(response));
                 });
}

}  // namespace rasputin::server
