// The commands that act against the protocol's own judgement; see way_out_commands.h.
//
// They are loud on purpose: whoever uses them must have said that he knows what he does.

#include "client/cli/way_out_commands.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/cli/exit_code.h"
#include "client/cli/output.h"

namespace rasputin::client {
namespace {

constexpr char kProof[] = "i-proved-that-this-store-is-dead";
constexpr char kWarning[] =
    "if it is alive it may serve STALE READS for about a lease; writes are never lost";

// Who asks, for the trace.
std::string Asker() {
  const char* user = std::getenv("USER");
  std::array<char, 65> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  const std::string name =
      absl::StrCat(user == nullptr ? "uid " : user, user == nullptr ? absl::StrCat(getuid()) : "",
                   "@", host.data());
  return name.substr(0, 200);
}

const char* Word(admin::v1::WithdrawalOutcome outcome) {
  switch (outcome) {
    case admin::v1::WITHDRAWAL_OUTCOME_WITHDRAWN:
      return "withdrawn";
    case admin::v1::WITHDRAWAL_OUTCOME_NOTHING_PROMISED:
      return "nothing promised";
    case admin::v1::WITHDRAWAL_OUTCOME_REFUSED:
      return "REFUSED";
    case admin::v1::WITHDRAWAL_OUTCOME_NOT_REACHED:
      return "not reached";
    default:
      return "unknown";
  }
}

}  // namespace

int StoreWithdraw(const Context& context) {
  const absl::StatusOr<uint64_t> store = context.line.OperandNumber(0, "STORE");
  if (!store.ok()) return context.FailUsage(store.status());
  if (context.line.Text(kProof) != absl::StrCat(*store)) {
    return context.FailUsage(absl::InvalidArgumentError(absl::StrCat(
        "store ", *store, " must be proved dead (its process gone, or its machine off); ", kWarning,
        ". If it is proved, add --", kProof, "=", *store)));
  }
  admin::v1::WithdrawPromisesRequest request;
  request.set_store_id(*store);
  request.set_proved_dead_store_id(*store);
  request.set_asked_by(Asker());
  const auto response = Admin(context.options).WithdrawPromises(request);
  if (!response.ok()) return context.Fail(response.status(), true);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows = {{"STORE", "PROMISES", "WHY"}};
  bool refused = false;
  for (const admin::v1::StoreWithdrawal& one : response->stores()) {
    refused = refused || one.outcome() == admin::v1::WITHDRAWAL_OUTCOME_REFUSED;
    Json row;
    row["store_id"] = one.store_id();
    row["outcome"] = Word(one.outcome());
    row["message"] = one.message();
    json.push_back(std::move(row));
    rows.push_back({absl::StrCat(one.store_id()), Word(one.outcome()),
                    one.message().empty() ? "-" : one.message()});
  }
  context.Write(json, AlignedTable(rows));
  context.Note(
      absl::StrCat(refused ? "where it was refused nothing happened; elsewhere store " : "store ",
                   *store, " was treated as dead because you said so: ", kWarning));
  return refused ? kRefused : kDone;
}

int StoreAudit(const Context& context) {
  const auto response = Admin(context.options).ListAudit();
  if (!response.ok()) return context.Fail(response.status(), false);
  Json json = Json::array();
  std::string text;
  for (const admin::v1::StoreAudit& store : response->stores()) {
    Json one;
    one["store_id"] = store.store_id();
    one["reachable"] = store.reachable();
    one["lines"] = Json::array();
    const std::string name = absl::StrCat("store ", store.store_id(), ": ");
    if (!store.reachable()) absl::StrAppend(&text, name, "does not answer\n");
    if (store.reachable() && store.lines().empty()) absl::StrAppend(&text, name, "nothing\n");
    for (const std::string& line : store.lines()) {
      one["lines"].push_back(line);
      absl::StrAppend(&text, name, line, "\n");
    }
    json.push_back(std::move(one));
  }
  context.Write(json, text);
  return kDone;
}

}  // namespace rasputin::client
