// See meta_state.h.

#include "range/meta_state.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "range/descriptor.h"
#include "range/meta_collections.h"
#include "range/meta_directory.h"
#include "range/meta_rows.h"

namespace rasputin::range {
namespace {

using meta::Done;
using meta::EndOfKind;
using meta::IdRow;
using meta::Load;
using meta::Parse;
using meta::Refusal;
using meta::Row;
using meta::View;
using storage::v1::BootstrapRecord;
using storage::v1::MetaCommand;
using storage::v1::MetaQuery;
using storage::v1::MetaQueryResult;
using storage::v1::MetaResult;
using type::v1::Collection;
using type::v1::StoreDescriptor;

constexpr uint32_t kDefaultQueryRows = 100;

constexpr int kMutantRetiresOverAHole = 85;

std::string StoreRow(uint64_t id) { return IdRow('s', id); }
std::string JoinRow(uint64_t token) { return IdRow('j', token); }
std::string AllocatorRow() { return Row("i"); }

// The allocator's counters: the next ids to be handed out.
struct Allocator {
  uint64_t range = 0;
  uint64_t collection = 0;
  uint64_t store = 0;
};

absl::StatusOr<Allocator> LoadAllocator(const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> value = turn.Get(AllocatorRow());
  if (!value.ok()) return value.status();
  if (!value->has_value() || (*value)->size() != 24) {
    return absl::DataLossError("meta range: the id allocator's row is missing or damaged");
  }
  uint64_t ids[3] = {0, 0, 0};
  for (size_t i = 0; i < 24; ++i) {
    ids[i / 8] = ids[i / 8] << 8 | static_cast<uint8_t>((**value)[i]);
  }
  return Allocator{ids[0], ids[1], ids[2]};
}

void StoreAllocator(const Allocator& ids, kv::Turn* turn) {
  turn->Put(AllocatorRow(),
            absl::StrCat(CollectionPrefix(ids.range), CollectionPrefix(ids.collection),
                         CollectionPrefix(ids.store)));
}

absl::StatusOr<kv::Outcome> AllocateIds(const storage::v1::AllocateIds& command, kv::Turn* turn) {
  const uint32_t count = command.range_ids();
  if (count == 0 || count > kRangeIdBlockMax) {
    return Refusal(kv::OutcomeCode::kInvalidArgument,
                   absl::StrCat("range_ids is ", count, "; it must be 1 to ", kRangeIdBlockMax));
  }
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  MetaResult result;
  result.set_first_id(ids->range);
  ids->range += count;
  StoreAllocator(*ids, turn);
  return Done(result);
}

// `Change` is given the allocator's next collection id and may raise it.
template <typename Change>
absl::StatusOr<kv::Outcome> WithCollectionIds(kv::Turn* turn, const Change& change) {
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  const uint64_t before = ids->collection;
  absl::StatusOr<kv::Outcome> outcome = change(&ids->collection);
  if (outcome.ok() && ids->collection != before) StoreAllocator(*ids, turn);
  return outcome;
}

// A number as it stands in a row; 0 if the row is not there.
absl::StatusOr<uint64_t> LoadNumber(const std::string& row, const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> value = turn.Get(row);
  if (!value.ok()) return value.status();
  uint64_t number = 0;
  if (value->has_value()) {
    for (const char c : **value) number = number << 8 | static_cast<uint8_t>(c);
  }
  return number;
}

std::string RetiredText(uint64_t store_id) {
  return absl::StrCat("store ", store_id, " was taken off the list of stores for good");
}

absl::Status WriteStore(const StoreDescriptor& store, kv::Turn* turn) {
  const std::string row = StoreRow(store.store_id());
  std::string value = meta::Serialize(store);
  absl::StatusOr<std::optional<std::string>> old = turn->Get(row);
  if (!old.ok()) return old.status();
  if (*old == value) return absl::OkStatus();
  turn->Put(row, std::move(value));
  return meta::NoteStore(store.store_id(), turn);
}

absl::StatusOr<uint64_t> NewStoreId(uint64_t token, kv::Turn* turn) {
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  const uint64_t id = ids->store++;
  StoreAllocator(*ids, turn);
  if (token != 0) turn->Put(JoinRow(token), CollectionPrefix(id));
  return id;
}

absl::StatusOr<kv::Outcome> PutStore(const storage::v1::PutStore& command, kv::Turn* turn) {
  absl::StatusOr<uint64_t> cluster = LoadNumber(Row("k"), *turn);
  if (!cluster.ok()) return cluster.status();
  const uint64_t cluster_id = *cluster;
  if (command.cluster_id() != 0 && command.cluster_id() != cluster_id) {
    return Refusal(kv::OutcomeCode::kFailedPrecondition, "the store belongs to another cluster");
  }
  StoreDescriptor store = command.store();
  if (store.store_id() == 0 && command.join_token() != 0) {
    absl::StatusOr<uint64_t> given = LoadNumber(JoinRow(command.join_token()), *turn);
    if (!given.ok()) return given.status();
    store.set_store_id(*given);
  }
  if (store.store_id() == 0) {
    absl::StatusOr<uint64_t> id = NewStoreId(command.join_token(), turn);
    if (!id.ok()) return id.status();
    store.set_store_id(*id);
  } else {
    absl::StatusOr<std::optional<StoreDescriptor>> old =
        meta::Load<StoreDescriptor>(StoreRow(store.store_id()), *turn);
    if (!old.ok()) return old.status();
    if (!old->has_value()) {
      return Refusal(kv::OutcomeCode::kFailedPrecondition, RetiredText(store.store_id()));
    }
    // What is wanted of it the operator says, not its node.
    store.set_state((*old)->state());
  }
  if (absl::Status status = WriteStore(store, turn); !status.ok()) return status;
  MetaResult result;
  result.set_first_id(store.store_id());
  result.set_cluster_id(cluster_id);
  return Done(result);
}

absl::StatusOr<kv::Outcome> SetStoreState(const storage::v1::SetStoreState& command,
                                          kv::Turn* turn) {
  switch (command.state()) {
    case type::v1::STORE_STATE_ACTIVE:
    case type::v1::STORE_STATE_DRAINING:
    case type::v1::STORE_STATE_DECOMMISSIONING:
      break;
    default:
      return Refusal(kv::OutcomeCode::kInvalidArgument,
                     "a store is active, draining or being decommissioned");
  }
  absl::StatusOr<std::optional<StoreDescriptor>> store =
      meta::Load<StoreDescriptor>(StoreRow(command.store_id()), *turn);
  if (!store.ok()) return store.status();
  if (!store->has_value()) {
    return Refusal(kv::OutcomeCode::kNotFound,
                   absl::StrCat("there is no store ", command.store_id()));
  }
  (*store)->set_state(command.state());
  if (absl::Status status = WriteStore(**store, turn); !status.ok()) return status;
  return Done(MetaResult());
}

absl::StatusOr<kv::Outcome> SetPlacement(const storage::v1::SetPlacement& command, kv::Turn* turn) {
  turn->Put(Row("p"), meta::Serialize(command));
  return Done(MetaResult());
}

absl::Status QueryPlacement(const kv::Engine& engine, MetaQueryResult* result) {
  absl::StatusOr<std::optional<std::string>> value = engine.Get(View(Row("p")));
  if (!value.ok()) return value.status();
  storage::v1::SetPlacement* placement = result->mutable_placement();
  return value->has_value() ? meta::Parse(View(**value), placement) : absl::OkStatus();
}

// What the directory says of a store, and whether it can.
struct Survey {
  uint64_t ranges = 0;  // With a replica there.
  // The range that ends at the first keys that are in no range; nullopt: all are in one. The meta
  // range is never missing.
  std::optional<uint64_t> before_hole;
};

absl::StatusOr<Survey> SurveyFor(uint64_t store_id, const kv::Turn& turn) {
  Survey survey;
  std::string end = CollectionPrefix(kMetaCollectionId);  // Of `last`.
  uint64_t last = 0;
  absl::Status parsed;
  const absl::Status read = turn.ForEach(
      View(Row("r")), View(EndOfKind('r')), [&](absl::string_view, absl::string_view value) {
        RangeDescriptor range;
        parsed.Update(Parse(value, &range));
        survey.ranges += FindStore(range, consensus::StoreId(store_id)) != nullptr;
        const bool hole = range.start_key() > end;
        if (hole && !survey.before_hole.has_value()) survey.before_hole = last;
        last = range.range_id();
        end = range.end_key();
      });
  if (!read.ok()) return read;
  if (!parsed.ok()) return parsed;
  if (!end.empty() && !survey.before_hole.has_value()) survey.before_hole = last;
  return survey;
}

// Whoever gives a store a vote makes sure that the directory says of it, and only then that the
// store is listed. So nothing on it is missed here, except where the directory does not know the
// ranges: of a split the left half may be entered, and moved away, before the right one is.
absl::StatusOr<kv::Outcome> RetireStore(uint64_t store_id, const consensus::Mutants& mutants,
                                        kv::Turn* turn) {
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  if (store_id == 0 || store_id >= ids->store) {
    return Refusal(kv::OutcomeCode::kNotFound, absl::StrCat("there is no store ", store_id));
  }
  absl::StatusOr<std::optional<std::string>> row = turn->Get(StoreRow(store_id));
  if (!row.ok()) return row.status();
  if (!row->has_value()) return Done(MetaResult());
  absl::StatusOr<Survey> survey = SurveyFor(store_id, *turn);
  if (!survey.ok()) return survey.status();
  if (survey->ranges > 0) {
    return Refusal(kv::OutcomeCode::kFailedPrecondition,
                   absl::StrCat(survey->ranges, survey->ranges == 1 ? " range has" : " ranges have",
                                " a replica on store ", store_id,
                                ": replace the store, or remove these replicas, first"));
  }
  if (survey->before_hole.has_value() && !mutants.Has(kMutantRetiresOverAHole)) {
    return Refusal(
        kv::OutcomeCode::kFailedPrecondition,
        absl::StrCat("the directory does not know yet which range lies behind range ",
                     *survey->before_hole, ", and so not whether it has a replica on store ",
                     store_id,
                     ": repeat the call in a moment; if that does not help, the range has lost the "
                     "majority of its replicas, whose nodes have to be started first"));
  }
  turn->Delete(StoreRow(store_id));
  if (absl::Status status = meta::NoteStore(store_id, turn); !status.ok()) return status;
  return Done(MetaResult());
}

// Adds the rows of [begin, end) as protos, at most `limit`.
template <typename Proto, typename Add>
absl::Status ReadRows(const std::string& begin, const std::string& end, uint32_t limit,
                      const kv::Engine& engine, bool* more, const Add& add) {
  uint32_t count = 0;
  std::unique_ptr<kv::EngineIterator> it = engine.NewIterator(View(begin), View(end));
  for (it->Seek(View(begin)); it->Valid(); it->Next()) {
    if (count++ == limit) {
      *more = true;
      break;
    }
    if (absl::Status status = Parse(it->value(), add()); !status.ok()) return status;
  }
  return it->status();
}

}  // namespace

absl::Status WriteFirstMetaState(const BootstrapRecord& record, kv::Turn* turn) {
  Allocator ids{3, 3, 1};
  for (const StoreDescriptor& store : record.stores()) {
    if (absl::Status status = WriteStore(store, turn); !status.ok()) return status;
    ids.store = std::max(ids.store, store.store_id() + 1);
  }
  for (const Collection& collection : record.collections()) {
    if (absl::Status status = meta::PutCollection(collection, turn); !status.ok()) return status;
    ids.collection = std::max(ids.collection, collection.id() + 1);
  }
  for (const RangeDescriptor& range : record.ranges()) {
    if (absl::Status status = meta::PutRange(range, {}, turn); !status.ok()) return status;
    ids.range = std::max(ids.range, range.range_id() + 1);
  }
  StoreAllocator(ids, turn);
  turn->Put(Row("k"), CollectionPrefix(record.cluster_id()));
  return absl::OkStatus();
}

absl::StatusOr<kv::Outcome> ApplyMetaCommand(const absl::Cord& body, kv::Turn* turn,
                                             const consensus::Mutants& mutants) {
  MetaCommand command;
  if (!command.ParseFromString(std::string(body))) {
    return absl::DataLossError("meta range: a committed command does not parse");
  }
  switch (command.command_case()) {
    case MetaCommand::kPutRanges:
      for (const RangeDescriptor& range : command.put_ranges().ranges()) {
        if (absl::Status status = meta::PutRange(range, mutants, turn); !status.ok()) {
          return status;
        }
      }
      return Done(MetaResult());
    case MetaCommand::kAllocateIds:
      return AllocateIds(command.allocate_ids(), turn);
    case MetaCommand::kCreateCollection:
      return WithCollectionIds(turn, [&](uint64_t* next_id) {
        return meta::CreateCollection(command.create_collection().collection(), next_id, turn);
      });
    case MetaCommand::kCollectionReady:
      return meta::MarkReady(command.collection_ready().collection_id(), turn);
    case MetaCommand::kUpdateCollection:
      return meta::UpdateCollection(command.update_collection(), turn);
    case MetaCommand::kDropCollection:
      return meta::DropCollection(command.drop_collection().collection_id(), turn);
    case MetaCommand::kRemoveCollection:
      return WithCollectionIds(turn, [&](uint64_t* next_id) {
        return meta::RemoveCollection(command.remove_collection().collection_id(), *next_id, turn);
      });
    case MetaCommand::kPutStore:
      return PutStore(command.put_store(), turn);
    case MetaCommand::kRetireStore:
      return RetireStore(command.retire_store().store_id(), mutants, turn);
    case MetaCommand::kSetStoreState:
      return SetStoreState(command.set_store_state(), turn);
    case MetaCommand::kSetPlacement:
      return SetPlacement(command.set_placement(), turn);
    case MetaCommand::COMMAND_NOT_SET:
      break;
  }
  return Refusal(kv::OutcomeCode::kInvalidArgument,
                 "the meta command is empty or of a newer version");
}

absl::Status SkipIds(uint64_t count, kv::Turn* turn) {
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  ids->range += count;
  ids->collection += count;
  ids->store += count;
  StoreAllocator(*ids, turn);
  return meta::SkipChanges(count, turn);
}

absl::StatusOr<kv::Outcome> AnswerMetaQuery(const absl::Cord& body, const kv::Engine& engine) {
  MetaQuery query;
  if (!query.ParseFromString(std::string(body))) {
    return Refusal(kv::OutcomeCode::kInvalidArgument, "the meta query does not parse");
  }
  const uint32_t limit =
      std::min(query.limit() == 0 ? kDefaultQueryRows : query.limit(), kMetaRowsMax);
  MetaQueryResult result;
  bool more = false;
  absl::Status status;
  switch (query.query_case()) {
    case MetaQuery::kRangesFrom:
      status = meta::ReadRangesFrom(View(query.ranges_from()), limit, engine, &result);
      break;
    case MetaQuery::kChangesAfter:
      status = meta::ReadChanges(query.changes_after(), limit, engine, &result);
      break;
    case MetaQuery::kCollections:
      status = ReadRows<Collection>(IdRow('c', query.from_id()), EndOfKind('c'), limit, engine,
                                    &more, [&result] { return result.add_collections(); });
      break;
    case MetaQuery::kStores:
      status = ReadRows<StoreDescriptor>(StoreRow(query.from_id()), EndOfKind('s'), limit, engine,
                                         &more, [&result] { return result.add_stores(); });
      break;
    case MetaQuery::kCollectionName:
    case MetaQuery::kCollectionId:
      status = meta::QueryCollection(query, engine, &result);
      break;
    case MetaQuery::kPlacement:
      status = QueryPlacement(engine, &result);
      break;
    case MetaQuery::QUERY_NOT_SET:
      return Refusal(kv::OutcomeCode::kInvalidArgument,
                     "the meta query is empty or of a newer version");
  }
  if (!status.ok()) return status;
  if (more) result.set_more(true);
  kv::Outcome outcome;
  outcome.response = absl::Cord(result.SerializeAsString());
  return outcome;
}

}  // namespace rasputin::range
