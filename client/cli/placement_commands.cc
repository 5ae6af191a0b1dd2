// Draining, decommissioning and the plan; see placement_commands.h.
//
// What is wanted is one call; the waiting behind it only watches, and can be repeated at any time.

#include "client/cli/placement_commands.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/admin.h"
#include "client/cli/exit_code.h"
#include "client/cli/records.h"

namespace rasputin::client {
namespace {

using type::v1::Decision;
using type::v1::StoreState;

constexpr auto kLookPeriod = std::chrono::milliseconds(500);
// Without --timeout: a store with much on it takes long.
constexpr auto kWaitMax = std::chrono::hours(24);

// How far a store is on its way.
struct Progress {
  bool listed = false;
  bool reachable = false;
  uint64_t ranges = 0;
  uint64_t leaders = 0;
};

absl::StatusOr<Progress> Look(Admin* admin, uint64_t store) {
  const auto response = admin->ListStores();
  if (!response.ok()) return response.status();
  Progress progress;
  for (const admin::v1::StoreStatus& status : response->statuses()) {
    if (status.store().store_id() != store) continue;
    progress.listed = true;
    progress.ranges = status.ranges();
    progress.reachable = status.reachable();
    progress.leaders = status.leaders();
  }
  return progress;
}

std::string WhatStandsInTheWay(Admin* admin) {
  const auto plan = admin->GetPlan();
  if (!plan.ok()) return "what stands in the way is not known: nobody answers who would";
  if (plan->off()) return "nothing is moved: the node that decides has --placement=false";
  if (plan->paused()) return "nothing is moved until `rasputin plan resume`";
  if (plan->obstacles().empty()) return "it goes on by itself";
  std::string text = "in the way:";
  for (const std::string& obstacle : plan->obstacles()) absl::StrAppend(&text, " ", obstacle, ";");
  text.pop_back();
  return text;
}

// Watches until the store is as wanted; notes what changes.
absl::Status Await(const Context& context, Admin* admin, uint64_t store, StoreState state) {
  const auto end =
      std::chrono::steady_clock::now() +
      (context.line.Has("timeout")
           ? std::chrono::duration_cast<std::chrono::nanoseconds>(context.options.deadline)
           : std::chrono::duration_cast<std::chrono::nanoseconds>(kWaitMax));
  const bool drains = state == type::v1::STORE_STATE_DRAINING;
  for (std::string last;;) {
    const absl::StatusOr<Progress> progress = Look(admin, store);
    if (!progress.ok()) return progress.status();
    // What a store that does not answer leads is not known: it must not be stopped for that.
    const bool leads_nothing = progress->reachable && progress->leaders == 0;
    if (!progress->listed || (drains && leads_nothing)) return absl::OkStatus();
    const std::string text =
        progress->reachable ? absl::StrCat("store ", store, " leads ", progress->leaders,
                                           " ranges and has replicas of ", progress->ranges)
                            : absl::StrCat("store ", store, " does not answer; it has replicas of ",
                                           progress->ranges, " ranges");
    if (context.streams.terminal && text != last) context.Note(text);
    last = text;
    if (std::chrono::steady_clock::now() + kLookPeriod > end) {
      return absl::DeadlineExceededError(absl::StrCat(text, "; ", WhatStandsInTheWay(admin)));
    }
    std::this_thread::sleep_for(kLookPeriod);
  }
}

int Want(const Context& context, StoreState state, const std::string& begun,
         const std::string& done) {
  const absl::StatusOr<uint64_t> store = context.line.OperandNumber(0, "STORE");
  if (!store.ok()) return context.FailUsage(store.status());
  Admin admin(context.options);
  const auto response = admin.DrainStore(*store, state);
  if (!response.ok()) return context.Fail(response.status(), true);
  for (const std::string& obstacle : response->obstacles()) context.Note(obstacle);
  // Where nothing is moved, only who says so waits.
  const bool moves = response->obstacles().empty();
  const bool waits = state != type::v1::STORE_STATE_ACTIVE &&
                     (context.line.Has("wait") || (context.streams.terminal && moves));
  if (waits) {
    const absl::Status awaited = Await(context, &admin, *store, state);
    if (!awaited.ok()) return context.Fail(awaited, false);
  }
  Json json;
  json["store_id"] = *store;
  json["done"] = waits || state == type::v1::STORE_STATE_ACTIVE;
  json["obstacles"] = response->obstacles();
  context.Write(json, absl::StrCat("store ", *store, " ", waits ? done : begun, "\n"));
  return kDone;
}

std::string OutcomeName(type::v1::DecisionOutcome outcome) {
  switch (outcome) {
    case type::v1::DECISION_OUTCOME_BEGUN:
      return "under way";
    case type::v1::DECISION_OUTCOME_DONE:
      return "done";
    case type::v1::DECISION_OUTCOME_FAILED:
      return "failed";
    default:
      return "planned";
  }
}

void AddDecision(const Decision& decision, Json* json,
                 std::vector<std::vector<std::string>>* rows) {
  Json one;
  one["outcome"] = OutcomeName(decision.outcome());
  one["range_id"] = decision.range_id();
  one["at_ms"] = decision.at_ms();
  one["reason"] = decision.reason();
  json->push_back(std::move(one));
  rows->push_back({OutcomeName(decision.outcome()),
                   decision.range_id() == 0 ? "-" : absl::StrCat(decision.range_id()),
                   decision.reason()});
}

int SetPaused(const Context& context, bool paused) {
  const auto response = Admin(context.options).SetPlacement(paused);
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json;
  json["paused"] = paused;
  context.Write(json, paused ? "nothing is moved by itself until `rasputin plan resume`\n"
                             : "the cluster moves replicas and leaderships by itself\n");
  return kDone;
}

}  // namespace

int StoreDrain(const Context& context) {
  return Want(context, type::v1::STORE_STATE_DRAINING,
              "is draining: its leaderships go to other stores", "leads nothing any more");
}

int StoreUndrain(const Context& context) {
  return Want(context, type::v1::STORE_STATE_ACTIVE, "is active", "is active");
}

int StoreDecommission(const Context& context) {
  return Want(context, type::v1::STORE_STATE_DECOMMISSIONING,
              "is being decommissioned: everything on it goes to other stores",
              "is off the list for good");
}

int ShowPlan(const Context& context) {
  const std::string change = context.line.Operand(0);
  if (change == "pause" || change == "resume") return SetPaused(context, change == "pause");
  if (!change.empty()) {
    return context.FailUsage(
        absl::InvalidArgumentError(absl::StrCat("'", change, "' is neither pause nor resume")));
  }
  const auto plan = Admin(context.options).GetPlan();
  if (!plan.ok()) return context.Fail(plan.status(), false);
  Json json;
  json["controller_store_id"] = plan->controller_store_id();
  json["paused"] = plan->paused();
  json["ranges_short"] = plan->ranges_short();
  json["obstacles"] = plan->obstacles();
  json["decisions"] = Json::array();
  std::vector<std::vector<std::string>> rows = {{"STATE", "RANGE", "WHAT AND WHY"}};
  for (const Decision& one : plan->under_way()) AddDecision(one, &json["decisions"], &rows);
  for (const Decision& one : plan->planned()) AddDecision(one, &json["decisions"], &rows);
  for (const Decision& one : plan->done()) AddDecision(one, &json["decisions"], &rows);
  std::string text =
      absl::StrCat("store ", plan->controller_store_id(), " decides",
                   plan->paused() ? "; paused, nothing is moved until `rasputin plan resume`" : "",
                   "; ranges without all their replicas: ", plan->ranges_short(), "\n");
  for (const std::string& obstacle : plan->obstacles()) {
    absl::StrAppend(&text, "obstacle: ", obstacle, "\n");
  }
  if (rows.size() > 1) absl::StrAppend(&text, AlignedTable(rows));
  context.Write(json, text);
  return kDone;
}

}  // namespace rasputin::client
