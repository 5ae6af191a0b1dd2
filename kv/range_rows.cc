// See range_rows.h. Numbers are big-endian, 8 bytes each, behind a format byte.

#include "kv/range_rows.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/key.h"
#include "kv/range_row_kind.h"
#include "kv/range_snapshot.h"

namespace rasputin::kv {
namespace {

constexpr char kFormat = 1;
constexpr size_t kAppliedBytes = 1 + 3 * 8;
constexpr size_t kTombstoneBytes = 1 + 8;

absl::StatusOr<std::optional<AppliedState>> Decode(absl::StatusOr<std::optional<std::string>> row) {
  if (!row.ok()) return row.status();
  if (!row->has_value()) return std::optional<AppliedState>();
  absl::StatusOr<AppliedState> state = DecodeAppliedState(**row);
  if (!state.ok()) return state.status();
  return std::optional<AppliedState>(*state);
}

}  // namespace

std::string EncodeAppliedState(const AppliedState& state) {
  std::string row;
  row.reserve(kAppliedBytes);
  row.push_back(kFormat);
  AppendFixed64(state.index, &row);
  AppendFixed64(state.term, &row);
  AppendFixed64(state.version_floor, &row);
  return row;
}

absl::StatusOr<AppliedState> DecodeAppliedState(absl::string_view row) {
  if (row.size() != kAppliedBytes || row[0] != kFormat) {
    return absl::DataLossError(absl::StrCat("an applied row has ", row.size(), " bytes and format ",
                                            row.empty() ? 0 : static_cast<uint8_t>(row[0]),
                                            "; this program knows format 1 of ", kAppliedBytes,
                                            " bytes: it is older, or the data is damaged"));
  }
  AppliedState state;
  state.index = ReadFixed64(row.substr(1));
  state.term = ReadFixed64(row.substr(9));
  state.version_floor = ReadFixed64(row.substr(17));
  return state;
}

void WriteAppliedState(uint64_t range_id, const AppliedState& state, Turn* turn) {
  turn->Put(RangeRowKey(range_id, kAppliedRow), EncodeAppliedState(state));
}

absl::StatusOr<std::optional<AppliedState>> ReadAppliedState(uint64_t range_id,
                                                             const Engine& engine) {
  return Decode(engine.Get(RangeRowKey(range_id, kAppliedRow)));
}

absl::StatusOr<AppliedState> ReadPersistedAppliedState(uint64_t range_id, const Engine& engine) {
  absl::StatusOr<std::optional<AppliedState>> state =
      Decode(engine.GetPersisted(RangeRowKey(range_id, kAppliedRow)));
  if (!state.ok()) return state.status();
  return state->value_or(AppliedState());
}

void WriteDescriptor(uint64_t range_id, std::string encoded, Turn* turn) {
  turn->Put(RangeRowKey(range_id, kDescriptorRow), std::move(encoded));
}

absl::StatusOr<std::vector<std::string>> ListDescriptors(const Engine& engine) {
  std::vector<std::string> descriptors;
  const std::string begin(1, kRangeSpace);
  const std::unique_ptr<EngineIterator> rows =
      engine.NewIterator(begin, std::string(1, kRangeSpace + 1));
  for (rows->Seek(begin); rows->Valid();) {
    if (rows->key().size() < 10) return absl::DataLossError("a range row's key is cut short");
    const uint64_t id = ReadFixed64(rows->key().substr(1));
    const std::string key = RangeRowKey(id, kDescriptorRow);
    if (rows->key() < absl::string_view(key)) {
      rows->Seek(key);
      continue;
    }
    if (rows->key() == absl::string_view(key)) descriptors.emplace_back(rows->value());
    rows->Seek(RangeRowsEnd(id));  // Past the sessions, which may be many.
  }
  if (!rows->status().ok()) return rows->status();
  return descriptors;
}

std::string TombstoneKey(uint64_t range_id) { return RangeRowKey(range_id, kTombstoneRow); }

std::string EncodeTombstone(uint64_t replica_id) {
  std::string row(1, kFormat);
  AppendFixed64(replica_id, &row);
  return row;
}

absl::StatusOr<std::vector<std::pair<uint64_t, uint64_t>>> ListTombstones(const Engine& engine) {
  std::vector<std::pair<uint64_t, uint64_t>> tombstones;
  const std::string begin(1, kRangeSpace);
  const std::unique_ptr<EngineIterator> rows =
      engine.NewIterator(begin, std::string(1, kRangeSpace + 1));
  for (rows->Seek(begin); rows->Valid();) {
    if (rows->key().size() < 10) return absl::DataLossError("a range row's key is cut short");
    const uint64_t id = ReadFixed64(rows->key().substr(1));
    if (rows->key() == absl::string_view(TombstoneKey(id))) {
      const absl::string_view row = rows->value();
      if (row.size() != kTombstoneBytes || row[0] != kFormat) {
        return absl::DataLossError(
            "the row of a removed replica is damaged, or of a newer program");
      }
      tombstones.emplace_back(id, ReadFixed64(row.substr(1)));
    }
    rows->Seek(RangeRowsEnd(id));
  }
  if (!rows->status().ok()) return rows->status();
  return tombstones;
}

std::string AbsorbedKey(uint64_t range_id) {
  std::string key = RangeRowKey(range_id, kTombstoneRow);
  key.push_back(static_cast<char>(kAbsorbedSuffix));
  return key;
}

void WriteAbsorbed(uint64_t range_id, std::string encoded, Turn* turn) {
  turn->Put(AbsorbedKey(range_id), std::move(encoded));
}

absl::StatusOr<std::vector<std::string>> ListAbsorbed(const Engine& engine) {
  std::vector<std::string> absorbed;
  const std::string begin(1, kRangeSpace);
  const std::unique_ptr<EngineIterator> rows =
      engine.NewIterator(begin, std::string(1, kRangeSpace + 1));
  for (rows->Seek(begin); rows->Valid();) {
    if (rows->key().size() < 10) return absl::DataLossError("a range row's key is cut short");
    const uint64_t id = ReadFixed64(rows->key().substr(1));
    const std::string key = AbsorbedKey(id);
    if (rows->key() < absl::string_view(key)) {
      rows->Seek(key);
      continue;
    }
    if (rows->key() == absl::string_view(key)) absorbed.emplace_back(rows->value());
    rows->Seek(RangeRowsEnd(id));
  }
  if (!rows->status().ok()) return rows->status();
  return absorbed;
}

absl::StatusOr<bool> IsAbsorbedPersisted(uint64_t range_id, const Engine& engine) {
  absl::StatusOr<std::optional<std::string>> row = engine.GetPersisted(AbsorbedKey(range_id));
  if (!row.ok()) return row.status();
  return row->has_value();
}

absl::StatusOr<uint64_t> ReadHighestAbsorbed(uint64_t range_id, const Turn& turn) {
  const auto row = turn.Get(RangeRowKey(range_id, kHighestAbsorbedRow));
  if (!row.ok()) return row.status();
  if (!row->has_value()) return uint64_t{0};
  if ((*row)->size() != kTombstoneBytes || (**row)[0] != kFormat) {
    return absl::DataLossError(
        "the row of the highest absorbed range is damaged, or of a newer program");
  }
  return ReadFixed64(absl::string_view(**row).substr(1));
}

void WriteHighestAbsorbed(uint64_t range_id, uint64_t absorbed_range_id, Turn* turn) {
  std::string row(1, kFormat);
  AppendFixed64(absorbed_range_id, &row);
  turn->Put(RangeRowKey(range_id, kHighestAbsorbedRow), std::move(row));
}

void DeleteRangeRows(uint64_t range_id, Turn* turn) {
  turn->DeleteRange(RangeRowKey(range_id, kAppliedRow), RangeRowsEnd(range_id));
}

void DeleteRangeData(uint64_t range_id, const std::string& start_key, const std::string& end_key,
                     Turn* turn) {
  std::vector<KeySpan> spans = SpansOf({range_id, start_key, end_key});
  spans.pop_back();  // The range's own rows.
  for (KeySpan& span : spans) turn->DeleteRange(std::move(span.begin), std::move(span.end));
  turn->DeleteRange(RangeRowKey(range_id, kSessionRowsBegin),
                    RangeRowKey(range_id, kSessionRowsEnd));
}

absl::Status CopySessions(uint64_t from_range_id, uint64_t to_range_id, Turn* turn) {
  std::vector<std::pair<std::string, std::string>> rows;
  const std::string prefix = RangeRowKey(to_range_id, 0).substr(0, 9);
  absl::Status status = turn->ForEach(
      RangeRowKey(from_range_id, kSessionRowsBegin), RangeRowKey(from_range_id, kSessionRowsEnd),
      [&](absl::string_view key, absl::string_view value) {
        rows.emplace_back(absl::StrCat(prefix, key.substr(9)), std::string(value));
      });
  if (!status.ok()) return status;
  for (auto& [key, value] : rows) turn->Put(std::move(key), std::move(value));
  return absl::OkStatus();
}

}  // namespace rasputin::kv
