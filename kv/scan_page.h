// What a front end needs to know of a page of a scan, read from its bytes: rows are neither parsed
// nor copied on their way from the range to the client.
//
// Pure functions over an encoded rasputin.kv.v1.ScanResponse; any bytes may be given.

#ifndef RASPUTIN_KV_SCAN_PAGE_H_
#define RASPUTIN_KV_SCAN_PAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace rasputin::kv {

struct ScanPageSummary {
  uint64_t rows = 0;
  bool more = false;
  std::string resume_key;  // With `more`.
};

// DATA_LOSS: this is no page.
absl::StatusOr<ScanPageSummary> SummarizeScanPage(const absl::Cord& page);

// Makes the page say that there is more, from `resume_key` on. Appended: of a field that occurs
// twice the last counts.
void SetMore(absl::string_view resume_key, absl::Cord* page);

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_SCAN_PAGE_H_
