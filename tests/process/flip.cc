// See flip.h.

#include "tests/process/flip.h"

#include <glog/logging.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <memory>
#include <random>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/client.h"
#include "tests/linearizability/checker.h"
#include "tests/process/file_damage.h"
#include "tests/process/load.h"
#include "tests/process/server_cluster.h"

namespace rasputin::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = std::chrono::steady_clock::time_point;

constexpr int kNodes = 3;
// So many values of this size lie in the engine's files, and are read and checked all the time.
constexpr int kFillers = 250;
constexpr size_t kFillerBytes = 8000;
// How long a damaged store runs before what was damaged counts as not read.
constexpr auto kUnnoticed = seconds(8);
constexpr int kKillWithinMs = 2500;
constexpr auto kRepairMax = std::chrono::minutes(3);

Time Now() { return std::chrono::steady_clock::now(); }
double SecondsSince(Time begin) { return std::chrono::duration<double>(Now() - begin).count(); }

std::string FillerKey(int i) { return absl::StrCat("filler-", i); }
std::string FillerValue(int i) {
  std::mt19937_64 random(static_cast<uint64_t>(i));
  std::string value(kFillerBytes, '\0');
  for (char& byte : value) byte = static_cast<char>('a' + random() % 26);
  return value;
}

class FlipRun {
 public:
  explicit FlipRun(const FlipOptions& options)
      : options_(options),
        random_(options.seed),
        cluster_(
            {kNodes,
             options.binary,
             options.directory,
             // Little is kept in memory: what is damaged is to be read.
             {"--flush-bytes=1048576", "--log-segment-bytes=1048576", "--block-cache-bytes=1048576",
              "--log-cache-bytes=1048576", "--log-reserve-bytes=4194304"},
             0}) {}

  FlipReport Run();

 private:
  enum class Verdict { kAtStart, kRunning, kUnnoticed, kNotRepaired };

  client::ClientOptions ClientFor(seconds deadline) const {
    client::ClientOptions options;
    options.endpoints = cluster_.ClientAddresses();
    options.deadline = deadline;
    return options;
  }
  std::string Data(int node) const { return cluster_.Home(node) + "/data"; }
  void WriteFillers();
  void ReadFillers();
  void CheckFiller(client::Client* client, int i);
  void AwaitWrites(uint64_t more);
  // Restarts what has exited by itself.
  void Supervise();
  std::string LogSince(int node, uint64_t offset) const;
  uint64_t LogBytes(int node) const;
  bool AllWhole(client::Admin* admin);
  void AwaitWhole();
  void Round(int number);
  FlipTarget PickTarget(int number);
  Verdict Watch(int victim, uint64_t log_begin);
  void Undo(int victim, const FileDamage& damage, std::string* line);
  void Judge();

  const FlipOptions options_;
  std::mt19937_64 random_;
  ServerCluster cluster_;
  std::unique_ptr<Load> load_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> wrong_answers_{0};
  FlipReport report_;
};

void FlipRun::WriteFillers() {
  client::Client client(ClientFor(seconds(60)));
  for (int i = 0; i < kFillers; ++i) {
    kv::v1::SetRequest request;
    request.set_key(FillerKey(i));
    request.set_value(FillerValue(i));
    const auto written = client.Set(request);
    CHECK(written.ok()) << written.status();
  }
}

void FlipRun::CheckFiller(client::Client* client, int i) {
  kv::v1::GetRequest request;
  request.set_key(FillerKey(i));
  const auto read = client->Get(request);
  if (!read.ok()) return;  // Says nothing.
  if (read->found() && read->value() == FillerValue(i)) return;
  LOG(ERROR) << "a wrong answer: filler " << i << (read->found() ? " differs" : " is missing");
  ++wrong_answers_;
}

void FlipRun::ReadFillers() {
  client::Client client(ClientFor(seconds(10)));
  std::mt19937_64 random(options_.seed);
  while (!stop_) {
    CheckFiller(&client, static_cast<int>(random() % kFillers));
    std::this_thread::sleep_for(milliseconds(2));  // The increments are the load.
  }
}

void FlipRun::AwaitWrites(uint64_t more) {
  load_->AwaitWrites(more, kRepairMax, [this] { Supervise(); });
}

void FlipRun::Supervise() {
  for (int node = 0; node < kNodes; ++node) {
    if (!cluster_.ExitedByItself(node)) continue;
    ++report_.exits;
    cluster_.Start(node);
  }
}

uint64_t FlipRun::LogBytes(int node) const {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(cluster_.LogFile(node), error);
  return error ? 0 : size;
}

std::string FlipRun::LogSince(int node, uint64_t offset) const {
  std::ifstream file(cluster_.LogFile(node), std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool FlipRun::AllWhole(client::Admin* admin) {
  for (int node = 0; node < kNodes; ++node) {
    if (!cluster_.Running(node)) return false;
    for (const char* name : {"/DAMAGED", "/REPLACES"}) {
      if (std::filesystem::exists(Data(node) + name)) return false;
    }
  }
  const auto stores = admin->ListStores();
  if (!stores.ok() || stores->statuses_size() != kNodes) return false;
  for (const auto& store : stores->statuses()) {
    if (!store.reachable()) return false;
  }
  const auto routes = admin->ListRanges("");
  if (!routes.ok() || routes->empty()) return false;
  for (const admin::v1::RangeRoute& route : *routes) {
    if (route.range().replicas_size() != kNodes) return false;
    const auto range = admin->DescribeRange(route.range().range_id());
    if (!range.ok() || !range->serving() || range->range().replicas_size() != kNodes) return false;
    for (const auto& replica : range->range().replicas()) {
      if (replica.role() == type::v1::REPLICA_ROLE_LEARNER) return false;
    }
    for (const auto& member : range->members()) {
      if (member.needs_snapshot() || (!member.bound() && member.store_id() != range->store_id())) {
        return false;
      }
    }
  }
  return true;
}

void FlipRun::AwaitWhole() {
  client::Admin admin(ClientFor(seconds(5)));
  for (const Time begin = Now(); !AllWhole(&admin);) {
    CHECK(Now() < begin + kRepairMax) << "the cluster is not whole";
    Supervise();
    std::this_thread::sleep_for(milliseconds(50));
  }
}

FlipTarget FlipRun::PickTarget(int number) {
  if (!options_.targets.empty()) {
    return options_.targets[static_cast<size_t>(number) % options_.targets.size()];
  }
  // Half the log, a third the tables.
  constexpr FlipTarget kWeighted[] = {
      FlipTarget::kSegment,  FlipTarget::kSegment,  FlipTarget::kSegment, FlipTarget::kSegment,
      FlipTarget::kSegment,  FlipTarget::kSst,      FlipTarget::kSst,     FlipTarget::kSst,
      FlipTarget::kSst,      FlipTarget::kManifest, FlipTarget::kCurrent, FlipTarget::kOptions,
      FlipTarget::kIdentity, FlipTarget::kStore};
  return kWeighted[random_() % (sizeof(kWeighted) / sizeof(kWeighted[0]))];
}

// Until the damage was found and repaired, or nothing came of it.
FlipRun::Verdict FlipRun::Watch(int victim, uint64_t log_begin) {
  client::Admin admin(ClientFor(seconds(5)));
  const Time begin = Now();
  bool found = false;
  bool was_open = false;
  // A repair that is broken off at any point goes on.
  bool kills = random_() % 2 == 0;
  const Time kill_at = begin + milliseconds(random_() % kKillWithinMs);
  while (Now() < begin + kRepairMax) {
    Supervise();
    if (found && kills && Now() >= kill_at) {
      kills = false;
      ++report_.kills;
      cluster_.Kill(victim);
      cluster_.Start(victim);
    }
    const std::string log = LogSince(victim, log_begin);
    const size_t damaged = std::min(log.find("is damaged and is not opened again"),
                                    log.find("the store is marked as damaged"));
    if (damaged != std::string::npos && !found) {
      found = true;
      was_open = log.find(" is open\n") < damaged;
    }
    if (found && absl::StrContains(log, "the damaged store is replaced") && AllWhole(&admin)) {
      return was_open ? Verdict::kRunning : Verdict::kAtStart;
    }
    if (!found && Now() >= begin + kUnnoticed && AllWhole(&admin)) return Verdict::kUnnoticed;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return Verdict::kNotRepaired;
}

// What was not read must not lie there while another store is damaged.
void FlipRun::Undo(int victim, const FileDamage& damage, std::string* line) {
  cluster_.Kill(victim);
  absl::StrAppend(line, damage.Undo() ? ": not noticed, undone" : ": not noticed, gone by itself");
  cluster_.Start(victim);
  AwaitWhole();
}

void FlipRun::Round(int number) {
  const int leader = cluster_.Leader(Load::Key(0));
  const bool aim = random_() % 3 == 0;
  const int victim = aim && leader >= 0 ? leader : static_cast<int>(random_() % kNodes);
  const bool running = options_.targets.empty() && random_() % 4 == 0;
  FileDamage damage;
  FlipTarget target = PickTarget(number);
  while (!damage.Choose(Data(victim), target, &random_)) target = FlipTarget::kSegment;
  uint64_t log_begin = LogBytes(victim);
  if (!running) cluster_.Kill(victim);
  // The engine may have removed it meanwhile.
  while (!damage.Choose(Data(victim), target, &random_)) target = FlipTarget::kSegment;
  damage.Apply(&random_);
  const Time begin = Now();
  if (!running) cluster_.Start(victim);
  Verdict verdict = Watch(victim, log_begin);
  const bool at_next_start = running && verdict == Verdict::kUnnoticed;
  if (at_next_start) {
    cluster_.Kill(victim);
    log_begin = LogBytes(victim);
    cluster_.Start(victim);
    verdict = Watch(victim, log_begin);
  }
  ++report_.rounds;
  if (victim == leader) ++report_.leaders;
  if (running) ++report_.while_running;
  std::string line =
      absl::StrCat("round ", number + 1, ", node ", victim, victim == leader ? " (leader), " : ", ",
                   running ? "running, " : "stopped, ", damage.text());
  switch (verdict) {
    case Verdict::kAtStart:
    case Verdict::kRunning: {
      const bool restarted = !running || at_next_start;
      const bool at_run_time = !restarted || verdict == Verdict::kRunning;
      ++(at_run_time ? report_.detected_running : report_.detected_at_start);
      report_.repair_s.push_back(SecondsSince(begin));
      absl::StrAppend(&line,
                      at_run_time     ? ": detected while running, "
                      : at_next_start ? ": detected at the next start, "
                                      : ": detected at start, ",
                      "whole after ", static_cast<int>(report_.repair_s.back() * 1000), " ms");
      break;
    }
    case Verdict::kUnnoticed:
      ++report_.unnoticed;
      Undo(victim, damage, &line);
      break;
    case Verdict::kNotRepaired:
      ++report_.not_repaired;
      absl::StrAppend(&line, ": NOT REPAIRED; see ", cluster_.LogFile(victim));
      break;
  }
  LOG(INFO) << line;
  report_.lines.push_back(line);
  // As an operator does who has looked at it.
  for (const auto& entry : std::filesystem::directory_iterator(Data(victim))) {
    const bool kept = absl::StartsWith(entry.path().filename().string(), "quarantined-");
    if (kept) std::filesystem::remove_all(entry.path());
  }
}

void FlipRun::Judge() {
  report_.counters = load_->JudgeCounters();
  const linearizability::Verdict verdict = linearizability::CheckLinearizable(load_->history());
  report_.operations = load_->history().size();
  report_.linearizable = verdict.judgement == linearizability::Judgement::kLinearizable;
  report_.violation = verdict.key + "\n" + verdict.explanation;
  client::Client client(ClientFor(seconds(60)));
  for (int i = 0; i < kFillers; ++i) CheckFiller(&client, i);
  report_.wrong_answers = wrong_answers_;
}

FlipReport FlipRun::Run() {
  for (int node = 0; node < kNodes; ++node) cluster_.Start(node);
  cluster_.Init();
  WriteFillers();
  LoadOptions load_options;
  load_options.endpoints = cluster_.ClientAddresses();
  load_options.seed = options_.seed;
  load_options.workers = 4;
  load_ = std::make_unique<Load>(load_options);
  load_->Start();
  std::thread reader([this] { ReadFillers(); });
  AwaitWrites(100);
  AwaitWhole();
  for (int i = 0; i < options_.rounds && report_.not_repaired == 0; ++i) {
    Round(i);
    if (report_.not_repaired == 0) AwaitWrites(100);
  }
  load_->Stop();
  stop_ = true;
  reader.join();
  Judge();
  return report_;
}

}  // namespace

FlipReport RunFlips(const FlipOptions& options) { return FlipRun(options).Run(); }

std::string ToString(const FlipReport& report) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(1);
  for (const std::string& line : report.lines) out << "  " << line << "\n";
  out << "damage: " << report.rounds << " rounds (" << report.leaders << " at the leader's store, "
      << report.while_running << " while it ran): " << report.detected_at_start
      << " detected at start, " << report.detected_running << " detected while running, "
      << report.unnoticed << " not noticed, " << report.not_repaired << " not repaired; "
      << report.exits << " processes ended by themselves, " << report.kills
      << " killed during the repair\n"
      << "  increments: " << report.counters.acknowledged << " acknowledged, "
      << report.counters.unknown << " unknown; counters with lost increments "
      << report.counters.lost << ", with doubled ones " << report.counters.doubled
      << "; other wrong answers " << report.wrong_answers << "\n"
      << "  history of " << report.operations << " operations: "
      << (report.linearizable ? "linearizable" : "NOT linearizable: " + report.violation) << "\n";
  std::vector<double> times = report.repair_s;
  std::sort(times.begin(), times.end());
  if (!times.empty()) {
    out << "  to three live replicas of every range: min " << times.front() << " p50 "
        << times[times.size() / 2] << " max " << times.back() << " s\n";
  }
  return out.str();
}

}  // namespace rasputin::process
