// rasputind: reads flags, starts a node, waits for a signal, stops it.
//
// Every error of the start is one line on standard error and exit code 1 (2: wrong usage).

#include <fcntl.h>
#include <glog/logging.h>
#include <google/protobuf/stubs/logging.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/flags/flags.h"
#include "server/node/node.h"
#include "server/recovery/recover_command.h"

namespace {

using rasputin::server::Flags;
using rasputin::server::Node;

constexpr char kVersion[] = "rasputind 0.1.0";

// Where errors of the start go, also if standard error has become a log file.
int g_terminal = STDERR_FILENO;

[[noreturn]] void Die(const std::string& sentence, int code) {
  const std::string line = absl::StrCat("rasputind: ", sentence, "\n");
  if (write(g_terminal, line.data(), line.size()) < 0) code = 1;
  if (g_terminal != STDERR_FILENO) LOG(ERROR) << sentence;
  google::FlushLogFiles(google::INFO);
  // No destructors: other threads may still be running.
  _exit(code);
}

// Standard error becomes the log file; errors of the start still reach the terminal.
void OpenLogFile(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file < 0) Die(absl::StrCat("--logfile ", path, " cannot be used: ", strerror(errno)), 1);
  g_terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(file, STDERR_FILENO);
  close(file);
}

// A request whose text is not UTF-8 is answered with an error; a line of the parser's own for each
// would let a client fill the log. Why it ends the process, if it does, is worth a line.
void TakeProtobufLine(google::protobuf::LogLevel level, const char* file, int line,
                      const std::string& text) {
  if (level != google::protobuf::LOGLEVEL_FATAL) return;
  LOG(ERROR) << file << ":" << line << ": " << text;
}

Flags ReadFlags(int argc, char** argv) {
  absl::StatusOr<Flags> flags =
      rasputin::server::ParseFlags(std::vector<std::string>(argv + 1, argv + argc));
  if (!flags.ok()) Die(std::string(flags.status().message()), 2);
  if (flags->help || flags->version) {
    std::cout << (flags->help ? rasputin::server::DescribeFlags() : absl::StrCat(kVersion, "\n"));
    std::cout.flush();
    _exit(0);
  }
  if (flags->advertise_host.empty()) {
    char name[256] = {};
    if (gethostname(name, sizeof(name) - 1) != 0) Die("cannot find this machine's name", 1);
    flags->advertise_host = name;
  }
  return *std::move(flags);
}

// A directory that is removed again when the node stops.
std::string MakeTemporaryDirectory() {
  const char* parent = getenv("TMPDIR");
  std::string path = absl::StrCat(parent != nullptr ? parent : "/tmp", "/rasputin-dev-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    Die(absl::StrCat("cannot make a temporary directory ", path, ": ", strerror(errno)), 1);
  }
  return path;
}

}  // namespace

int main(int argc, char** argv) {
  // The system's Abseil watches every lock of gRPC's for deadlocks, which costs about 2% of the
  // program's CPU time; none of the locks is ours. Before the first of them is taken.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Before any thread exists: all of them leave these signals to sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // What gRPC has to say about a port in use is said better in one line.
  setenv("GRPC_VERBOSITY", "NONE", 0);

  google::protobuf::SetLogHandler(TakeProtobufLine);

  FLAGS_logtostderr = true;
  if (argc > 1 && std::string(argv[1]) == "recover") {
    const std::vector<std::string> arguments(argv + 2, argv + argc);
    return rasputin::server::RunRecover(arguments, &std::cout, &std::cerr);
  }
  Flags flags = ReadFlags(argc, argv);
  google::InitGoogleLogging(argv[0]);
  std::string temporary;
  if (flags.storage_dir.empty()) flags.storage_dir = temporary = MakeTemporaryDirectory();
  if (!flags.logfile.empty()) OpenLogFile(flags.logfile);

  Node* node = new Node(flags, [](const absl::Status& status) {
    Die(absl::StrCat("stopped, nothing is retried: ", status.message()), 1);
  });
  const absl::Status status = node->Start();
  if (!status.ok()) Die(std::string(status.message()), 1);
  if (flags.dev) {
    std::cout << "rasputind --dev serves clients at " << flags.advertise_host << ":"
              << flags.cli_port << ", data in " << flags.storage_dir << std::endl;
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  // A second signal ends the process at once.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  node->Stop();
  if (!temporary.empty()) {
    std::error_code error;
    std::filesystem::remove_all(temporary, error);
  }
  google::FlushLogFiles(google::INFO);
  // gRPC's objects are left to the system: tearing them down gains nothing.
  _exit(0);
}
