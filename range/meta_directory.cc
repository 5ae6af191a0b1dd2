// See meta_directory.h.

#include "range/meta_directory.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "range/meta_rows.h"

namespace rasputin::range::meta {
namespace {

using storage::v1::MetaQueryResult;

constexpr int kMutantStaleDescriptor = 44;
constexpr int kMutantAbsorbedPutBack = 90;

// Kinds of items in the feed.
constexpr char kRange = 'r';
constexpr char kCollection = 'c';
constexpr char kStore = 's';

std::string RangeIdRow(uint64_t id) { return IdRow('d', id); }
// Ranges by end key; the end of the keyspace sorts behind every collection id below 2^63.
std::string RangeEndRow(absl::string_view end_key) {
  return Row(absl::StrCat("r", end_key.empty() ? absl::string_view("\xff") : end_key));
}
// The first row of a range whose end lies beyond the key.
std::string FirstRowBeyond(absl::string_view key) {
  return Row(absl::StrCat("r", key, absl::string_view("\0", 1)));
}
std::string ItemRow(char kind, uint64_t id) {
  return Row(absl::StrCat("w", absl::string_view(&kind, 1), CollectionPrefix(id)));
}

void WriteRows(const RangeDescriptor& descriptor, kv::Turn* turn) {
  const std::string value = descriptor.SerializeAsString();
  turn->Put(RangeIdRow(descriptor.range_id()), value);
  turn->Put(RangeEndRow(View(descriptor.end_key())), value);
}

// The row by end key is left alone if another range has it: an earlier version let them overlap.
absl::Status DeleteRows(const RangeDescriptor& descriptor, kv::Turn* turn) {
  turn->Delete(RangeIdRow(descriptor.range_id()));
  const std::string row = RangeEndRow(View(descriptor.end_key()));
  absl::StatusOr<std::optional<RangeDescriptor>> holder = Load<RangeDescriptor>(row, *turn);
  if (!holder.ok()) return holder.status();
  if (holder->has_value() && (*holder)->range_id() == descriptor.range_id()) turn->Delete(row);
  return absl::OkStatus();
}

// ---- The feed.

// Row 'u'. A directory of an earlier version has none: everything in it counts as change 1.
struct Feed {
  uint64_t last = 1;  // The newest change number.
  // Changes after this one are all told; a reader that has less reads everything.
  uint64_t floor = 1;
  uint64_t gone = 0;  // Rows 'g'.
};

Feed DecodeFeed(const std::optional<std::string>& value) {
  Feed feed;
  if (value.has_value() && value->size() == 24) {
    const absl::string_view bytes = View(*value);
    feed.last = DecodeNumber(bytes.substr(0, 8));
    feed.floor = DecodeNumber(bytes.substr(8, 8));
    feed.gone = DecodeNumber(bytes.substr(16, 8));
  }
  return feed;
}

absl::StatusOr<Feed> LoadFeed(const kv::Turn& turn) {
  absl::StatusOr<std::optional<std::string>> value = turn.Get(Row("u"));
  if (!value.ok()) return value.status();
  return DecodeFeed(*value);
}

void StoreFeed(const Feed& feed, kv::Turn* turn) {
  turn->Put(Row("u"), absl::StrCat(CollectionPrefix(feed.last), CollectionPrefix(feed.floor),
                                   CollectionPrefix(feed.gone)));
}

// Forgets the range that has been gone for longest.
absl::Status ForgetOldestGone(Feed* feed, kv::Turn* turn) {
  std::string oldest;
  uint64_t id = 0;
  const absl::Status read = turn->ForEachWhile(View(Row("g")), View(EndOfKind('g')),
                                               [&](absl::string_view key, absl::string_view value) {
                                                 oldest = std::string(key);
                                                 id = DecodeNumber(value);
                                                 return false;
                                               });
  if (!read.ok()) return read;
  if (oldest.empty()) return absl::DataLossError("meta range: the feed of changes is damaged");
  feed->floor = DecodeNumber(View(oldest).substr(oldest.size() - 8));
  --feed->gone;
  turn->Delete(std::move(oldest));
  turn->Delete(ItemRow(kRange, id));
  return absl::OkStatus();
}

// Only the newest change of an item is kept.
absl::Status ForgetEarlier(const std::string& item, Feed* feed, kv::Turn* turn) {
  absl::StatusOr<std::optional<std::string>> earlier = turn->Get(item);
  if (!earlier.ok()) return earlier.status();
  if (!earlier->has_value()) return absl::OkStatus();
  const uint64_t number = DecodeNumber(View(**earlier));
  absl::StatusOr<std::optional<std::string>> gone = turn->Get(IdRow('g', number));
  if (!gone.ok()) return gone.status();
  if (gone->has_value()) --feed->gone;
  turn->Delete(IdRow(gone->has_value() ? 'g' : 'v', number));
  return absl::OkStatus();
}

absl::Status NoteChange(char kind, uint64_t id, bool gone, kv::Turn* turn) {
  absl::StatusOr<Feed> feed = LoadFeed(*turn);
  if (!feed.ok()) return feed.status();
  const std::string item = ItemRow(kind, id);
  if (absl::Status status = ForgetEarlier(item, &*feed, turn); !status.ok()) return status;
  ++feed->last;
  turn->Put(item, CollectionPrefix(feed->last));
  if (gone) {
    turn->Put(IdRow('g', feed->last), CollectionPrefix(id));
    if (++feed->gone > kGoneRangesKept) {
      if (absl::Status status = ForgetOldestGone(&*feed, turn); !status.ok()) return status;
    }
  } else {
    turn->Put(IdRow('v', feed->last),
              absl::StrCat(absl::string_view(&kind, 1), CollectionPrefix(id)));
  }
  StoreFeed(*feed, turn);
  return absl::OkStatus();
}

// ---- Descriptors.

// Ranges other than `descriptor`'s that hold some of its keys, in key order. Rows are disjoint, so
// that all but the last of them end within it.
absl::StatusOr<std::vector<RangeDescriptor>> FindOverlapping(const RangeDescriptor& descriptor,
                                                             const kv::Turn& turn) {
  std::vector<RangeDescriptor> found;
  absl::Status parsed;
  const absl::Status read =
      turn.ForEachWhile(View(FirstRowBeyond(View(descriptor.start_key()))), View(EndOfKind('r')),
                        [&](absl::string_view, absl::string_view value) {
                          RangeDescriptor other;
                          parsed = Parse(value, &other);
                          if (!parsed.ok() || !Overlaps(descriptor, other)) return false;
                          if (other.range_id() != descriptor.range_id())
                            found.push_back(std::move(other));
                          return true;
                        });
  if (!read.ok()) return read;
  if (!parsed.ok()) return parsed;
  return found;
}

// Takes from `other`, which is older, what `descriptor` holds. A range keeps its start key for life
// (a split gives the new id to the right half, a merge keeps the left range's): so if it is held by
// a higher generation the range was absorbed; else it lives on, ends there at the latest, and its
// own leader will say where. Counter-example to deleting it in that case too: the child of a split
// is written first, the parent is nowhere for a moment, and a store that holds a replica of it is
// taken off the list.
absl::Status GiveWay(RangeDescriptor other, const RangeDescriptor& descriptor, kv::Turn* turn) {
  if (absl::Status status = DeleteRows(other, turn); !status.ok()) return status;
  if (other.start_key() >= descriptor.start_key()) {
    return NoteChange(kRange, other.range_id(), /*gone=*/true, turn);
  }
  other.set_end_key(descriptor.start_key());
  WriteRows(other, turn);
  return absl::OkStatus();
}

// ---- Reading the feed.

absl::Status AddItem(absl::string_view item, const kv::Engine& engine, MetaQueryResult* result) {
  if (item.size() != 9) return absl::DataLossError("meta range: the feed of changes is damaged");
  const char kind = item[0];
  const uint64_t id = DecodeNumber(item.substr(1));
  const char row_kind = kind == kRange ? 'd' : kind;
  absl::StatusOr<std::optional<std::string>> value = engine.Get(View(IdRow(row_kind, id)));
  if (!value.ok()) return value.status();
  switch (kind) {
    case kRange:
      return value->has_value() ? Parse(View(**value), result->add_ranges()) : absl::OkStatus();
    case kStore:
      if (value->has_value()) return Parse(View(**value), result->add_stores());
      result->add_gone_store_ids(id);
      return absl::OkStatus();
    case kCollection:
      if (value->has_value()) return Parse(View(**value), result->add_collections());
      result->add_collections()->set_id(id);  // Removed: it has no name.
      result->mutable_collections()->rbegin()->set_dropping(true);
      return absl::OkStatus();
    default:
      return absl::DataLossError("meta range: the feed names a kind of a newer version");
  }
}

absl::Status ReadGone(uint64_t after, uint64_t last, const kv::Engine& engine,
                      MetaQueryResult* result) {
  const std::string begin = IdRow('g', after + 1);
  const std::string end = IdRow('g', last + 1);
  const std::unique_ptr<kv::EngineIterator> it = engine.NewIterator(View(begin), View(end));
  for (it->Seek(View(begin)); it->Valid(); it->Next()) {
    result->add_gone_range_ids(DecodeNumber(it->value()));
  }
  return it->status();
}

}  // namespace

absl::Status PutRange(const RangeDescriptor& descriptor, const consensus::Mutants& mutants,
                      kv::Turn* turn) {
  absl::StatusOr<std::optional<RangeDescriptor>> old =
      Load<RangeDescriptor>(RangeIdRow(descriptor.range_id()), *turn);
  if (!old.ok()) return old.status();
  const bool unchecked = mutants.Has(kMutantStaleDescriptor);
  if (old->has_value() && (*old)->generation() >= descriptor.generation() && !unchecked) {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<RangeDescriptor>> others = FindOverlapping(descriptor, *turn);
  if (!others.ok()) return others.status();
  for (const RangeDescriptor& other : *others) {
    const bool newer = other.generation() >= descriptor.generation();
    if (newer && !unchecked && !mutants.Has(kMutantAbsorbedPutBack)) return absl::OkStatus();
  }
  if (old->has_value()) {
    if (absl::Status status = DeleteRows(**old, turn); !status.ok()) return status;
  }
  for (RangeDescriptor& other : *others) {
    if (other.generation() >= descriptor.generation() && !unchecked) continue;
    absl::Status status = GiveWay(std::move(other), descriptor, turn);
    if (!status.ok()) return status;
  }
  WriteRows(descriptor, turn);
  return NoteChange(kRange, descriptor.range_id(), /*gone=*/false, turn);
}

absl::Status NoteCollection(uint64_t collection_id, kv::Turn* turn) {
  return NoteChange(kCollection, collection_id, /*gone=*/false, turn);
}

absl::Status NoteStore(uint64_t store_id, kv::Turn* turn) {
  return NoteChange(kStore, store_id, /*gone=*/false, turn);
}

absl::Status SkipChanges(uint64_t count, kv::Turn* turn) {
  absl::StatusOr<Feed> feed = LoadFeed(*turn);
  if (!feed.ok()) return feed.status();
  feed->last += count;
  feed->floor = feed->last;
  StoreFeed(*feed, turn);
  return absl::OkStatus();
}

absl::Status ReadRangesFrom(absl::string_view key, uint32_t limit, const kv::Engine& engine,
                            MetaQueryResult* result) {
  // Nothing ends at the empty key: from there on, all.
  const std::string begin = FirstRowBeyond(key);
  const std::string end = EndOfKind('r');
  const std::unique_ptr<kv::EngineIterator> it = engine.NewIterator(View(begin), View(end));
  for (it->Seek(View(begin)); it->Valid(); it->Next()) {
    if (static_cast<uint32_t>(result->ranges_size()) == limit) {
      result->set_more(true);
      break;
    }
    absl::Status status = Parse(it->value(), result->add_ranges());
    if (!status.ok()) return status;
  }
  return it->status();
}

absl::Status ReadChanges(uint64_t after, uint32_t limit, const kv::Engine& engine,
                         MetaQueryResult* result) {
  absl::StatusOr<std::optional<std::string>> value = engine.Get(View(Row("u")));
  if (!value.ok()) return value.status();
  const Feed feed = DecodeFeed(*value);
  result->set_last_change(feed.last);
  if (after < feed.floor || after > feed.last) {
    result->set_everything(true);
    return ReadRangesFrom("", limit, engine, result);
  }
  const std::string begin = IdRow('v', after + 1);
  const std::string end = EndOfKind('v');
  const std::unique_ptr<kv::EngineIterator> it = engine.NewIterator(View(begin), View(end));
  uint32_t count = 0;
  uint64_t read_to = after;
  for (it->Seek(View(begin)); it->Valid(); it->Next()) {
    if (count++ == limit) {
      result->set_more(true);
      result->set_last_change(read_to);
      break;
    }
    read_to = DecodeNumber(it->key().substr(it->key().size() - 8));
    absl::Status status = AddItem(it->value(), engine, result);
    if (!status.ok()) return status;
  }
  if (!it->status().ok()) return it->status();
  return ReadGone(after, result->last_change(), engine, result);
}

}  // namespace rasputin::range::meta
