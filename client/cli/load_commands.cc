// See load_commands.h.

#include "client/cli/load_commands.h"

#include <chrono>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "client/admin.h"
#include "client/cli/exit_code.h"
#include "client/cli/load_text.h"

namespace rasputin::client {
namespace {

constexpr std::chrono::seconds kRefresh(1);
constexpr uint64_t kRowsMax = 1000;
// Cursor to the upper left corner, and everything from there on removed.
constexpr char kClearScreen[] = "\x1b[H\x1b[J";

}  // namespace

int Explain(const Context& context) {
  const absl::StatusOr<std::string> key = BytesOf(context.line.Operand(0), context.hex(), "KEY");
  if (!key.ok()) return context.FailUsage(key.status());
  Admin admin(context.options);
  admin::v1::LookupRangeRequest lookup;
  lookup.set_collection(context.line.Text("collection"));
  lookup.set_key(*key);
  const auto route = admin.LookupRange(lookup);
  if (!route.ok()) return context.Fail(route.status(), false);
  const auto report = admin.DescribeRange(route->route().range().range_id());
  if (!report.ok()) return context.Fail(report.status(), false);
  Json json = ReportJson(*report);
  SetBytes(&json, "key", *key);
  json["collection"] = context.line.Text("collection");
  context.Write(json, ExplainText(Show(*key, context.hex()), context.line.Text("collection"),
                                  *report, context.hex(), Context::NowMs()));
  return kDone;
}

int Top(const Context& context) {
  const absl::StatusOr<uint64_t> rows = context.line.Number("rows", 1, kRowsMax);
  if (!rows.ok()) return context.FailUsage(rows.status());
  Admin admin(context.options);
  const bool live = context.streams.out_terminal && !context.json && !context.line.Has("once");
  while (true) {
    const auto loads = admin.ListLoads(static_cast<uint32_t>(*rows));
    if (!loads.ok()) return context.Fail(loads.status(), false);
    const std::string text = TopText(*loads, *rows, Context::NowMs());
    context.Write(TopJson(*loads), live ? kClearScreen + text : text);
    if (!live || !context.streams.out->good()) return kDone;
    std::this_thread::sleep_for(kRefresh);
  }
}

}  // namespace rasputin::client
