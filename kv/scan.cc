// ScanPage of state_machine.h: one page of a scan, read from one snapshot of the engine.
//
// Pure but for the engine's iterator; not responsible for which range a page belongs to. Field
// numbers are those of rasputin/kv/v1/kv.proto.

#include <algorithm>
#include <memory>
#include <utility>

#include "kv/key.h"
#include "kv/request_parser.h"
#include "kv/response.h"
#include "kv/state_machine.h"

namespace rasputin::kv {
namespace {

// What a page may hold and which keys it covers.
struct Page {
  std::string begin;  // Data keys.
  std::string end;
  bool range_ends_first = false;
  uint64_t rows_max = 0;
  uint64_t bytes_max = 0;
};

Page PageOf(const Space& space, absl::string_view start, absl::string_view end,
            const absl::Cord& request, const ParsedScan& scan) {
  const CordBytes bytes(request);
  std::string start_scratch;
  std::string end_scratch;
  const absl::string_view first = bytes.View(scan.start, &start_scratch);
  const absl::string_view stop = bytes.View(scan.end, &end_scratch);
  Page page;
  page.begin = DataKey(space.collection_id, std::max(first, start));
  page.range_ends_first = !end.empty() && (stop.empty() || end < stop);
  const absl::string_view last = page.range_ends_first ? end : stop;
  page.end = last.empty() ? DataEnd(space.collection_id) : DataKey(space.collection_id, last);
  page.rows_max =
      scan.page_rows_max == 0 ? kPageRowsMax : std::min(scan.page_rows_max, kPageRowsMax);
  if (scan.limit != 0) page.rows_max = std::min(page.rows_max, scan.limit);
  page.bytes_max =
      scan.page_bytes_max == 0 ? kPageBytesDefault : std::min(scan.page_bytes_max, kPageBytesMax);
  return page;
}

void AppendRow(absl::string_view key, const RowView& row, bool keys_only, std::string* out) {
  std::string head;
  AppendBytesField(1, key, &head);
  AppendNumberField(2, row.version, &head);
  const absl::string_view value = keys_only ? absl::string_view() : row.payload;
  uint64_t value_field_bytes = 0;
  if (!value.empty()) value_field_bytes = 1 + VarintSize(value.size()) + value.size();
  AppendBytesHeader(1, head.size() + value_field_bytes, out);
  out->append(head);
  AppendBytesField(3, value, out);
}

}  // namespace

absl::StatusOr<Outcome> ScanPage(const Space& space, absl::string_view start, absl::string_view end,
                                 const absl::Cord& request, const Engine& engine) {
  Outcome outcome;
  ParsedScan scan;
  absl::Status status = ParseScan(request, &scan);
  if (!status.ok()) {
    outcome.code = OutcomeCode::kInvalidArgument;
    outcome.message = std::string(status.message());
    return outcome;
  }
  const Page page = PageOf(space, start, end, request, scan);
  std::string response;
  std::string resume_key;
  bool more = page.range_ends_first;
  if (more) resume_key = std::string(end);
  if (page.begin < page.end) {
    uint64_t rows_left = page.rows_max;
    uint64_t bytes = 0;
    const std::unique_ptr<EngineIterator> rows = engine.NewIterator(page.begin, page.end);
    for (rows->Seek(page.begin); rows->Valid(); rows->Next()) {
      const absl::string_view key = UserKeyOf(rows->key());
      if (rows_left == 0 || bytes >= page.bytes_max) {
        more = true;
        resume_key = std::string(key);
        break;
      }
      RowView row;
      status = DecodeRow(rows->value(), &row);
      if (!status.ok()) return status;
      AppendRow(key, row, scan.keys_only, &response);
      --rows_left;
      bytes += key.size() + (scan.keys_only ? 0 : row.payload.size());
    }
    if (!rows->status().ok()) return rows->status();
  }
  outcome.scanned_to = more ? resume_key : std::string(UserKeyOf(page.end));
  AppendNumberField(2, more ? 1 : 0, &response);
  AppendBytesField(3, resume_key, &response);
  outcome.response = absl::Cord(std::move(response));
  return outcome;
}

}  // namespace rasputin::kv
