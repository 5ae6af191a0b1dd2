// See figures.h.

#include "range/load/figures.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rasputin::range {

std::string FormatBytes(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " bytes");
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::string text = absl::StrFormat("%.1f", value);
  if (text.size() > 2 && text.compare(text.size() - 2, 2, ".0") == 0) text.resize(text.size() - 2);
  return absl::StrCat(text, " ", kUnits[unit]);
}

std::string FormatCount(double count) {
  std::string text = absl::StrFormat("%.0f", std::max(0.0, count));
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string FormatCores(double cores) { return absl::StrFormat("%.2f", cores); }

std::string FormatTime(consensus::Duration time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  return seconds < 120 ? absl::StrCat(seconds, " s") : absl::StrCat(seconds / 60, " min");
}

std::string FormatShare(double share) { return absl::StrFormat("%.0f%%", share * 100); }

}  // namespace rasputin::range
