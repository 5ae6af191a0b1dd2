// The load as a program: partition_load SYSTEM HISTORY WRITERS READERS RATE TIMEOUT_MS HOST:PORT...
//
// Ten times a second it prints how many writes and reads each node has answered ("progress W R W R
// ..."). A line "finish NODE ..." on standard input stops the loops, reads every key through those
// nodes, writes the history as lines of tabs (process, kind, key, value or -, called ns, returned
// ns or -, result, version) and prints the verdict. Without that line it ends with standard input,
// so that it never outlives who started it.

#include <glog/logging.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/linearizability/checker.h"
#include "tests/partition/load.h"

namespace rasputin::partition {
namespace {

using linearizability::Judgement;
using linearizability::Operation;
using linearizability::Verdict;

constexpr int kProgressMs = 100;
// Of the search per key: a minute at most. Long outages with many writes of unknown outcome may
// need more; they are then reported as undecided.
constexpr uint64_t kStepsMax = 4'000'000;

void PrintProgress(const Load& load) {
  std::cout << "progress";
  for (const Progress& node : load.Progresses()) {
    std::cout << " " << node.writes << " " << node.reads;
  }
  std::cout << std::endl;
}

// Prints progress until a line arrives; false: standard input has ended.
bool AwaitLine(const Load& load, std::string* line) {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  while (poll(&input, 1, kProgressMs) == 0) PrintProgress(load);
  return static_cast<bool>(std::getline(std::cin, *line));
}

void WriteHistory(const linearizability::History& history, const std::string& path) {
  std::ofstream out(path);
  for (const Operation& operation : history) {
    const bool read = operation.kind == linearizability::Kind::kGet;
    const std::string value = read ? operation.observed.value_or("-") : operation.value;
    out << operation.process << "\t" << ToString(operation.kind) << "\t" << operation.key << "\t"
        << value << "\t" << operation.called_ns << "\t";
    if (operation.returned_ns == linearizability::kNever) {
      out << "-";
    } else {
      out << operation.returned_ns;
    }
    out << "\t" << ToString(operation.result) << "\t" << operation.version << "\n";
  }
  CHECK(out.flush()) << "the history could not be written to " << path;
}

void Print(const char* what, const Verdict& verdict) {
  const bool ok = verdict.judgement == Judgement::kLinearizable;
  const bool undecided = verdict.judgement == Judgement::kUndecided;
  std::cout << what << " " << (ok ? "ok" : undecided ? "undecided" : "violated") << std::endl;
  if (!ok) std::cerr << what << ", key " << verdict.key << "\n" << verdict.explanation << "\n";
}

int Run(const LoadOptions& options, const std::string& history) {
  Load load(options);
  load.Start();
  std::string line;
  if (!AwaitLine(load, &line)) return 1;
  std::istringstream words(line);
  std::string word;
  CHECK(words >> word && word == "finish") << "expected: finish NODE ...";
  std::vector<int> nodes;
  for (int node = 0; words >> node;) nodes.push_back(node);
  load.Stop();
  const int unanswered = load.ReadEverything(nodes);
  WriteHistory(load.history(), history);
  std::cout << "unanswered " << unanswered << std::endl;
  linearizability::CheckOptions check;
  check.steps_max = kStepsMax;
  Print("linearizable", linearizability::CheckLinearizable(load.history(), check));
  Print("versions", linearizability::CheckVersions(load.history()));
  return 0;
}

}  // namespace
}  // namespace rasputin::partition

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  if (argc < 8) {
    std::cerr << "usage: partition_load SYSTEM HISTORY WRITERS READERS RATE TIMEOUT_MS HOST:PORT..."
              << std::endl;
    return 2;
  }
  rasputin::partition::LoadOptions options;
  options.system = argv[1];
  options.writers = std::atoi(argv[3]);
  options.readers = std::atoi(argv[4]);
  options.rate = std::atof(argv[5]);
  options.timeout = std::chrono::milliseconds(std::atoi(argv[6]));
  options.addresses.assign(argv + 7, argv + argc);
  return rasputin::partition::Run(options, argv[2]);
}
