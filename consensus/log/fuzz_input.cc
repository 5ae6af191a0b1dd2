// Runs every decoder over the same bytes and checks what must hold whatever they are.

#include "consensus/log/fuzz_input.h"

#include <glog/logging.h>

#include <optional>
#include <string>

#include "consensus/log/frame.h"
#include "consensus/log/segment_scan.h"

namespace rasputin::consensus::log {
namespace {

void DecodePayloads(absl::string_view bytes) {
  Entry entry;
  HardState state;
  LogStartRecord start;
  lease::PairState pair;
  Epoch counter;
  if (DecodeEntry(bytes, &entry)) {
    CHECK_EQ(entry.payload.size() + kEntryHeaderBytes, bytes.size());
    std::string again;
    AppendEntryRecord(RangeId(1), 1, entry, &again);
    CHECK(absl::string_view(again).substr(kRecordHeaderBytes) == bytes);
  }
  DecodeHardState(bytes, &state);
  DecodeLogStart(bytes, &start);
  DecodeLeasePair(bytes, &pair);
  DecodeEpochCounter(bytes, &counter);
}

}  // namespace

int DecodeAnything(absl::string_view bytes) {
  RecordView record;
  if (DecodeRecord(bytes, &record)) {
    CHECK_LE(record.bytes, bytes.size());
    DecodePayloads(record.payload);
  }
  DecodePayloads(bytes);
  int records = 0;
  auto count = [&](const RecordView& found, uint64_t offset) {
    CHECK_LE(offset + found.bytes, bytes.size());
    DecodePayloads(found.payload);
    ++records;
    return absl::OkStatus();
  };
  absl::StatusOr<SegmentScan> scan =
      ScanSegment(bytes, StoreId(7), 5, std::nullopt, Mutants(), count);
  if (scan.ok() && scan->started) {
    // A torn frame may claim any length; whole ones end within the file (and its alignment).
    CHECK_LE(scan->end, AlignFrame(bytes.size()));
    CHECK(!scan->witness.has_value() || *scan->witness > scan->end);
  }
  return records;
}

}  // namespace rasputin::consensus::log
