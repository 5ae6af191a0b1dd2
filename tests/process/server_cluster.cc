// See server_cluster.h.

#include "tests/process/server_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "client/endpoints.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"

namespace rasputin::process {
namespace {

using std::chrono::system_clock;

// Holds several free ports at once, so that they differ.
std::vector<int> FreePorts(int count) {
  std::vector<int> sockets;
  std::vector<int> ports;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    PCHECK(fd >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    PCHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    socklen_t length = sizeof(address);
    PCHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    ports.push_back(ntohs(address.sin_port));
    sockets.push_back(fd);
  }
  for (const int fd : sockets) close(fd);
  return ports;
}

std::string Local(int port) { return "127.0.0.1:" + std::to_string(port); }

// In the child: becomes rasputind, or exits with 127.
[[noreturn]] void Become(const std::vector<std::string>& arguments, const std::string& output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Nothing is left running if the test dies.
  const int fd = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd >= 0) {
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
  }
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

ServerCluster::ServerCluster(ServerClusterOptions options) : options_(std::move(options)) {
  home_ = options_.directory + "/cluster-XXXXXX";
  PCHECK(mkdtemp(home_.data()) != nullptr) << home_;
  const std::vector<int> free = FreePorts(3 * options_.nodes);
  for (int node = 0; node < options_.nodes; ++node) {
    const size_t i = static_cast<size_t>(3 * node);
    ports_.push_back({free[i], free[i + 1], free[i + 2]});
    pids_.push_back(0);
    PCHECK(mkdir(Home(node).c_str(), 0755) == 0);
  }
}

ServerCluster::~ServerCluster() {
  for (int node = 0; node < options_.nodes; ++node) Kill(node);
}

std::string ServerCluster::ClientAddress(int node) const {
  return Local(ports_.at(static_cast<size_t>(node)).client);
}

std::string ServerCluster::PeerAddress(int node) const {
  return Local(ports_.at(static_cast<size_t>(node)).peer);
}

std::vector<std::string> ServerCluster::ClientAddresses() const {
  std::vector<std::string> addresses;
  for (int node = 0; node < options_.nodes; ++node) addresses.push_back(ClientAddress(node));
  return addresses;
}

std::string ServerCluster::LogFile(int node) const { return Home(node) + "/log"; }

std::string ServerCluster::Home(int node) const { return home_ + "/" + std::to_string(node); }

void ServerCluster::Start(int node, const std::vector<std::string>& more) {
  CHECK(!Running(node)) << "node " << node << " runs";
  const Ports& ports = ports_.at(static_cast<size_t>(node));
  std::string seeds;
  const size_t count = options_.seeds == 0 ? ports_.size() : static_cast<size_t>(options_.seeds);
  for (size_t i = 0; i < count; ++i) seeds += (i == 0 ? "" : ",") + Local(ports_[i].peer);
  const std::string home = Home(node);
  std::vector<std::string> arguments = {options_.binary,
                                        "--peer-port=" + std::to_string(ports.peer),
                                        "--cli-port=" + std::to_string(ports.client),
                                        "--http-port=" + std::to_string(ports.http),
                                        "--seed-peers=" + seeds,
                                        "--storage-dir=" + home + "/data",
                                        "--logfile=" + LogFile(node),
                                        "--advertise-host=127.0.0.1"};
  if (!options_.placement) arguments.push_back("--placement=false");
  arguments.insert(arguments.end(), options_.flags.begin(), options_.flags.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  const pid_t pid = fork();
  PCHECK(pid >= 0);
  if (pid == 0) Become(arguments, home + "/output");
  pids_.at(static_cast<size_t>(node)) = pid;
}

void ServerCluster::Signal(int node, int signal) {
  if (Running(node)) kill(pid(node), signal);
}

void ServerCluster::Kill(int node) {
  if (!Running(node)) return;
  kill(pid(node), SIGKILL);
  waitpid(pid(node), nullptr, 0);
  pids_.at(static_cast<size_t>(node)) = 0;
}

bool ServerCluster::ExitedByItself(int node) {
  if (!Running(node) || waitpid(pid(node), nullptr, WNOHANG) != pid(node)) return false;
  pids_.at(static_cast<size_t>(node)) = 0;
  return true;
}

int ServerCluster::Stop(int node) {
  CHECK(Running(node));
  kill(pid(node), SIGTERM);
  int status = 0;
  waitpid(pid(node), &status, 0);
  pids_.at(static_cast<size_t>(node)) = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ServerCluster::AwaitExit(int node) {
  CHECK(Running(node));
  int status = 0;
  const auto deadline = system_clock::now() + std::chrono::seconds(60);
  while (waitpid(pid(node), &status, WNOHANG) == 0) {
    CHECK(system_clock::now() < deadline) << "node " << node << " goes on";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  pids_.at(static_cast<size_t>(node)) = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ServerCluster::Init() {
  auto stub = admin::v1::ClusterService::NewStub(client::NewChannel(ClientAddress(0)));
  const auto deadline = system_clock::now() + std::chrono::seconds(30);
  grpc::Status status;
  while (system_clock::now() < deadline) {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    context.set_wait_for_ready(true);
    admin::v1::InitResponse response;
    status = stub->Init(&context, admin::v1::InitRequest(), &response);
    if (status.ok()) return;
  }
  LOG(FATAL) << "the cluster did not initialise: " << status.error_message();
}

int ServerCluster::Leader(const std::string& key) const {
  for (int node = 0; node < options_.nodes; ++node) {
    if (!Running(node)) continue;
    auto stub = admin::v1::DirectoryService::NewStub(client::NewChannel(ClientAddress(node)));
    grpc::ClientContext context;
    context.set_deadline(system_clock::now() + std::chrono::seconds(2));
    admin::v1::LookupRangeRequest request;
    request.set_key(key);
    admin::v1::LookupRangeResponse response;
    if (!stub->LookupRange(&context, request, &response).ok()) continue;
    for (const auto& store : response.stores()) {
      if (store.store_id() != response.route().leader_store_id()) continue;
      for (int i = 0; i < options_.nodes; ++i) {
        if (store.client_address() == ClientAddress(i)) return i;
      }
    }
  }
  return -1;
}

}  // namespace rasputin::process
