// Loads of ranges and decisions about them, in words, tables and JSON.
//
// Pure functions; `now_ms` is this machine's time in milliseconds since 1970, against which ages of
// decisions are counted. Texts are for people and may change; JSON has the fields of the API.

#ifndef RASPUTIN_CLIENT_CLI_LOAD_TEXT_H_
#define RASPUTIN_CLIENT_CLI_LOAD_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "client/cli/output.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/type/v1/load.pb.h"

namespace rasputin::client {

// "0 B", "17.3 MiB".
std::string SizeText(double bytes);
// "0", "12.5", "3,100".
std::string RateText(double per_second);
// "42 s", "17 min", "3 h", "5 d".
std::string TimeText(uint64_t seconds);

Json LoadJson(const type::v1::RangeLoad& load);
Json DecisionJson(const type::v1::Decision& decision);
// "12 s ago: split, done: ..."
std::string DecisionText(const type::v1::Decision& decision, uint64_t now_ms);

// What a key's range is and does, and why it is as it is. `shown_key` as the user typed it.
std::string ExplainText(const std::string& shown_key, const std::string& collection,
                        const admin::v1::DescribeRangeResponse& report, bool hex, uint64_t now_ms);
// The fields that `range describe` and `explain` have in common.
Json ReportJson(const admin::v1::DescribeRangeResponse& report);

// The busiest ranges, the stores, the newest decisions; at most so many of each.
std::string TopText(const admin::v1::ListLoadsResponse& loads, size_t rows, uint64_t now_ms);
Json TopJson(const admin::v1::ListLoadsResponse& loads);

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_CLI_LOAD_TEXT_H_
