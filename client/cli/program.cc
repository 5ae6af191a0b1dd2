// See program.h.

#include "client/cli/program.h"

#include <chrono>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/admin_commands.h"
#include "client/cli/bench_command.h"
#include "client/cli/collection_commands.h"
#include "client/cli/command_table.h"
#include "client/cli/exit_code.h"
#include "client/cli/kv_commands.h"
#include "client/cli/load_commands.h"
#include "client/cli/member_commands.h"
#include "client/cli/placement_commands.h"
#include "client/cli/way_out_commands.h"

namespace rasputin::client {
namespace {

// Where nothing listens the program ends sooner, unless --timeout is given: mostly the addresses
// are wrong. `cluster init` waits, because nodes that were just started come up in any order.
constexpr std::chrono::milliseconds kConnectTimeMax = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kInitTimeout = std::chrono::seconds(60);
// For each range whose members change: its data may have to be copied.
constexpr std::chrono::milliseconds kCopyTimeout = std::chrono::minutes(10);

// The release of rasputind (server/main.cc).
constexpr char kVersion[] = "rasputin 0.1.0";

using Command = int (*)(const Context&);

int CompletionBash(const Context& context) {
  context.Write(Json(BashCompletion(Commands())), BashCompletion(Commands()));
  return kDone;
}

Command FindFunction(const std::string& name) {
  static const auto* const functions = new std::map<std::string, Command>{
      {"bench", Bench},
      {"cluster init", ClusterInit},
      {"cluster status", ClusterStatus},
      {"collection create", CollectionCreate},
      {"collection describe", CollectionDescribe},
      {"collection drop", CollectionDrop},
      {"collection ls", CollectionLs},
      {"collection update", CollectionUpdate},
      {"completion bash", CompletionBash},
      {"explain", Explain},
      {"kv cas", KvCas},
      {"kv del", KvDel},
      {"kv get", KvGet},
      {"kv scan", KvScan},
      {"kv set", KvSet},
      {"lease transfer", LeaseTransfer},
      {"range describe", RangeDescribe},
      {"range ls", RangeLs},
      {"range merge", RangeMerge},
      {"range replicas", RangeReplicas},
      {"range split", RangeSplit},
      {"store audit", StoreAudit},
      {"store drain", StoreDrain},
      {"store undrain", StoreUndrain},
      {"store decommission", StoreDecommission},
      {"plan", ShowPlan},
      {"store forget", StoreForget},
      {"store ls", StoreLs},
      {"store replace", StoreReplace},
      {"store withdraw", StoreWithdraw},
      {"top", Top},
  };
  return functions->at(name);
}

bool IsHostPort(const std::string& text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != std::string::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 1 && port <= 65535;
}

// Fills in what flags of every command say.
absl::Status Prepare(const std::string& endpoints, Context* context) {
  const CommandLine& line = context->line;
  const std::string output = line.Text("output");
  if (output != "table" && output != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("flag --output must be table or json, not '", output, "'"));
  }
  context->json = output == "json";
  context->options.endpoints =
      SplitList(line.Has("endpoints") || endpoints.empty() ? line.Text("endpoints") : endpoints);
  for (const std::string& endpoint : context->options.endpoints) {
    if (absl::StrContains(endpoint, "://")) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --endpoints: write HOST:PORT without a scheme, not '", endpoint, "'"));
    }
    if (!IsHostPort(endpoint)) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag --endpoints must be a list like 127.0.0.1:8880,127.0.0.1:8881; '",
                       endpoint, "' is not host:port"));
    }
  }
  if (context->options.endpoints.empty()) {
    return absl::InvalidArgumentError("flag --endpoints names no node");
  }
  absl::StatusOr<std::chrono::milliseconds> timeout = line.Duration("timeout");
  if (!timeout.ok()) return timeout.status();
  const bool is_init = line.command->name == "cluster init";
  if (is_init && !line.Has("timeout")) *timeout = kInitTimeout;
  const std::string& name = line.command->name;
  const bool copies =
      name == "store replace" || (name == "range replicas" && line.operands().size() > 1);
  if (copies && !line.Has("timeout")) *timeout = kCopyTimeout;
  context->options.deadline = *timeout;
  if (!is_init && !line.Has("timeout")) context->options.connect_time_max = kConnectTimeMax;
  return absl::OkStatus();
}

}  // namespace

int RunProgram(const std::vector<std::string>& arguments, const std::string& endpoints,
               const Streams& streams) {
  Context context;
  context.streams = streams;
  absl::StatusOr<CommandLine> line = CommandLine::Parse(Commands(), arguments);
  if (!line.ok()) return context.FailUsage(line.status());
  context.line = *std::move(line);
  if (context.line.Has("version")) {
    *streams.out << kVersion << "\n";
    return streams.out->flush().good() ? kDone : kRefused;
  }
  if (context.line.help) {
    const bool asked = context.line.Has("help");
    *(asked ? streams.out : streams.err) << HelpText(Commands(), context.line.topic);
    return asked ? kDone : kWrongUsage;
  }
  const absl::Status prepared = Prepare(endpoints, &context);
  if (!prepared.ok()) return context.FailUsage(prepared);
  const int code = FindFunction(context.line.command->name)(context);
  if (!streams.out->flush().good()) {
    context.Note("the result could not be written to standard output");
    return code == kDone ? kRefused : code;
  }
  return code;
}

}  // namespace rasputin::client
