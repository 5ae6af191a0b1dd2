// Sums, percentiles and Markdown; see tables.h.

#include "tests/compare/tables.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rasputin::compare {
namespace {

double InD(RealTime time) { return static_cast<double>(time) / static_cast<double>(kD); }

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(1.0, rank)) - 1];
}

std::string Figure(double d) {
  return std::isinf(d) ? std::string("never") : absl::StrFormat("%.2f", d);
}

}  // namespace

void Tally::Add(uint64_t seed, const TrialReport& report, const Requirement& required) {
  recoveries_.push_back(report.recovery.has_value() ? InD(*report.recovery)
                                                    : std::numeric_limits<double>::infinity());
  read_gaps_.push_back(InD(report.longest_without_reads));
  live_ += report.live ? 1 : 0;
  could_stay_ += report.leader_can_stay ? 1 : 0;
  needless_ += report.leader_can_stay && report.changes > 0 ? 1 : 0;
  changes_ += report.changes;
  changes_max_ = std::max(changes_max_, report.changes);
  restless_ += report.changes_settled > 0 ? 1 : 0;
  elections_ += report.elections;
  without_writes_ += report.without_writes;
  stale_reads_ += report.stale_reads;
  overlaps_ += report.overlaps > 0 ? 1 : 0;
  violations_ += report.violations.size();
  spins_ += report.spins ? 1 : 0;
  const std::string why = Shortfall(required, report);
  if (why.empty()) return;
  ++failed_;
  const std::string kind = why.substr(0, why.find(" for "));
  const auto known = std::find_if(failures_.begin(), failures_.end(),
                                  [&kind](const Failure& f) { return f.why == kind; });
  if (known == failures_.end()) {
    failures_.push_back({kind, seed, 1});
  } else {
    ++known->times;
  }
}

double Tally::RecoveryD(double share) const { return Percentile(recoveries_, share); }

std::string Tally::Failures() const {
  std::string text;
  for (const Failure& failure : failures_) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", failure.why, " ", failure.times, "/", runs(),
                    " (seed ", failure.seed, ")");
  }
  return text;
}

bool Tally::Meets(const Requirement& required) const {
  return failed_ == 0 &&
         (required.recovery_p95_d_max == 0 || RecoveryD(0.95) <= required.recovery_p95_d_max);
}

std::string Tally::Header() {
  return "| scenario | protocol | live | needless changes | changes mean, max | elections mean | "
         "restless | recovery p50 | p95 | max | s without writes | read gap p95 | stale "
         "reads | two leases | violations |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";
}

std::string Tally::Row(const std::string& scenario, const std::string& protocol) const {
  const auto n = static_cast<double>(std::max<uint64_t>(1, runs()));
  const auto percent = [](uint64_t count, double of) {
    const double share = 100 * static_cast<double>(count) / of;
    return share == std::floor(share) ? absl::StrFormat("%.0f%%", share)
                                      : absl::StrFormat("%.1f%%", share);
  };
  const std::string needless =
      could_stay_ == 0 ? "-" : percent(needless_, static_cast<double>(could_stay_));
  return absl::StrFormat(
      "| %s | %s | %s | %s | %.2f, %d | %.2f | %s | %s | %s | %s | %.2f | %s | %d | %d | %d%s |",
      scenario, protocol, percent(live_, n), needless, static_cast<double>(changes_) / n,
      changes_max_, static_cast<double>(elections_) / n, percent(restless_, n),
      Figure(RecoveryD(0.5)), Figure(RecoveryD(0.95)), Figure(RecoveryD(1)),
      InD(without_writes_) * static_cast<double>(kD) / 1e9 / n,
      Figure(Percentile(read_gaps_, 0.95)), stale_reads_, overlaps_, violations_,
      spins_ == 0 ? std::string() : absl::StrFormat(", spins %d", spins_));
}

const std::vector<Rule>& Rules() {
  static const auto* rules = new std::vector<Rule>{
      {3, "[S-3]", "any answer renews the lease as if to the newest round"},
      {4, "[S-3]", "leases counted from the answer's arrival"},
      {5, "[H-10]", "reads look at the role, not at the lease"},
      {18, "[H-9]", "no retransmission"},
      {19, "[H-2]", "a vote binds"},
      {20, "[S-7] [H-7]", "leases extended without a disk or progress"},
      {21, "[S-6]", "promises forgotten at a restart"},
      {22, "[H-7]", "released before giving up"},
      {24, "[S-2] [H-5]", "no echo"},
      {25, "[H-13]", "no catch-up"},
      {26, "[H-11]", "no release"},
      {60, "[S-2] [H-5] [H-11]", "neither echo nor release"},
      {27, "[S-2]", "no allowance for clock rates"},
      {28, "[H-10]", "a new leader serves before its first entry is applied"},
      {49, "[H-11]", "a released term binds again"},
      {50, "[H-11]", "\"released\" said while leading a higher term"},
      {51, "[H-6]", "a binding counted at another epoch"},
      {52, "[S-4]", "expired taken for withdrawn"},
      {56, "[S-5]", "epochs per store"},
      {57, "[S-2]", "refusals carry no nonce"},
      {58, "[S-7]", "a store whose disk is stalled grants and votes"},
  };
  return *rules;
}

}  // namespace rasputin::compare
