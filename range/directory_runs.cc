// See directory_runs.h.

#include "range/directory_runs.h"

#include <glog/logging.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kv/memory_engine.h"
#include "kv/turn.h"
#include "range/descriptor.h"
#include "range/meta_rows.h"
#include "range/meta_state.h"

namespace rasputin::range {
namespace {

using storage::v1::MetaCommand;
using storage::v1::MetaQuery;
using storage::v1::MetaQueryResult;
using Ranges = std::map<uint64_t, RangeDescriptor>;

constexpr int kKeys = 40;

std::string Key(int number) {
  const char byte = static_cast<char>('A' + number);
  return absl::StrCat(CollectionPrefix(2), absl::string_view(&byte, 1));
}

std::string Text(const RangeDescriptor& range) {
  return absl::StrCat("range ", range.range_id(), " at ", range.generation());
}

class Run {
 public:
  Run(uint64_t seed, const consensus::Mutants& mutants) : random_(seed), mutants_(mutants) {}

  std::string Go() {
    WriteFirst();
    MakeHistory();
    ChooseDeliveries();
    for (size_t at = 0; at < deliveries_.size() && wrong_.empty();) {
      MetaCommand command;
      for (size_t n = 1 + Pick(4); n > 0 && at < deliveries_.size(); --n) {
        *command.mutable_put_ranges()->add_ranges() = deliveries_[at++];
      }
      Apply(command);
      CheckRows();
      if (Pick(3) == 0) Poll();
    }
    while (wrong_.empty() && Poll()) {
    }
    if (wrong_.empty()) CheckEnd();
    return wrong_;
  }

 private:
  // SplitMix64.
  size_t Pick(size_t bound) {
    random_ += 0x9e3779b97f4a7c15;
    uint64_t bits = random_;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return static_cast<size_t>((bits ^ (bits >> 31)) % bound);
  }

  void Wrong(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }

  void WriteFirst() {
    storage::v1::BootstrapRecord record;
    record.set_cluster_id(1);
    RangeDescriptor first;
    first.set_range_id(2);
    first.set_generation(1);
    first.set_collection_id(2);
    first.set_start_key(CollectionPrefix(2));
    *record.add_ranges() = first;
    kv::Turn turn(&engine_);
    CHECK(WriteFirstMetaState(record, &turn).ok());
    CHECK(turn.Commit().ok());
    live_[CollectionPrefix(2)] = first;
  }

  void Tell(const RangeDescriptor& range) {
    told_.push_back(range);
    live_[range.start_key()] = range;
  }

  void MakeHistory() {
    for (size_t steps = 5 + Pick(60); steps > 0; --steps) {
      auto at = std::next(live_.begin(), static_cast<long>(Pick(live_.size())));
      RangeDescriptor range = at->second;
      const auto right = std::next(at);
      const size_t kind = Pick(5);
      if (kind < 2) {
        const std::string key = Key(static_cast<int>(Pick(kKeys)));
        if (!Contains(range, key) || key == range.start_key()) continue;
        const SplitDescriptors halves = Split(range, key, next_id_++, 2);
        Tell(halves.left);
        Tell(halves.right);
      } else if (kind < 4 && right != live_.end()) {
        range.set_end_key(right->second.end_key());
        range.set_generation(std::max(range.generation(), right->second.generation()) + 1);
        live_.erase(right);
        Tell(range);
      } else {
        range.set_generation(range.generation() + 1 + Pick(3));
        Tell(range);
      }
    }
  }

  // The newest of each range that lives is told; of the others some never, some more than once.
  void ChooseDeliveries() {
    const size_t lost = Pick(4);  // Of four.
    for (const RangeDescriptor& range : told_) {
      const RangeDescriptor& newest = Newest(range.start_key());
      const bool last =
          newest.range_id() == range.range_id() && newest.generation() == range.generation();
      if (!last && Pick(4) < lost) continue;
      for (size_t copies = 1 + Pick(3); copies > 0; --copies) deliveries_.push_back(range);
    }
    for (size_t at = deliveries_.size(); at > 1; --at) {
      std::swap(deliveries_[at - 1], deliveries_[Pick(at)]);
    }
  }

  const RangeDescriptor& Newest(const std::string& key) const {
    return std::prev(live_.upper_bound(key))->second;
  }

  void Apply(const MetaCommand& command) {
    kv::Turn turn(&engine_);
    CHECK(ApplyMetaCommand(absl::Cord(command.SerializeAsString()), &turn, mutants_).ok());
    CHECK(turn.Commit().ok());
  }

  MetaQueryResult Ask(const MetaQuery& query) {
    const absl::StatusOr<kv::Outcome> outcome =
        AnswerMetaQuery(absl::Cord(query.SerializeAsString()), engine_);
    CHECK(outcome.ok() && outcome->code == kv::OutcomeCode::kOk) << outcome.status();
    MetaQueryResult result;
    CHECK(result.ParseFromString(std::string(outcome->response)));
    return result;
  }

  std::vector<RangeDescriptor> ByKey() {
    MetaQuery query;
    query.set_ranges_from("");
    query.set_limit(1000);
    const MetaQueryResult result = Ask(query);
    return {result.ranges().begin(), result.ranges().end()};
  }

  size_t RowsById() {
    size_t rows = 0;
    const std::string begin = meta::Row("d");
    const std::string end = meta::EndOfKind('d');
    const auto it = engine_.NewIterator(meta::View(begin), meta::View(end));
    for (it->Seek(meta::View(begin)); it->Valid(); it->Next()) ++rows;
    return rows;
  }

  void CheckRows() {
    const std::vector<RangeDescriptor> ranges = ByKey();
    std::set<uint64_t> ids;
    for (size_t i = 0; i < ranges.size(); ++i) {
      ids.insert(ranges[i].range_id());
      if (i > 0 && Overlaps(ranges[i - 1], ranges[i])) {
        Wrong(absl::StrCat(Text(ranges[i - 1]), " and ", Text(ranges[i]), " overlap"));
      }
    }
    if (ids.size() != ranges.size() || RowsById() != ranges.size()) {
      Wrong("rows by id and rows by key differ");
    }
  }

  // One read of the feed; false: there was nothing new.
  bool Poll() {
    MetaQuery query;
    query.set_changes_after(change_);
    query.set_limit(static_cast<uint32_t>(1 + Pick(5)));
    MetaQueryResult result = Ask(query);
    const uint64_t before = change_;
    change_ = result.last_change();
    if (result.everything()) {
      seen_.clear();
      for (const RangeDescriptor& range : ByKey()) seen_[range.range_id()] = range;
      return true;
    }
    for (const uint64_t id : result.gone_range_ids()) {
      seen_.erase(id);
      for (const auto& [start, range] : live_) {
        if (range.range_id() == id) Wrong(absl::StrCat(Text(range), " lives and is called gone"));
      }
    }
    for (const RangeDescriptor& range : result.ranges()) seen_[range.range_id()] = range;
    return change_ != before;
  }

  void CheckEnd() {
    Ranges expected;
    for (const auto& [start, range] : live_) expected[range.range_id()] = range;
    Ranges held;
    for (const RangeDescriptor& range : ByKey()) held[range.range_id()] = range;
    Compare(expected, held, "the directory");
    Compare(expected, seen_, "the reader of changes");
  }

  void Compare(const Ranges& expected, const Ranges& held, const std::string& who) {
    for (const auto& [id, range] : expected) {
      const auto found = held.find(id);
      if (found == held.end()) {
        Wrong(absl::StrCat(who, " lacks ", Text(range)));
      } else if (found->second.SerializeAsString() != range.SerializeAsString()) {
        Wrong(absl::StrCat(who, " has ", Text(found->second), " instead of ", Text(range)));
      }
    }
    for (const auto& [id, range] : held) {
      if (expected.count(id) == 0) Wrong(absl::StrCat(who, " has ", Text(range), ", absorbed"));
    }
  }

  uint64_t random_;
  const consensus::Mutants mutants_;
  kv::MemoryEngine engine_;
  std::map<std::string, RangeDescriptor> live_;  // By start key.
  uint64_t next_id_ = 3;
  std::vector<RangeDescriptor> told_;
  std::vector<RangeDescriptor> deliveries_;
  uint64_t change_ = 0;
  Ranges seen_;
  std::string wrong_;
};

}  // namespace

std::string RunDirectory(uint64_t seed, const consensus::Mutants& mutants) {
  return Run(seed, mutants).Go();
}

}  // namespace rasputin::range
