// See meta_collections.h.

#include "range/meta_collections.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/meta_directory.h"
#include "range/meta_rows.h"

namespace rasputin::range::meta {
namespace {

using storage::v1::MetaQuery;
using storage::v1::MetaResult;
using type::v1::Collection;
using type::v1::CollectionOptions;

std::string CollectionRow(uint64_t id) { return IdRow('c', id); }
std::string NameRow(absl::string_view name) { return Row(absl::StrCat("n", name)); }

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool IsCollectionName(const std::string& name) {
  return !name.empty() && name.size() <= kCollectionNameBytesMax &&
         std::all_of(name.begin(), name.end(), IsPlain);
}

bool IsLabelPart(const std::string& part) {
  return !part.empty() && part.size() <= kLabelBytesMax &&
         std::all_of(part.begin(), part.end(), IsPlain);
}

kv::Outcome Answer(const Collection& collection) {
  MetaResult result;
  *result.mutable_collection() = collection;
  return Done(result);
}

kv::Outcome NoSuchId(uint64_t collection_id) {
  return Refusal(kv::OutcomeCode::kNotFound,
                 absl::StrCat("no collection has the id ", collection_id));
}

absl::StatusOr<std::optional<Collection>> LoadCollectionByName(const std::string& name,
                                                               const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> id = turn.Get(NameRow(View(name)));
  if (!id.ok()) return id.status();
  if (!id->has_value()) return std::optional<Collection>();
  return Load<Collection>(Row(absl::StrCat("c", **id)), turn);
}

}  // namespace

std::string WhatIsWrongWith(const CollectionOptions& options) {
  const uint32_t replicas = options.replication_factor();
  if (replicas != 0 && (replicas > 7 || replicas % 2 == 0)) {
    return absl::StrCat("replication_factor is ", replicas,
                        "; it must be 1, 3, 5 or 7, or 0 for the default");
  }
  const uint64_t size = options.split().size_bytes();
  if (size != 0 && size < kSplitSizeBytesMin) {
    return absl::StrCat("split.size_bytes is ", size, "; it must be at least ", kSplitSizeBytesMin,
                        ", or 0 for the default");
  }
  const struct {
    const char* name;
    uint64_t value;
  } thresholds[] = {{"size_bytes", size},
                    {"requests_per_second", options.split().requests_per_second()},
                    {"cpu_millicores", options.split().cpu_millicores()},
                    {"read_bytes_per_second", options.split().read_bytes_per_second()},
                    {"written_bytes_per_second", options.split().written_bytes_per_second()}};
  for (const auto& one : thresholds) {
    if (one.value > kThresholdMax) {
      return absl::StrCat("split.", one.name, " is ", one.value, "; it must be at most ",
                          kThresholdMax);
    }
  }
  const auto& labels = options.placement().required_labels();
  if (static_cast<int>(labels.size()) > kRequiredLabelsMax) {
    return absl::StrCat("placement.required_labels has ", labels.size(), " labels; at most ",
                        kRequiredLabelsMax, " are allowed");
  }
  const bool plain = std::all_of(labels.begin(), labels.end(), [](const auto& label) {
    return IsLabelPart(label.first) && IsLabelPart(label.second);
  });
  if (!plain) {
    return absl::StrCat("names and values of placement.required_labels have 1 to ", kLabelBytesMax,
                        " characters of a-z A-Z 0-9 - _ .");
  }
  return "";
}

absl::Status PutCollection(const Collection& collection, kv::Turn* turn) {
  turn->Put(CollectionRow(collection.id()), Serialize(collection));
  turn->Put(NameRow(View(collection.name())), CollectionPrefix(collection.id()));
  return NoteCollection(collection.id(), turn);
}

absl::StatusOr<kv::Outcome> CreateCollection(const Collection& wanted, uint64_t* next_id,
                                             kv::Turn* turn) {
  if (!IsCollectionName(wanted.name())) {
    return Refusal(
        kv::OutcomeCode::kInvalidArgument,
        absl::StrCat("a collection's name has 1 to ", kCollectionNameBytesMax,
                     " characters of a-z A-Z 0-9 - _ . (this one has ", wanted.name().size(), ")"));
  }
  if (wanted.type() != type::v1::COLLECTION_TYPE_KV) {
    return Refusal(kv::OutcomeCode::kInvalidArgument, "the collection's type must be kv");
  }
  if (std::string wrong = WhatIsWrongWith(wanted.options()); !wrong.empty()) {
    return Refusal(kv::OutcomeCode::kInvalidArgument, std::move(wrong));
  }
  absl::StatusOr<std::optional<Collection>> old = LoadCollectionByName(wanted.name(), *turn);
  if (!old.ok()) return old.status();
  if (old->has_value()) {
    // The answer carries what is there, so that a creation that broke off can be finished.
    kv::Outcome outcome = Answer(**old);
    outcome.code = kv::OutcomeCode::kAlreadyExists;
    outcome.message = (*old)->dropping()
                          ? "a collection of this name is being dropped: drop it again to finish "
                            "that, then create it"
                          : "the collection exists";
    return outcome;
  }
  Collection collection = wanted;
  collection.set_id((*next_id)++);
  collection.set_ready(false);
  collection.set_dropping(false);
  if (absl::Status status = PutCollection(collection, turn); !status.ok()) return status;
  return Answer(collection);
}

absl::StatusOr<kv::Outcome> MarkReady(uint64_t collection_id, kv::Turn* turn) {
  absl::StatusOr<std::optional<Collection>> found =
      Load<Collection>(CollectionRow(collection_id), *turn);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return NoSuchId(collection_id);
  Collection collection = **found;
  // Its range came too late: whoever drops it may have found none.
  if (collection.dropping()) return NoSuchId(collection_id);
  if (!collection.ready()) {
    collection.set_ready(true);
    if (absl::Status status = PutCollection(collection, turn); !status.ok()) return status;
  }
  return Answer(collection);
}

absl::StatusOr<kv::Outcome> UpdateCollection(const storage::v1::UpdateCollection& command,
                                             kv::Turn* turn) {
  if (std::string wrong = WhatIsWrongWith(command.options()); !wrong.empty()) {
    return Refusal(kv::OutcomeCode::kInvalidArgument, std::move(wrong));
  }
  absl::StatusOr<std::optional<Collection>> found =
      Load<Collection>(CollectionRow(command.collection_id()), *turn);
  if (!found.ok()) return found.status();
  if (!found->has_value() || (*found)->dropping()) return NoSuchId(command.collection_id());
  Collection collection = **found;
  *collection.mutable_options() = command.options();
  if (Serialize(collection) != Serialize(**found)) {
    if (absl::Status status = PutCollection(collection, turn); !status.ok()) return status;
  }
  return Answer(collection);
}

absl::StatusOr<kv::Outcome> DropCollection(uint64_t collection_id, kv::Turn* turn) {
  if (collection_id == kMetaCollectionId || collection_id == kDefaultCollectionId) {
    return Refusal(kv::OutcomeCode::kFailedPrecondition,
                   "this collection belongs to the cluster and cannot be dropped");
  }
  absl::StatusOr<std::optional<Collection>> found =
      Load<Collection>(CollectionRow(collection_id), *turn);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return NoSuchId(collection_id);
  Collection collection = **found;
  if (!collection.dropping()) {
    collection.set_dropping(true);
    if (absl::Status status = PutCollection(collection, turn); !status.ok()) return status;
  }
  return Answer(collection);
}

absl::StatusOr<kv::Outcome> RemoveCollection(uint64_t collection_id, uint64_t next_id,
                                             kv::Turn* turn) {
  absl::StatusOr<std::optional<Collection>> found =
      Load<Collection>(CollectionRow(collection_id), *turn);
  if (!found.ok()) return found.status();
  if (!found->has_value()) {
    return collection_id < next_id ? absl::StatusOr<kv::Outcome>(Done(MetaResult()))
                                   : NoSuchId(collection_id);
  }
  if (!(*found)->dropping()) {
    return Refusal(kv::OutcomeCode::kFailedPrecondition,
                   absl::StrCat("collection ", collection_id, " is not being dropped"));
  }
  turn->Delete(CollectionRow(collection_id));
  turn->Delete(NameRow(View((*found)->name())));
  if (absl::Status status = NoteCollection(collection_id, turn); !status.ok()) return status;
  return Done(MetaResult());
}

absl::Status QueryCollection(const MetaQuery& query, const kv::Engine& engine,
                             storage::v1::MetaQueryResult* result) {
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
  return Parse(View(**value), result->add_collections());
}

}  // namespace rasputin::range::meta
