// Field numbers are those of rasputin/kv/v1/kv.proto.

#include "kv/scan_page.h"

#include <utility>

#include "kv/wire.h"

namespace rasputin::kv {
namespace {

constexpr uint32_t kRows = 1;
constexpr uint32_t kMore = 2;
constexpr uint32_t kResumeKey = 3;

}  // namespace

absl::StatusOr<ScanPageSummary> SummarizeScanPage(const absl::Cord& page) {
  ScanPageSummary summary;
  const CordBytes bytes(page);
  WireReader reader(page);
  bool well = true;
  while (well && reader.Next()) {
    const bool is_bytes = reader.type() == WireType::kBytes;
    switch (reader.field()) {
      case kRows:
        well = is_bytes;
        ++summary.rows;
        break;
      case kMore:
        well = reader.type() == WireType::kVarint;
        summary.more = reader.number() != 0;
        break;
      case kResumeKey:
        well = is_bytes;
        if (!well) break;
        summary.resume_key.clear();
        bytes.AppendTo(reader.span(), &summary.resume_key);
        break;
      default:  // Of a store that is newer.
        break;
    }
  }
  if (!well || !reader.ok()) {
    return absl::DataLossError("the range answered with something that is no page of a scan");
  }
  return summary;
}

void SetMore(absl::string_view resume_key, absl::Cord* page) {
  std::string fields;
  AppendNumberField(kMore, 1, &fields);
  AppendBytesField(kResumeKey, resume_key, &fields);
  page->Append(std::move(fields));
}

}  // namespace rasputin::kv
