// Processes of hunts, and what they tell; see hunt.h.

#include "tests/mutants/hunt.h"

#include <glog/logging.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "tests/mutants/instruments.h"

namespace rasputin::mutants {
namespace {

// How the process of a hunt ends, but for SIGABRT, which is a CHECK.
constexpr int kNothingFound = 0;
constexpr int kFound = 10;
constexpr uint64_t kMillion = 1'000'000;

using Clock = std::chrono::steady_clock;

// Of the process of a hunt.
int result_pipe = -1;
Catch current;
Clock::time_point began;

void Tell() {
  current.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  (void)!write(result_pipe, &current, sizeof(current));
}

void SetBy(std::string by) {
  std::replace(by.begin(), by.end(), '\n', ' ');
  std::replace(by.begin(), by.end(), '|', '/');
  std::strncpy(current.by, by.c_str(), sizeof(current.by) - 1);
}

// Takes the words of the CHECK that ends the process.
class LastWords final : public google::LogSink {
 public:
  using google::LogSink::send;
  void send(google::LogSeverity severity, const char*, const char* file, int,
            const google::LogMessageTime&, const char* message, size_t size) override {
    if (severity != google::GLOG_FATAL) return;
    SetBy(std::string("CHECK in ") + file + ": " + std::string(message, size));
  }
};

[[noreturn]] void OnCheckFailure() {
  Tell();
  std::abort();
}

[[noreturn]] void Run(const Order& order) {
  static LastWords last_words;
  google::AddLogSink(&last_words);
  google::InstallFailureFunction(&OnCheckFailure);
  const rlimit limit{order.seconds_max, order.seconds_max + 1};
  CHECK_EQ(setrlimit(RLIMIT_CPU, &limit), 0);
  began = Clock::now();
  std::string found;
  if (order.hunt.instrument == Instrument::kModel) {
    found = Explore(order.hunt, order.mutant, order.hunt.tries_max * kMillion, &current.tried);
  }
  const bool by_seeds = order.hunt.instrument != Instrument::kModel;
  while (by_seeds && found.empty() && current.tried < order.hunt.tries_max) {
    found = Try(order.hunt, order.mutant, order.first_seed + current.tried++);
  }
  SetBy(found);
  Tell();
  std::_Exit(found.empty() ? kNothingFound : kFound);
}

struct Running {
  size_t order;
  int results;
};

std::pair<pid_t, int> Start(const Order& order) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  std::fflush(stdout);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    // The last words of a CHECK come through the pipe.
    (void)!freopen("/dev/null", "w", stderr);
    (void)!freopen("/dev/null", "w", stdout);
    result_pipe = ends[1];
    Run(order);
  }
  close(ends[1]);
  return {child, ends[0]};
}

Catch Finish(int results, int status) {
  Catch found;
  const bool told = read(results, &found, sizeof(found)) == static_cast<ssize_t>(sizeof(found));
  close(results);
  const bool exited = WIFEXITED(status);
  const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (told && (aborted || (exited && WEXITSTATUS(status) == kFound))) {
    found.end = Catch::End::kCaught;
  } else if (told && exited && WEXITSTATUS(status) == kNothingFound) {
    found.end = Catch::End::kNothing;
  } else {
    found.end = Catch::End::kBroken;
    const bool endless = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
    std::snprintf(found.by, sizeof(found.by), "wait status %d%s", status,
                  endless ? ", its processor time was used up" : "");
  }
  return found;
}

}  // namespace

void HuntAll(const std::vector<Order>& orders, int at_a_time,
             const std::function<void(const Order&, const Catch&)>& done) {
  std::map<pid_t, Running> running;
  std::map<size_t, Catch> ended;
  size_t next = 0;
  size_t told = 0;
  while (told < orders.size()) {
    while (next < orders.size() && running.size() < static_cast<size_t>(at_a_time)) {
      const auto [child, results] = Start(orders[next]);
      running[child] = {next++, results};
    }
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    CHECK_GT(child, 0);
    const auto found = running.find(child);
    if (found == running.end()) continue;
    ended[found->second.order] = Finish(found->second.results, status);
    running.erase(found);
    for (auto it = ended.find(told); it != ended.end(); it = ended.find(told)) {
      done(orders[told++], it->second);
    }
  }
}

}  // namespace rasputin::mutants
