// Numbers as the reasons of decisions write them. Pure.

#ifndef RASPUTIN_RANGE_LOAD_FIGURES_H_
#define RASPUTIN_RANGE_LOAD_FIGURES_H_

#include <cstdint>
#include <string>

#include "consensus/core/types.h"

namespace rasputin::range {

// "1.5 MiB": at most one digit behind the point, none where it is 0; below 1 KiB in bytes.
std::string FormatBytes(uint64_t bytes);
// "2,500/s" style of a count: digits grouped by three, rounded to a whole number.
std::string FormatCount(double count);
// "0.52": of a core, two digits.
std::string FormatCores(double cores);
// "90 s" below two minutes, else "12 min", rounded down.
std::string FormatTime(consensus::Duration time);
// "52%", rounded to a whole number.
std::string FormatShare(double share);

}  // namespace rasputin::range

#endif  // RASPUTIN_RANGE_LOAD_FIGURES_H_
