// See load_text.h.

#include "client/cli/load_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/records.h"

namespace rasputin::client {
namespace {

using admin::v1::DescribeRangeResponse;
using admin::v1::ListLoadsResponse;
using type::v1::Decision;
using type::v1::RangeLoad;
using Rows = std::vector<std::vector<std::string>>;

std::string KindName(type::v1::DecisionKind kind) {
  switch (kind) {
    case type::v1::DECISION_KIND_SPLIT:
      return "split";
    case type::v1::DECISION_KIND_MERGE:
      return "merge";
    case type::v1::DECISION_KIND_REPLICAS:
      return "replicas";
    case type::v1::DECISION_KIND_LEASE:
      return "lease";
    default:
      return absl::StrCat("kind ", int{kind});
  }
}

std::string OutcomeName(type::v1::DecisionOutcome outcome) {
  switch (outcome) {
    case type::v1::DECISION_OUTCOME_NOT_TAKEN:
      return "not done";
    case type::v1::DECISION_OUTCOME_BEGUN:
      return "begun";
    case type::v1::DECISION_OUTCOME_DONE:
      return "done";
    case type::v1::DECISION_OUTCOME_FAILED:
      return "failed";
    default:
      return absl::StrCat("outcome ", int{outcome});
  }
}

double RequestsOf(const RangeLoad& load) {
  return load.reads_per_second() + load.writes_per_second();
}

std::string Grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string ThresholdsText(const type::v1::SplitThresholds& thresholds) {
  return absl::StrCat(
      "above ", SizeText(static_cast<double>(thresholds.size_bytes())), ", ",
      Grouped(thresholds.requests_per_second()), " requests/s, ",
      absl::StrFormat("%.2f", static_cast<double>(thresholds.cpu_millicores()) / 1000), " cores, ",
      SizeText(static_cast<double>(thresholds.read_bytes_per_second())), "/s read or ",
      SizeText(static_cast<double>(thresholds.written_bytes_per_second())), "/s written");
}

std::string LoadText(const RangeLoad& load) {
  return absl::StrCat(
      RateText(load.reads_per_second()), " reads/s (", SizeText(load.read_bytes_per_second()),
      "/s), ", RateText(load.writes_per_second()), " writes/s (",
      SizeText(load.written_bytes_per_second()), "/s), ", absl::StrFormat("%.3f", load.cpu_cores()),
      " cores; at most ", RateText(load.peak_requests_per_second()), " requests/s in ",
      TimeText(load.observed_seconds()));
}

std::string KeyText(const std::string& full_key, uint64_t collection, bool hex,
                    const std::string& none) {
  const std::string key = UserKeyIn(full_key, collection);
  return key.empty() ? none : absl::StrCat("'", Show(key, hex), "'");
}

}  // namespace

std::string SizeText(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%.0f B", bytes)
                   : absl::StrFormat("%.1f %s", bytes, units[unit]);
}

std::string RateText(double per_second) {
  if (per_second < 0.05) return "0";
  if (per_second < 100) return absl::StrFormat("%.1f", per_second);
  return Grouped(static_cast<uint64_t>(per_second + 0.5));
}

std::string TimeText(uint64_t seconds) {
  if (seconds < 120) return absl::StrCat(seconds, " s");
  if (seconds < 120 * 60) return absl::StrCat(seconds / 60, " min");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, " h");
  return absl::StrCat(seconds / 86400, " d");
}

Json LoadJson(const RangeLoad& load) {
  Json json;
  json["size_bytes"] = load.size_bytes();
  json["reads_per_second"] = load.reads_per_second();
  json["writes_per_second"] = load.writes_per_second();
  json["read_bytes_per_second"] = load.read_bytes_per_second();
  json["written_bytes_per_second"] = load.written_bytes_per_second();
  json["cpu_cores"] = load.cpu_cores();
  json["peak_requests_per_second"] = load.peak_requests_per_second();
  json["peak_read_bytes_per_second"] = load.peak_read_bytes_per_second();
  json["peak_written_bytes_per_second"] = load.peak_written_bytes_per_second();
  json["peak_cpu_cores"] = load.peak_cpu_cores();
  json["observed_seconds"] = load.observed_seconds();
  json["age_seconds"] = load.age_seconds();
  return json;
}

Json DecisionJson(const Decision& decision) {
  Json json;
  json["at_ms"] = decision.at_ms();
  json["kind"] = KindName(decision.kind());
  json["outcome"] = OutcomeName(decision.outcome());
  json["range_id"] = decision.range_id();
  json["reason"] = decision.reason();
  json["store_id"] = decision.store_id();
  return json;
}

std::string DecisionText(const Decision& decision, uint64_t now_ms) {
  const uint64_t age = now_ms > decision.at_ms() ? (now_ms - decision.at_ms()) / 1000 : 0;
  return absl::StrCat(TimeText(age), " ago: ", KindName(decision.kind()), ", ",
                      OutcomeName(decision.outcome()), ": ", decision.reason());
}

Json ReportJson(const DescribeRangeResponse& report) {
  Json json = RangeJson(report.range());
  json["store_id"] = report.store_id();
  json["leader_store_id"] = report.leader_store_id();
  json["serving"] = report.serving();
  json["term"] = report.term();
  json["committed_index"] = report.committed_index();
  json["applied_index"] = report.applied_index();
  json["last_index"] = report.last_index();
  json["lease_left_ms"] =
      report.lease_left().seconds() * 1000 + report.lease_left().nanos() / 1000000;
  json["approximate_bytes"] = report.approximate_bytes();
  json["load"] = report.has_load() ? LoadJson(report.load()) : Json();
  Json thresholds;
  if (report.has_thresholds()) {
    thresholds["size_bytes"] = report.thresholds().size_bytes();
    thresholds["requests_per_second"] = report.thresholds().requests_per_second();
    thresholds["cpu_millicores"] = report.thresholds().cpu_millicores();
    thresholds["read_bytes_per_second"] = report.thresholds().read_bytes_per_second();
    thresholds["written_bytes_per_second"] = report.thresholds().written_bytes_per_second();
  }
  json["split_thresholds"] = std::move(thresholds);
  json["decisions"] = Json::array();
  for (const Decision& decision : report.decisions()) {
    json["decisions"].push_back(DecisionJson(decision));
  }
  return json;
}

std::string ExplainText(const std::string& shown_key, const std::string& collection,
                        const DescribeRangeResponse& report, bool hex, uint64_t now_ms) {
  const type::v1::RangeDescriptor& range = report.range();
  std::string text = absl::StrCat(
      "Key '", shown_key, "' of collection ", collection, " is in range ", range.range_id(),
      ", generation ", range.generation(), ",\nwhich holds the keys from ",
      KeyText(range.start_key(), range.collection_id(), hex, "the collection's first"), " up to ",
      KeyText(range.end_key(), range.collection_id(), hex, "the collection's last"), ".\n");
  absl::StrAppend(&text, "Its replicas are on the stores ", StoresOf(range), ". ");
  if (report.serving()) {
    const int64_t left =
        report.lease_left().seconds() * 1000 + report.lease_left().nanos() / 1000000;
    absl::StrAppend(&text, "Store ", report.store_id(), " leads, with a lease for ", left,
                    " ms more, in term ", report.term(), ".\n");
  } else if (report.leader_store_id() != 0) {
    absl::StrAppend(&text, "Store ", report.leader_store_id(), " is believed to lead; store ",
                    report.store_id(), " answered, which does not.\n");
  } else {
    absl::StrAppend(&text, "No leader is known: a majority of these stores must be up.\n");
  }
  if (range.has_merge()) {
    absl::StrAppend(&text,
                    range.merge().abandoned() ? "The end of a merge with range "
                                              : "It is about to absorb range ",
                    range.merge().right_range_id(),
                    range.merge().abandoned() ? " that did not happen is under way.\n" : ".\n");
  }
  if (range.has_frozen_by()) {
    absl::StrAppend(&text, "It is frozen while range ", range.frozen_by().left_range_id(),
                    " absorbs it; requests wait.\n");
  }
  if (range.dropped()) absl::StrAppend(&text, "Its collection was dropped: it is empty.\n");
  absl::StrAppend(&text, "Size: about ", SizeText(static_cast<double>(report.approximate_bytes())),
                  ".\n");
  if (report.has_load()) {
    absl::StrAppend(&text, "Load, the mean of 10 s: ", LoadText(report.load()),
                    ".\nAge, since its last split: ", TimeText(report.load().age_seconds()), ".\n");
  }
  if (report.has_thresholds()) {
    absl::StrAppend(&text, "It splits by itself ", ThresholdsText(report.thresholds()), ".\n");
  }
  absl::StrAppend(&text, report.decisions().empty() ? "Nothing was decided about it lately.\n"
                                                    : "Decisions, newest first:\n");
  for (const Decision& decision : report.decisions()) {
    absl::StrAppend(&text, "  ", DecisionText(decision, now_ms), "\n");
  }
  return text;
}

std::string TopText(const ListLoadsResponse& loads, size_t rows, uint64_t now_ms) {
  double requests = 0;
  Rows stores = {{"STORE", "REACHABLE", "LEADERS", "REPLICAS", "REQUESTS/S", "CORES", "DISK"}};
  for (const admin::v1::StoreStatus& one : loads.stores()) {
    requests += one.load().requests_per_second();
    const bool known = one.reachable();
    stores.push_back({absl::StrCat(one.store().store_id()), known ? "yes" : "no",
                      known ? absl::StrCat(one.load().leaders()) : "-",
                      known ? absl::StrCat(one.load().replicas()) : "-",
                      known ? RateText(one.load().requests_per_second()) : "-",
                      known ? absl::StrFormat("%.2f", one.load().cpu_cores()) : "-",
                      known ? SizeText(static_cast<double>(one.load().used_bytes())) : "-"});
  }
  Rows ranges = {{"RANGE", "LEADER", "READS/S", "WRITES/S", "CORES", "SIZE", "AGE", "LAST"}};
  for (const admin::v1::RangeActivity& one : loads.ranges()) {
    if (ranges.size() > rows) break;
    const Decision& last = one.last_decision();
    ranges.push_back(
        {absl::StrCat(one.load().range_id()), absl::StrCat(one.route().leader_store_id()),
         RateText(one.load().reads_per_second()), RateText(one.load().writes_per_second()),
         absl::StrFormat("%.3f", one.load().cpu_cores()),
         SizeText(static_cast<double>(one.load().size_bytes())), TimeText(one.load().age_seconds()),
         last.at_ms() == 0
             ? "-"
             : absl::StrCat(KindName(last.kind()), ", ", OutcomeName(last.outcome()))});
  }
  std::string text =
      absl::StrCat("rasputin: ", loads.stores_size(), " stores, ", RateText(requests),
                   " requests/s\n\n", AlignedTable(stores), "\n", AlignedTable(ranges));
  if (loads.ranges().empty()) absl::StrAppend(&text, "no range has anything to do\n");
  absl::StrAppend(&text, "\nDECISIONS\n");
  size_t shown = 0;
  for (const Decision& decision : loads.decisions()) {
    if (shown++ == rows) break;
    absl::StrAppend(&text, "range ", decision.range_id(), ", ", DecisionText(decision, now_ms),
                    "\n");
  }
  if (shown == 0) absl::StrAppend(&text, "none lately\n");
  return text;
}

Json TopJson(const ListLoadsResponse& loads) {
  Json json;
  json["stores"] = Json::array();
  for (const admin::v1::StoreStatus& one : loads.stores()) {
    Json store = StoreJson(one.store());
    store["reachable"] = one.reachable();
    if (one.reachable()) {
      store["leaders"] = one.load().leaders();
      store["replicas"] = one.load().replicas();
      store["requests_per_second"] = one.load().requests_per_second();
      store["cpu_cores"] = one.load().cpu_cores();
      store["used_bytes"] = one.load().used_bytes();
    }
    json["stores"].push_back(std::move(store));
  }
  json["ranges"] = Json::array();
  for (const admin::v1::RangeActivity& one : loads.ranges()) {
    Json range = LoadJson(one.load());
    range["range_id"] = one.load().range_id();
    range["requests_per_second"] = RequestsOf(one.load());
    range["leader_store_id"] = one.route().leader_store_id();
    range["last_decision"] = one.has_last_decision() ? DecisionJson(one.last_decision()) : Json();
    json["ranges"].push_back(std::move(range));
  }
  json["decisions"] = Json::array();
  for (const Decision& decision : loads.decisions()) {
    json["decisions"].push_back(DecisionJson(decision));
  }
  return json;
}

}  // namespace rasputin::client
