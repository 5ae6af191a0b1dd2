// Claims about real processes on the loopback: first start, crash, restart, stop, and errors of the
// start.
//
// Starts rasputind as users do, with ports that were free a moment ago, and awaits events, not
// times.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "rasputin/admin/v1/admin.grpc.pb.h"
#include "rasputin/kv/v1/kv.grpc.pb.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kBinary[] = "server/rasputind";
constexpr auto kPatience = std::chrono::seconds(60);

std::string TestDirectory() {
  static int last = 0;
  const std::string path =
      absl::StrCat(getenv("TEST_TMPDIR"), "/rasputind-", getpid(), "-", ++last);
  mkdir(path.c_str(), 0700);
  return path;
}

// A socket that is bound keeps its port from others; closed, the port is free again.
int BindFreePort(int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

int FreePort() {
  // Held for a moment so that the ports of one test differ.
  static std::vector<int> held;
  static std::set<int> given;
  int port = 0;
  do {
    held.push_back(BindFreePort(&port));
  } while (!given.insert(port).second);
  for (const int fd : held) close(fd);
  held.clear();
  return port;
}

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  // Who accepts and never answers must not keep a test either.
  const timeval patience{kPatience.count(), 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

// The body and head of an HTTP answer; empty if nobody listens.
std::string HttpGet(int port, const std::string& path) {
  const int fd = Connect(port);
  if (fd < 0) return "";
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n");
  send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, n);
  close(fd);
  return answer;
}

// Asks again and again until the answer holds `text`, and returns that answer. What another process
// has come to can only be asked for. A failure of the test: not within kPatience.
std::string AwaitHttp(int port, const std::string& path, const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  std::string answer = HttpGet(port, path);
  while (answer.find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() >= end) {
      ADD_FAILURE() << path << " does not say '" << text << "' but: " << answer;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    answer = HttpGet(port, path);
  }
  return answer;
}

// A rasputind; killed, if it still runs, when this goes.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    error_file_ = TestDirectory() + "/stderr";
    arguments.insert(arguments.begin(), kBinary);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      const int out = open(error_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out, STDERR_FILENO);
      execv(kBinary, argv.data());
      _exit(127);
    }
  }
  ~Process() {
    if (pid_ > 0) Kill(SIGKILL);
  }

  // Sends a signal and waits for the end.
  int Kill(int signal_number) {
    kill(pid_, signal_number);
    return AwaitExit();
  }
  // The exit code; 128 and the signal if one ended it.
  int AwaitExit() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Errors() const {
    std::stringstream text;
    text << std::ifstream(error_file_).rdbuf();
    return text.str();
  }

 private:
  pid_t pid_ = -1;
  std::string error_file_;
};

struct Node {
  int peer_port = FreePort();
  int cli_port = FreePort();
  int http_port = FreePort();
  std::string directory = TestDirectory();
  std::string seeds;
  std::vector<std::string> more;
  std::unique_ptr<Process> process;

  std::vector<std::string> Arguments() const {
    // Who leads and who holds what is up to the tests.
    std::vector<std::string> arguments = {"--placement=false",
                                          "--advertise-host=127.0.0.1",
                                          absl::StrCat("--peer-port=", peer_port),
                                          absl::StrCat("--cli-port=", cli_port),
                                          absl::StrCat("--http-port=", http_port),
                                          absl::StrCat("--storage-dir=", directory, "/data"),
                                          absl::StrCat("--seed-peers=", seeds),
                                          "--lease-duration-ms=1000",
                                          "--log-segment-bytes=33554432",
                                          "--log-reserve-bytes=33554432",
                                          absl::StrCat("--logfile=", directory, "/log")};
    arguments.insert(arguments.begin(), more.begin(), more.end());
    return arguments;
  }
  std::string PeerAddress() const { return absl::StrCat("127.0.0.1:", peer_port); }
  void Start() {
    process = std::make_unique<Process>(Arguments());
    AwaitHttp(http_port, "/healthz", "HTTP/1.1");
  }
  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel(absl::StrCat("127.0.0.1:", cli_port),
                               grpc::InsecureChannelCredentials());
  }
};

// Another process makes it.
void AwaitFolder(const std::string& path) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!std::filesystem::is_directory(path)) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << path << " is not made";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void AwaitReady(const Node& node) {
  EXPECT_THAT(AwaitHttp(node.http_port, "/readyz", " 200 "), StartsWith("HTTP/1.1 200"))
      << node.process->Errors();
}

class RasputindTest : public ::testing::Test {
 protected:
  void MakeNodes(int count) {
    nodes_.resize(count);
    std::vector<std::string> seeds;
    for (const Node& node : nodes_) seeds.push_back(absl::StrCat("127.0.0.1:", node.peer_port));
    for (Node& node : nodes_) node.seeds = absl::StrJoin(seeds, ",");
  }
  void StartAll() {
    for (Node& node : nodes_) node.Start();
  }

  static void SetDeadline(grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + kPatience);
  }

  grpc::Status Init(int node, admin::v1::InitResponse* response) {
    grpc::ClientContext context;
    SetDeadline(&context);
    return admin::v1::ClusterService::NewStub(nodes_[node].Channel())
        ->Init(&context, admin::v1::InitRequest(), response);
  }

  // Repeated, as a node that is under load may be slow to take its first connections.
  void MustInit() {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    admin::v1::InitResponse response;
    grpc::Status status = Init(0, &response);
    while (!status.ok() && std::chrono::steady_clock::now() < end) status = Init(0, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  grpc::Status TrySet(int node, const std::string& key, const std::string& value) {
    grpc::ClientContext context;
    SetDeadline(&context);
    kv::v1::SetRequest request;
    request.set_key(key);
    request.set_value(value);
    kv::v1::SetResponse response;
    return kv::v1::KvService::NewStub(nodes_[node].Channel())->Set(&context, request, &response);
  }

  grpc::Status TryGet(int node, const std::string& key, kv::v1::GetResponse* response) {
    grpc::ClientContext context;
    SetDeadline(&context);
    kv::v1::GetRequest request;
    request.set_key(key);
    return kv::v1::KvService::NewStub(nodes_[node].Channel())->Get(&context, request, response);
  }

  // Writing the same value again is harmless, so any failure is tried again.
  void Set(int node, const std::string& key, const std::string& value) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    grpc::Status status;
    do {
      status = TrySet(node, key, value);
    } while (!status.ok() && std::chrono::steady_clock::now() < end);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  std::string Get(int node, const std::string& key) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    kv::v1::GetResponse response;
    grpc::Status status;
    do {
      status = TryGet(node, key, &response);
    } while (!status.ok() && std::chrono::steady_clock::now() < end);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.value();
  }

  // What a node says of all stores, once so many of them can be reached.
  std::vector<admin::v1::StoreStatus> AwaitStores(int node, int reachable) {
    admin::v1::ListStoresResponse response;
    int found = 0;
    for (const auto end = std::chrono::steady_clock::now() + kPatience;
         found < reachable && std::chrono::steady_clock::now() < end;) {
      grpc::ClientContext context;
      SetDeadline(&context);
      response.Clear();
      found = 0;
      if (!admin::v1::ClusterService::NewStub(nodes_[node].Channel())
               ->ListStores(&context, admin::v1::ListStoresRequest(), &response)
               .ok()) {
        continue;
      }
      for (const auto& store : response.statuses()) found += store.reachable();
    }
    EXPECT_EQ(found, reachable);
    return {response.statuses().begin(), response.statuses().end()};
  }

  // The index of the node that leads range 2.
  int Leader() {
    grpc::ClientContext context;
    SetDeadline(&context);
    admin::v1::DescribeRangeRequest request;
    request.set_range_id(2);
    admin::v1::DescribeRangeResponse response;
    const grpc::Status status = admin::v1::ClusterService::NewStub(nodes_[0].Channel())
                                    ->DescribeRange(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_NE(response.leader_store_id(), 0u);
    // Store ids follow the sorted seed list.
    std::vector<int> ports;
    for (const Node& node : nodes_) ports.push_back(node.peer_port);
    std::vector<std::string> sorted;
    for (const int port : ports) sorted.push_back(absl::StrCat("127.0.0.1:", port));
    std::sort(sorted.begin(), sorted.end());
    const std::string& address = sorted.at(response.leader_store_id() - 1);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (absl::StrCat("127.0.0.1:", nodes_[i].peer_port) == address) return static_cast<int>(i);
    }
    return -1;
  }

  std::vector<Node> nodes_;
};

TEST_F(RasputindTest, AClusterServesFromEveryNodeThroughCrashRestartAndStop) {
  MakeNodes(3);
  StartAll();
  kv::v1::GetResponse response;
  const grpc::Status early = TryGet(0, "k", &response);
  EXPECT_EQ(early.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(early.error_details()));
  rasputin::v1::ErrorDetail detail;
  ASSERT_TRUE(details.details(0).UnpackTo(&detail));
  EXPECT_EQ(detail.reason(), rasputin::v1::ERROR_REASON_NOT_INITIALIZED);
  EXPECT_THAT(HttpGet(nodes_[0].http_port, "/readyz"), StartsWith("HTTP/1.1 503"));

  admin::v1::InitResponse first;
  const grpc::Status initialised = Init(2, &first);
  ASSERT_TRUE(initialised.ok()) << initialised.error_message();
  admin::v1::InitResponse again;
  ASSERT_TRUE(Init(1, &again).ok());
  EXPECT_EQ(again.cluster_id(), first.cluster_id());
  EXPECT_TRUE(again.already_initialized());

  Set(0, "k", "v1");
  for (int node = 0; node < 3; ++node) EXPECT_EQ(Get(node, "k"), "v1");
  EXPECT_THAT(HttpGet(nodes_[0].http_port, "/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HttpGet(nodes_[0].http_port, "/metrics"), HasSubstr("rasputin_replicas 2\n"));

  const int leader = Leader();
  ASSERT_GE(leader, 0);
  nodes_[leader].process->Kill(SIGKILL);
  const int other = (leader + 1) % 3;
  Set(other, "k", "v2");
  nodes_[leader].Start();
  for (int node = 0; node < 3; ++node) EXPECT_EQ(Get(node, "k"), "v2");

  for (Node& node : nodes_) node.process->Kill(SIGKILL);
  StartAll();
  for (int node = 0; node < 3; ++node) EXPECT_EQ(Get(node, "k"), "v2");

  const int stopped = Leader();
  EXPECT_EQ(nodes_[stopped].process->Kill(SIGTERM), 0);
  Set((stopped + 1) % 3, "k", "v3");
  nodes_[stopped].Start();
  EXPECT_EQ(Get(stopped, "k"), "v3");
  for (Node& node : nodes_) EXPECT_EQ(node.process->Kill(SIGTERM), 0);
}

TEST_F(RasputindTest, AFurtherNodeJoinsByItselfAndKeepsItsStoreThroughCrashes) {
  MakeNodes(3);
  StartAll();
  Node further;
  further.seeds = nodes_[0].seeds;
  further.Start();  // Before there is a cluster.
  MustInit();
  AwaitReady(further);
  Set(0, "k", "v");
  nodes_.push_back(std::move(further));
  for (int crash = 0; crash < 2; ++crash) {
    EXPECT_EQ(Get(3, "k"), "v");
    const std::vector<admin::v1::StoreStatus> stores = AwaitStores(1, 4);
    ASSERT_EQ(stores.size(), 4u);
    EXPECT_EQ(stores[3].store().store_id(), 4u);
    EXPECT_EQ(stores[3].store().peer_address(), nodes_[3].PeerAddress());
    EXPECT_EQ(stores[3].ranges(), 0u);
    nodes_[3].process->Kill(SIGKILL);
    nodes_[3].Start();
    AwaitReady(nodes_[3]);
  }
  // The first nodes learn of it without being asked, also after they were all down.
  for (int node = 0; node < 3; ++node) nodes_[node].process->Kill(SIGKILL);
  for (int node = 0; node < 3; ++node) nodes_[node].Start();
  EXPECT_EQ(Get(3, "k"), "v");
  EXPECT_EQ(AwaitStores(0, 4).size(), 4u);
  EXPECT_EQ(nodes_[3].process->Kill(SIGTERM), 0);
}

TEST_F(RasputindTest, AWipedSeedJoinsAsAnotherStoreIfItIsTold) {
  MakeNodes(3);
  StartAll();
  MustInit();
  Set(0, "k", "v");
  nodes_[2].process->Kill(SIGKILL);
  std::filesystem::remove_all(nodes_[2].directory + "/data");
  nodes_[2].Start();
  AwaitHttp(nodes_[2].http_port, "/readyz", "--join-as-new-store");
  EXPECT_EQ(nodes_[2].process->Kill(SIGTERM), 0);
  nodes_[2].more = {"--join-as-new-store"};
  nodes_[2].Start();
  AwaitReady(nodes_[2]);
  EXPECT_EQ(Get(2, "k"), "v");
  const std::vector<admin::v1::StoreStatus> stores = AwaitStores(0, 3);
  ASSERT_EQ(stores.size(), 4u);
  EXPECT_EQ(stores[3].store().peer_address(), nodes_[2].PeerAddress());
  for (const admin::v1::StoreStatus& store : stores) {
    const bool lost =
        store.store().store_id() != 4 && store.store().peer_address() == nodes_[2].PeerAddress();
    EXPECT_EQ(store.reachable(), !lost) << store.store().store_id();
  }
}

TEST_F(RasputindTest, ANodeThatMovesIsFoundAtItsNewAddress) {
  MakeNodes(3);
  StartAll();
  MustInit();
  Set(0, "k", "v");
  // Two of three: without them nothing could be written to the list of stores.
  for (int moved = 1; moved < 3; ++moved) nodes_[moved].process->Kill(SIGKILL);
  for (int moved = 1; moved < 3; ++moved) {
    nodes_[moved].peer_port = FreePort();
    nodes_[moved].cli_port = FreePort();
    nodes_[moved].Start();
  }
  for (int node = 0; node < 3; ++node) Set(node, "k", absl::StrCat("v", node));
  const auto end = std::chrono::steady_clock::now() + kPatience;
  std::set<std::string> listed;
  while (listed.count(nodes_[1].PeerAddress()) + listed.count(nodes_[2].PeerAddress()) < 2) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << absl::StrJoin(listed, " ");
    listed.clear();
    for (const auto& store : AwaitStores(0, 3)) listed.insert(store.store().peer_address());
  }
  EXPECT_EQ(listed.size(), 3u);
}

TEST_F(RasputindTest, ADirectoryWhoseStoreRunsElsewhereIsRefused) {
  MakeNodes(1);
  StartAll();
  MustInit();
  Node copy;
  copy.seeds = nodes_[0].seeds;
  std::filesystem::create_directories(copy.directory + "/data/log");
  std::filesystem::copy_file(nodes_[0].directory + "/data/log/MANIFEST",
                             copy.directory + "/data/log/MANIFEST");
  std::vector<std::string> arguments = copy.Arguments();
  Process process(arguments);
  EXPECT_EQ(process.AwaitExit(), 1);
  EXPECT_THAT(process.Errors(), HasSubstr(absl::StrCat("which runs at ", nodes_[0].PeerAddress(),
                                                       ": a directory must not be used by two")));
}

TEST_F(RasputindTest, ACallThatNobodyCanAnswerDoesNotKeepAStoppedNode) {
  MakeNodes(3);
  StartAll();
  admin::v1::InitResponse response;
  ASSERT_TRUE(Init(0, &response).ok());
  Set(0, "k", "v");
  nodes_[1].process->Kill(SIGKILL);
  nodes_[2].process->Kill(SIGKILL);
  grpc::Status status;
  std::thread caller([&] { status = TrySet(0, "k", "never"); });
  AwaitHttp(nodes_[0].http_port, "/metrics", "rasputin_calls_under_way 1\n");
  EXPECT_EQ(nodes_[0].process->Kill(SIGTERM), 0);
  caller.join();
  // As if the connection had broken: the outcome is not known.
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(status.error_details(), "");
  std::stringstream log;
  log << std::ifstream(nodes_[0].directory + "/log").rdbuf();
  EXPECT_THAT(log.str(), HasSubstr("cut off 1 calls"));
}

TEST_F(RasputindTest, InitialisingWithASeedDownIsRefusedAndLeavesNothing) {
  MakeNodes(2);
  nodes_[0].Start();
  admin::v1::InitResponse response;
  const grpc::Status refused = Init(0, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr(absl::StrCat("127.0.0.1:", nodes_[1].peer_port)));
  EXPECT_THAT(HttpGet(nodes_[0].http_port, "/readyz"), StartsWith("HTTP/1.1 503"));
  nodes_[1].Start();
  const grpc::Status status = Init(0, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  Set(1, "k", "v");
  EXPECT_EQ(Get(0, "k"), "v");
}

TEST_F(RasputindTest, AWipedSeedIsRefusedAndSaysWhy) {
  MakeNodes(3);
  StartAll();
  MustInit();
  admin::v1::InitResponse response;
  for (int wiped = 0; wiped < 2; ++wiped) {  // One of them may be the appointed one.
    ASSERT_EQ(nodes_[wiped].process->Kill(SIGTERM), 0);
    const std::string data = nodes_[wiped].directory + "/data";
    std::filesystem::rename(data, data + ".kept");
    nodes_[wiped].Start();
    const grpc::Status refused = Init(wiped, &response);
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(refused.error_message(), HasSubstr("restore its directory " + data));
    EXPECT_THAT(HttpGet(nodes_[wiped].http_port, "/readyz"), HasSubstr(refused.error_message()));
    EXPECT_THAT(TrySet(wiped, "k", "v").error_message(), refused.error_message());
    ASSERT_EQ(nodes_[wiped].process->Kill(SIGTERM), 0);
    std::filesystem::remove_all(data);
    std::filesystem::rename(data + ".kept", data);
    nodes_[wiped].Start();
  }
  Set(0, "k", "v");
}

TEST_F(RasputindTest, AStoreThatCouldNotBeOpenedIsOpenedByTheNextAttempt) {
  MakeNodes(1);
  StartAll();
  // It listens before it makes its folders.
  AwaitFolder(nodes_[0].directory + "/data/log");
  // Two segments with a gap between them: damage.
  std::vector<std::string> damaged;
  for (const char* number : {"5", "9"}) {
    damaged.push_back(
        absl::StrCat(nodes_[0].directory, "/data/log/segment-000000000000000", number));
    std::ofstream file(damaged.back());
    file << "not a segment";
    ASSERT_TRUE(file.flush().good()) << damaged.back();
  }
  admin::v1::InitResponse response;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const grpc::Status refused = Init(0, &response);
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(refused.error_message(), HasSubstr("damaged"));
  }
  for (const std::string& path : damaged) unlink(path.c_str());
  const grpc::Status status = Init(0, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  Set(0, "k", "v");
}

TEST_F(RasputindTest, GarbageOnAnyPortHarmsNobody) {
  MakeNodes(1);
  StartAll();
  admin::v1::InitResponse response;
  ASSERT_TRUE(Init(0, &response).ok());
  Set(0, "k", "v");
  for (const int port : {nodes_[0].cli_port, nodes_[0].peer_port, nodes_[0].http_port}) {
    const int fd = Connect(port);
    ASSERT_GE(fd, 0);
    std::string garbage;
    for (int i = 0; i < 70000; ++i) garbage.push_back(static_cast<char>(i * 7919 >> 3));
    send(fd, garbage.data(), garbage.size(), MSG_NOSIGNAL);
    close(fd);
  }
  EXPECT_EQ(Get(0, "k"), "v");
  EXPECT_THAT(HttpGet(nodes_[0].http_port, "/healthz"), StartsWith("HTTP/1.1 200"));
}

// Ends with exactly one line that holds `text`, and the exit code.
void ExpectRefusal(const std::vector<std::string>& arguments, int code, const std::string& text) {
  Process process(arguments);
  EXPECT_EQ(process.AwaitExit(), code);
  const std::string errors = process.Errors();
  EXPECT_THAT(errors, StartsWith("rasputind: "));
  EXPECT_THAT(errors, HasSubstr(text));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
}

TEST(RasputindStart, WrongUsageIsOneLine) {
  ExpectRefusal({"--peer-prot=1"}, 2, "unknown flag --peer-prot");
  ExpectRefusal({"--peer-port=zero"}, 2, "--peer-port must be a port");
  ExpectRefusal({"--config=/nonexistent"}, 2, "/nonexistent");
}

TEST(RasputindStart, APortInUseIsOneLineAndTouchesNothing) {
  for (const char* flag : {"--peer-port", "--cli-port", "--http-port"}) {
    Node node;
    int taken = 0;
    const int fd = BindFreePort(&taken);
    listen(fd, 1);
    std::vector<std::string> arguments = node.Arguments();
    arguments.pop_back();  // No --logfile.
    arguments.push_back(absl::StrCat(flag, "=", taken));
    ExpectRefusal(arguments, 1, absl::StrCat("127.0.0.1:", taken));
    EXPECT_NE(access((node.directory + "/data").c_str(), F_OK), 0);
    close(fd);
  }
}

TEST(RasputindStart, ADirectoryThatCannotBeUsedIsOneLine) {
  Node node;
  std::ofstream(node.directory + "/data") << "a file";
  ExpectRefusal(node.Arguments(), 1, "--storage-dir");
}

TEST(RasputindStart, ANodeWithoutSeedsSaysThatItsClusterWouldBeItselfAlone) {
  for (const bool alone : {true, false}) {
    Node node;
    if (!alone) node.seeds = absl::StrCat("127.0.0.1:", node.peer_port);
    node.Start();
    EXPECT_EQ(node.process->Kill(SIGTERM), 0);
    std::stringstream log;
    log << std::ifstream(node.directory + "/log").rdbuf();
    EXPECT_EQ(log.str().find("a cluster of this node alone") != std::string::npos, alone);
  }
}

TEST(RasputindStart, ADirectoryInUseIsOneLineAndItsOwnerGoesOn) {
  Node owner;
  owner.seeds = absl::StrCat("127.0.0.1:", owner.peer_port);
  owner.Start();
  Node second;
  second.directory = owner.directory;
  ExpectRefusal(second.Arguments(), 1, "in use by another rasputind");
  EXPECT_THAT(HttpGet(owner.http_port, "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(owner.process->Kill(SIGTERM), 0);
}

// A cluster of one node is made in its directory, then stopped.
void MakeStore(Node* owner) {
  std::vector<std::string> arguments = owner->Arguments();
  arguments.push_back("--dev");
  owner->seeds = absl::StrCat("127.0.0.1:", owner->peer_port);
  owner->process = std::make_unique<Process>(arguments);
  AwaitReady(*owner);
  EXPECT_EQ(owner->process->Kill(SIGTERM), 0);
}

TEST(RasputindStart, AStoreThatLostItsManifestOrItsLogIsNotTakenForANewOne) {
  Node node;
  MakeStore(&node);
  const std::string log = node.directory + "/data/log";
  ASSERT_EQ(unlink((log + "/MANIFEST").c_str()), 0);
  ExpectRefusal(node.Arguments(), 1, log + "/MANIFEST is missing but segments of the log are");
  std::filesystem::remove_all(log);
  ExpectRefusal(node.Arguments(), 1, log + "/MANIFEST is missing but state/ is there");
  EXPECT_NE(access(log.c_str(), F_OK), 0) << "a refused start made it";
}

TEST(RasputindStart, ADamagedManifestIsNamedWithWhatCanBeDone) {
  Node node;
  MakeStore(&node);
  const std::string path = node.directory + "/data/log/MANIFEST";
  std::ofstream(path) << "not a manifest";
  node.Start();
  const std::string page = AwaitHttp(node.http_port, "/readyz", path + " is damaged");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(page, HasSubstr("restore the directory from a copy"));
  EXPECT_EQ(node.process->Kill(SIGTERM), 0);
}

TEST(RasputindStart, ADirectoryOfAnotherClusterIsOneLine) {
  Node owner;
  MakeStore(&owner);
  Node other;
  other.seeds = absl::StrCat("127.0.0.1:", other.peer_port);
  other.directory = owner.directory;
  ExpectRefusal(other.Arguments(), 1, "the directory belongs to store 1 of cluster");
  // It was not touched: its owner goes on with it.
  owner.Start();
  EXPECT_EQ(owner.process->Kill(SIGTERM), 0);
}

}  // namespace
}  // namespace rasputin::server
