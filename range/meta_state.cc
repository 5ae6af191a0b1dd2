// See meta_state.h.

#include "range/meta_state.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kv/key.h"
#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using storage::v1::BootstrapRecord;
using storage::v1::MetaCommand;
using storage::v1::MetaQuery;
using storage::v1::MetaQueryResult;
using storage::v1::MetaResult;
using type::v1::Collection;
using type::v1::StoreDescriptor;

constexpr uint32_t kDefaultQueryRows = 100;
constexpr int kMutantStaleDescriptor = 44;

absl::string_view View(const std::string& s) { return absl::string_view(s.data(), s.size()); }

std::string Row(absl::string_view user_key) { return kv::DataKey(kMetaCollectionId, user_key); }

std::string IdRow(char kind, uint64_t id) {
  return Row(absl::StrCat(absl::string_view(&kind, 1), CollectionPrefix(id)));
}
std::string CollectionRow(uint64_t id) { return IdRow('c', id); }
std::string NameRow(absl::string_view name) { return Row(absl::StrCat("n", name)); }
std::string RangeIdRow(uint64_t id) { return IdRow('d', id); }
std::string StoreRow(uint64_t id) { return IdRow('s', id); }
std::string JoinRow(uint64_t token) { return IdRow('j', token); }
std::string AllocatorRow() { return Row("i"); }
// Ranges by end key; the end of the keyspace sorts behind every collection id below 2^63.
std::string RangeEndRow(absl::string_view end_key) {
  return Row(absl::StrCat("r", end_key.empty() ? absl::string_view("\xff") : end_key));
}
// First row beyond all rows of a kind.
std::string EndOfKind(char kind) {
  const char next = static_cast<char>(kind + 1);
  return Row(absl::string_view(&next, 1));
}

template <typename Proto>
absl::Status Parse(const std::string& value, Proto* out) {
  if (!out->ParseFromString(value)) return absl::DataLossError("meta range: a row does not parse");
  return absl::OkStatus();
}

template <typename Proto>
absl::StatusOr<std::optional<Proto>> Load(const std::string& row, const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> value = turn.Get(row);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::optional<Proto>();
  Proto proto;
  if (absl::Status status = Parse(**value, &proto); !status.ok()) return status;
  return std::optional<Proto>(std::move(proto));
}

kv::Outcome Refusal(kv::OutcomeCode code, std::string message) {
  kv::Outcome outcome;
  outcome.code = code;
  outcome.message = std::move(message);
  return outcome;
}

kv::Outcome Done(const MetaResult& result) {
  kv::Outcome outcome;
  outcome.response = absl::Cord(result.SerializeAsString());
  return outcome;
}

bool IsCollectionName(const std::string& name) {
  if (name.empty() || name.size() > kCollectionNameBytesMax) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// One descriptor, over a lower generation only: a late update must not undo a newer one. The
// row by end key follows the id's row; it may belong to a neighbour by now and is then left alone.
absl::Status PutRange(const RangeDescriptor& descriptor, const consensus::Mutants& mutants,
                      kv::Turn* turn) {
  absl::StatusOr<std::optional<RangeDescriptor>> old =
      Load<RangeDescriptor>(RangeIdRow(descriptor.range_id()), *turn);
  if (!old.ok()) return old.status();
  if (old->has_value()) {
    const bool newer = descriptor.generation() > (*old)->generation();
    if (!newer && !mutants.Has(kMutantStaleDescriptor)) return absl::OkStatus();
    const std::string old_row = RangeEndRow(View((*old)->end_key()));
    absl::StatusOr<std::optional<RangeDescriptor>> holder = Load<RangeDescriptor>(old_row, *turn);
    if (!holder.ok()) return holder.status();
    if (holder->has_value() && (*holder)->range_id() == descriptor.range_id())
      turn->Delete(old_row);
  }
  turn->Put(RangeIdRow(descriptor.range_id()), descriptor.SerializeAsString());
  const std::string row = RangeEndRow(View(descriptor.end_key()));
  absl::StatusOr<std::optional<RangeDescriptor>> holder = Load<RangeDescriptor>(row, *turn);
  if (!holder.ok()) return holder.status();
  if (!holder->has_value() || (*holder)->generation() < descriptor.generation() ||
      mutants.Has(kMutantStaleDescriptor)) {
    turn->Put(row, descriptor.SerializeAsString());
  }
  return absl::OkStatus();
}

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

absl::StatusOr<std::optional<Collection>> LoadCollectionByName(const std::string& name,
                                                               const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> id = turn.Get(NameRow(View(name)));
  if (!id.ok()) return id.status();
  if (!id->has_value()) return std::optional<Collection>();
  return Load<Collection>(Row(absl::StrCat("c", **id)), turn);
}

void PutCollection(const Collection& collection, kv::Turn* turn) {
  turn->Put(CollectionRow(collection.id()), collection.SerializeAsString());
  turn->Put(NameRow(View(collection.name())), CollectionPrefix(collection.id()));
}

absl::StatusOr<kv::Outcome> CreateCollection(const Collection& wanted, kv::Turn* turn) {
  if (!IsCollectionName(wanted.name())) {
    return Refusal(
        kv::OutcomeCode::kInvalidArgument,
        absl::StrCat("a collection's name has 1 to ", kCollectionNameBytesMax,
                     " characters of a-z A-Z 0-9 - _ . (this one has ", wanted.name().size(), ")"));
  }
  if (wanted.type() != type::v1::COLLECTION_TYPE_KV) {
    return Refusal(kv::OutcomeCode::kInvalidArgument, "the collection's type must be kv");
  }
  absl::StatusOr<std::optional<Collection>> old = LoadCollectionByName(wanted.name(), *turn);
  if (!old.ok()) return old.status();
  MetaResult result;
  if (old->has_value()) {
    // The answer carries what is there, so that a creation that broke off can be finished.
    *result.mutable_collection() = **old;
    kv::Outcome outcome = Refusal(kv::OutcomeCode::kAlreadyExists, "the collection exists");
    outcome.response = absl::Cord(result.SerializeAsString());
    return outcome;
  }
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  Collection collection = wanted;
  collection.set_id(ids->collection++);
  collection.set_ready(false);
  StoreAllocator(*ids, turn);
  PutCollection(collection, turn);
  *result.mutable_collection() = collection;
  return Done(result);
}

absl::StatusOr<kv::Outcome> MarkReady(uint64_t collection_id, kv::Turn* turn) {
  absl::StatusOr<std::optional<Collection>> found =
      Load<Collection>(CollectionRow(collection_id), *turn);
  if (!found.ok()) return found.status();
  if (!found->has_value()) {
    return Refusal(kv::OutcomeCode::kNotFound,
                   absl::StrCat("no collection has the id ", collection_id));
  }
  Collection collection = **found;
  if (!collection.ready()) {
    collection.set_ready(true);
    PutCollection(collection, turn);
  }
  MetaResult result;
  *result.mutable_collection() = collection;
  return Done(result);
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
    absl::StatusOr<std::optional<std::string>> row = turn->Get(StoreRow(store.store_id()));
    if (!row.ok()) return row.status();
    if (!row->has_value()) {
      return Refusal(kv::OutcomeCode::kFailedPrecondition, RetiredText(store.store_id()));
    }
  }
  turn->Put(StoreRow(store.store_id()), store.SerializeAsString());
  MetaResult result;
  result.set_first_id(store.store_id());
  result.set_cluster_id(cluster_id);
  return Done(result);
}

// How many ranges have a replica on the store, by their rows.
absl::StatusOr<uint64_t> CountRangesOn(uint64_t store_id, const kv::Turn& turn) {
  uint64_t count = 0;
  absl::Status parsed;
  const absl::Status read = turn.ForEach(
      View(Row("d")), View(EndOfKind('d')), [&](absl::string_view, absl::string_view value) {
        RangeDescriptor range;
        parsed.Update(Parse(std::string(value), &range));
        count += std::any_of(range.replicas().begin(), range.replicas().end(),
                             [&](const auto& one) { return one.store_id() == store_id; });
      });
  if (!read.ok()) return read;
  if (!parsed.ok()) return parsed;
  return count;
}

absl::StatusOr<kv::Outcome> RetireStore(uint64_t store_id, kv::Turn* turn) {
  absl::StatusOr<Allocator> ids = LoadAllocator(*turn);
  if (!ids.ok()) return ids.status();
  if (store_id == 0 || store_id >= ids->store) {
    return Refusal(kv::OutcomeCode::kNotFound, absl::StrCat("there is no store ", store_id));
  }
  absl::StatusOr<uint64_t> ranges = CountRangesOn(store_id, *turn);
  if (!ranges.ok()) return ranges.status();
  if (*ranges > 0) {
    return Refusal(
        kv::OutcomeCode::kFailedPrecondition,
        absl::StrCat(*ranges, *ranges == 1 ? " range has" : " ranges have", " a replica on store ",
                     store_id, ": replace the store, or remove these replicas, first"));
  }
  turn->Delete(StoreRow(store_id));
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
    if (absl::Status status = Parse(std::string(it->value()), add()); !status.ok()) return status;
  }
  return it->status();
}

absl::Status QueryCollection(const MetaQuery& query, const kv::Engine& engine,
                             MetaQueryResult* result) {
  std::string row = CollectionRow(query.collection_id());
  if (query.query_case() == MetaQuery::kCollectionName) {
    absl::StatusOr<std::optional<std::string>> id =
        engine.Get(View(NameRow(View(query.collection_name()))));
    if (!id.ok()) return id.status();
    if (!id->has_value()) return absl::OkStatus();
    row = Row(absl::StrCat("c", **id));
  }
  absl::StatusOr<std::optional<std::string>> value = engine.Get(View(row));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::OkStatus();
  return Parse(**value, result->add_collections());
}

}  // namespace

absl::Status WriteFirstMetaState(const BootstrapRecord& record, kv::Turn* turn) {
  Allocator ids{3, 3, 1};
  for (const StoreDescriptor& store : record.stores()) {
    turn->Put(StoreRow(store.store_id()), store.SerializeAsString());
    ids.store = std::max(ids.store, store.store_id() + 1);
  }
  for (const Collection& collection : record.collections()) {
    PutCollection(collection, turn);
    ids.collection = std::max(ids.collection, collection.id() + 1);
  }
  for (const RangeDescriptor& range : record.ranges()) {
    if (absl::Status status = PutRange(range, {}, turn); !status.ok()) return status;
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
        if (absl::Status status = PutRange(range, mutants, turn); !status.ok()) return status;
      }
      return Done(MetaResult());
    case MetaCommand::kAllocateIds:
      return AllocateIds(command.allocate_ids(), turn);
    case MetaCommand::kCreateCollection:
      return CreateCollection(command.create_collection().collection(), turn);
    case MetaCommand::kCollectionReady:
      return MarkReady(command.collection_ready().collection_id(), turn);
    case MetaCommand::kPutStore:
      return PutStore(command.put_store(), turn);
    case MetaCommand::kRetireStore:
      return RetireStore(command.retire_store().store_id(), turn);
    case MetaCommand::kUpdateCollection:
    case MetaCommand::kDropCollection:
    case MetaCommand::kRemoveCollection:
    case MetaCommand::kSetStoreState:
    case MetaCommand::kSetPlacement:
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
  return absl::OkStatus();
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
    case MetaQuery::kRangesFrom: {
      // The first row whose end key is greater than the key.
      const std::string begin =
          Row(absl::StrCat("r", query.ranges_from(), absl::string_view("\0", 1)));
      status = ReadRows<RangeDescriptor>(begin, EndOfKind('r'), limit, engine, &more,
                                         [&result] { return result.add_ranges(); });
      break;
    }
    case MetaQuery::kCollections:
      status = ReadRows<Collection>(Row("c"), EndOfKind('c'), limit, engine, &more,
                                    [&result] { return result.add_collections(); });
      break;
    case MetaQuery::kStores:
      status = ReadRows<StoreDescriptor>(Row("s"), EndOfKind('s'), limit, engine, &more,
                                         [&result] { return result.add_stores(); });
      break;
    case MetaQuery::kCollectionName:
    case MetaQuery::kCollectionId:
      status = QueryCollection(query, engine, &result);
      break;
    case MetaQuery::kChangesAfter:
    case MetaQuery::kPlacement:
    case MetaQuery::QUERY_NOT_SET:
      return Refusal(kv::OutcomeCode::kInvalidArgument,
                     "the meta query is empty or of a newer version");
  }
  if (!status.ok()) return status;
  result.set_more(more);
  kv::Outcome outcome;
  outcome.response = absl::Cord(result.SerializeAsString());
  return outcome;
}

}  // namespace rasputin::range
