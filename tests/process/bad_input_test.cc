// Claims about real servers that are given what they must refuse: each answer is clear, the servers
// live on, and what was written before is there.
//
// Prints each input with its answer. What a full disk does is full_disk_test.cc's.

#include <arpa/inet.h>
#include <glog/logging.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/admin.h"
#include "client/client.h"
#include "client/endpoints.h"
#include "client/grpc_error.h"
#include "gtest/gtest.h"
#include "rasputin/peer/v1/peer.pb.h"
#include "tests/process/server_cluster.h"
#include "tests/process/small_disk.h"

namespace rasputin::process {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kBinary[] = "server/rasputind";
constexpr char kHttp2Preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// An HTTP/2 frame of settings, empty.
const std::string kSettings("\0\0\0\4\0\0\0\0\0", 9);

std::string MakeDirectory() {
  std::string path = testing::TempDir() + "/bad_input_XXXXXX";
  PCHECK(mkdtemp(path.data()) != nullptr);
  return path;
}

std::string RandomBytes(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(seed >> 56);
  }
  return bytes;
}

void Say(const std::string& input, const std::string& answer) {
  std::cout << "  " << input << "\n      -> " << answer << std::endl;
}

std::string ToString(const grpc::Status& status) {
  const auto detail = client::ErrorOf(status).detail;
  return absl::StrCat(
      "gRPC code ", static_cast<int>(status.error_code()), ": ", status.error_message(),
      detail ? absl::StrCat(" [", v1::ErrorReason_Name(detail->reason()), "]") : " [no detail]");
}

// Sends `bytes`, and reads until the server closes or is silent for a moment.
std::string SendRaw(int port, const std::string& bytes, bool half_close) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  PCHECK(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  if (half_close) shutdown(fd, SHUT_WR);
  std::string answer;
  std::string end = "left open";
  pollfd ready{fd, POLLIN, 0};
  while (poll(&ready, 1, 300) > 0) {
    char buffer[4096];
    const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    if (n <= 0) {
      end = n == 0 ? "closed" : "reset";
      break;
    }
    answer.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return absl::StrCat(sent, " of ", bytes.size(), " bytes sent; answer of ", answer.size(),
                      " bytes, ", end, ": '",
                      absl::CEscape(absl::string_view(answer).substr(0, 100)), "'");
}

// A call of any method with any bytes; for a stream, one message and then the end.
grpc::Status CallRaw(const std::string& address, const std::string& method,
                     const std::string& bytes, bool stream) {
  auto channel = client::NewChannel(address);
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  if (!stream) {
    auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    queue.Next(&tag, &ok);
    return status;
  }
  auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  if (ok) {
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    queue.Next(&tag, &ok);
  }
  while (ok) {
    call->Read(&response, nullptr);
    queue.Next(&tag, &ok);
  }
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status;
}

class BadInputTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ServerClusterOptions options;
    options.binary = kBinary;
    options.directory = MakeDirectory();
    servers_ = new ServerCluster(options);
    for (int node = 0; node < 3; ++node) servers_->Start(node);
    servers_->Init();
  }
  static void TearDownTestSuite() {
    for (int node = 0; node < 3; ++node) EXPECT_EQ(servers_->Stop(node), 0);
    delete servers_;
  }

  BadInputTest() {
    client::ClientOptions options;
    options.endpoints = servers_->ClientAddresses();
    // The servers are asked, not the client.
    options.limits = {0, 0, 0, 0};
    client_ = std::make_unique<client::Client>(options);
    admin_ = std::make_unique<client::Admin>(options);
    kv::v1::SetRequest canary;
    canary.set_key("canary");
    canary.set_value("alive");
    EXPECT_TRUE(client_->Set(canary).ok());
  }
  // Nothing was lost and the rest goes on, on every node.
  ~BadInputTest() override {
    for (int node = 0; node < 3; ++node) {
      client::ClientOptions options;
      options.endpoints = {servers_->ClientAddress(node)};
      client::Client client(options);
      kv::v1::GetRequest get;
      get.set_key("canary");
      const auto response = client.Get(get);
      EXPECT_TRUE(response.ok() && response->value() == "alive") << response.status();
      kv::v1::SetRequest set;
      set.set_key("another");
      EXPECT_TRUE(client.Set(set).ok());
      EXPECT_EQ(kill(servers_->pid(node), 0), 0);
    }
  }

  void ExpectRefusal(const std::string& input, const absl::Status& status, absl::StatusCode code,
                     const std::vector<std::string>& texts) {
    Say(input, absl::StrCat(status.ToString(absl::StatusToStringMode::kWithNoExtraData), " [",
                            v1::ErrorReason_Name(client::ReasonOf(status)), "]"));
    EXPECT_EQ(status.code(), code) << input;
    for (const std::string& text : texts) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(text)) << input;
    }
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret"))) << "shows data";
  }

  absl::Status Set(const std::string& collection, const std::string& key, size_t value_bytes) {
    kv::v1::SetRequest request;
    request.set_collection(collection);
    request.set_key(key);
    request.set_value(std::string(value_bytes, 's'));
    return client_->Set(request).status();
  }

  static ServerCluster* servers_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<client::Admin> admin_;
};

ServerCluster* BadInputTest::servers_ = nullptr;

TEST_F(BadInputTest, KeysBeyondTheLimitsAreRefusedByEveryCall) {
  const std::string long_key = "secret" + std::string((9 << 10) - 6, 'k');
  for (const std::string& key : {std::string(), long_key}) {
    const std::string name = key.empty() ? "an empty key" : "a key of 9 KiB";
    const std::vector<std::string> texts =
        key.empty() ? std::vector<std::string>{"empty"} : std::vector<std::string>{"9216", "8192"};
    kv::v1::GetRequest get;
    get.set_key(key);
    ExpectRefusal("Get of " + name, client_->Get(get).status(), absl::StatusCode::kInvalidArgument,
                  texts);
    ExpectRefusal("Set of " + name, Set("", key, 1), absl::StatusCode::kInvalidArgument, texts);
    kv::v1::CasRequest cas;
    cas.set_key(key);
    cas.set_expected_absent(true);
    ExpectRefusal("Cas of " + name, client_->Cas(cas).status(), absl::StatusCode::kInvalidArgument,
                  texts);
    kv::v1::DeleteRequest remove;
    remove.set_key(key);
    ExpectRefusal("Delete of " + name, client_->Delete(remove).status(),
                  absl::StatusCode::kInvalidArgument, texts);
  }
  kv::v1::ScanRequest scan;
  scan.set_start(long_key);
  ExpectRefusal("Scan from a key of 9 KiB",
                client_->Scan(scan, [](const kv::v1::KeyValue&) { return true; }),
                absl::StatusCode::kInvalidArgument, {"9216", "8192"});
}

TEST_F(BadInputTest, TextThatIsNoUtf8IsRefusedAndFillsNoLog) {
  const std::string bytes("\n\2\xff\xfe");  // Field 1, the name.
  const grpc::Status status =
      CallRaw(servers_->ClientAddress(0), "/rasputin.admin.v1.CollectionService/GetCollection",
              bytes, false);
  Say("a collection whose name is not UTF-8", ToString(status));
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  std::string log;
  for (const std::string& file : {servers_->LogFile(0), servers_->Home(0) + "/output"}) {
    std::ifstream in(file);
    log.append(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  EXPECT_THAT(log, HasSubstr("is open")) << "not where this node logs";
  EXPECT_THAT(log, Not(HasSubstr("UTF-8")));
}

TEST_F(BadInputTest, RequestsBeyondTheLimitsAreRefusedWithLimitAndSize) {
  ExpectRefusal("Set of a value of 5 MiB", Set("", "k", 5 << 20),
                absl::StatusCode::kInvalidArgument, {"5242880", "4194304"});
  kv::v1::CasRequest cas;
  cas.set_key("k");
  ExpectRefusal("Cas without an expectation", client_->Cas(cas).status(),
                absl::StatusCode::kInvalidArgument, {"expected"});
  cas.set_expected_value(std::string(5 << 20, 's'));
  ExpectRefusal("Cas with an expected value of 5 MiB", client_->Cas(cas).status(),
                absl::StatusCode::kInvalidArgument, {"5242880", "4194304"});
  const absl::Status beyond_any_message = Set("", "k", 30 << 20);
  ExpectRefusal("Set of a value of 30 MiB", beyond_any_message,
                absl::StatusCode::kResourceExhausted, {"20971520"});
  EXPECT_FALSE(client::OutcomeIsUnknown(beyond_any_message));
  kv::v1::BatchRequest batch;
  ExpectRefusal("Batch of nothing", client_->Batch(batch).status(),
                absl::StatusCode::kInvalidArgument, {"operation"});
  for (int i = 0; i < 1025; ++i) batch.add_operations()->mutable_get()->set_key("k");
  ExpectRefusal("Batch of 1,025 operations", client_->Batch(batch).status(),
                absl::StatusCode::kInvalidArgument, {"1025", "1024"});
  batch.Clear();
  for (int i = 0; i < 5; ++i) {
    auto* set = batch.add_operations()->mutable_set();
    set->set_key(absl::StrCat("k", i));
    set->set_value(std::string(3670016, 's'));
  }
  ExpectRefusal("Batch of 17.5 MiB", client_->Batch(batch).status(),
                absl::StatusCode::kInvalidArgument, {"16777216"});
}

TEST_F(BadInputTest, WhatDoesNotExistIsNamed) {
  ExpectRefusal("Set in an unknown collection", Set("nowhere", "k", 1), absl::StatusCode::kNotFound,
                {"nowhere"});
  kv::v1::ScanRequest scan;
  scan.set_collection("nowhere");
  ExpectRefusal("Scan of an unknown collection",
                client_->Scan(scan, [](const kv::v1::KeyValue&) { return true; }),
                absl::StatusCode::kNotFound, {"nowhere"});
  ExpectRefusal("Set in a collection with a name of 1 MiB", Set(std::string(1 << 20, 'n'), "k", 1),
                absl::StatusCode::kNotFound, {"1048576 bytes", "128"});
  ExpectRefusal("DescribeRange of an unknown range", admin_->DescribeRange(4711).status(),
                absl::StatusCode::kNotFound, {"4711"});
  ExpectRefusal("TransferLease to an unknown store", admin_->TransferLease(2, 4711).status(),
                absl::StatusCode::kFailedPrecondition, {"4711"});
  admin::v1::CreateCollectionRequest create;
  create.set_name("typeless");
  ExpectRefusal("CreateCollection without a type", admin_->CreateCollection(create).status(),
                absl::StatusCode::kInvalidArgument, {"type"});
  create.set_type(type::v1::COLLECTION_TYPE_KV);
  for (const char* name : {"", "no spaces!"}) {
    create.set_name(name);
    const absl::Status status = admin_->CreateCollection(create).status();
    Say(absl::StrCat("CreateCollection '", name, "'"), status.ToString());
    EXPECT_FALSE(status.ok());
  }
  admin::v1::SplitRangeRequest split;
  split.set_collection("nowhere");
  split.set_split_key("k");
  ExpectRefusal("SplitRange in an unknown collection", admin_->SplitRange(split).status(),
                absl::StatusCode::kNotFound, {"nowhere"});
}

TEST_F(BadInputTest, BytesThatAreNoMessageAreRefused) {
  const std::string garbage = RandomBytes(1000, 1);
  for (const char* method : {"Get", "Set", "Cas", "Delete", "Batch"}) {
    const grpc::Status status =
        CallRaw(servers_->ClientAddress(0), absl::StrCat("/rasputin.kv.v1.KvService/", method),
                garbage, false);
    Say(absl::StrCat("1,000 random bytes as a message of ", method), ToString(status));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  for (const char* method : {"/rasputin.kv.v1.KvService/Nothing", "/nobody.Service/Get", "/x"}) {
    const grpc::Status status = CallRaw(servers_->ClientAddress(0), method, "", false);
    Say(absl::StrCat("a call of ", method), ToString(status));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  const grpc::Status init =
      CallRaw(servers_->ClientAddress(0), "/rasputin.admin.v1.ClusterService/Init", garbage, false);
  Say("1,000 random bytes as a message of Init", ToString(init));
  EXPECT_EQ(init.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(BadInputTest, EveryMethodThatThePeerProtocolDeclaresIsAnswered) {
  const auto* const service =
      peer::v1::ReplicateRequest::descriptor()->file()->FindServiceByName("PeerService");
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    const auto* const method = service->method(i);
    const grpc::Status status = CallRaw(
        servers_->PeerAddress(0), absl::StrCat("/", service->full_name(), "/", method->name()),
        RandomBytes(1000, 7), method->client_streaming());
    EXPECT_NE(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method->full_name();
  }
}

TEST_F(BadInputTest, MessagesOfStrangersAreRefusedByThePeerPort) {
  const std::string peer = servers_->PeerAddress(0);
  const std::string service = "/rasputin.peer.v1.PeerService/";
  for (const char* method : {"Replicate", "Leases"}) {
    for (const size_t size : {size_t{0}, size_t{1000}, size_t{1} << 20}) {
      const grpc::Status status = CallRaw(peer, service + method, RandomBytes(size, size), true);
      Say(absl::StrCat(size, " random bytes as the first message of ", method), ToString(status));
      EXPECT_FALSE(status.ok());
    }
    peer::v1::ReplicateRequest stranger;
    stranger.mutable_hello()->set_cluster_id(4711);
    stranger.mutable_hello()->set_store_id(2);
    stranger.mutable_hello()->set_to_store_id(1);
    stranger.mutable_hello()->set_format(1);
    const grpc::Status status = CallRaw(peer, service + method, stranger.SerializeAsString(), true);
    Say(absl::StrCat("the greeting of a store of cluster 4711 to ", method), ToString(status));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  for (const char* method : {"Probe", "Bootstrap", "Initialize", "Nothing"}) {
    const grpc::Status status = CallRaw(peer, service + method, RandomBytes(1000, 7), false);
    Say(absl::StrCat("1,000 random bytes as a message of ", method), ToString(status));
  }
  peer::v1::BootstrapRequest bootstrap;
  grpc::Status status = CallRaw(peer, service + "Bootstrap", bootstrap.SerializeAsString(), false);
  Say("Bootstrap with an empty manifest", ToString(status));
  EXPECT_FALSE(status.ok());
  bootstrap.mutable_manifest()->set_cluster_id(4711);
  bootstrap.mutable_manifest()->set_store_id(1);
  bootstrap.mutable_manifest()->mutable_bootstrap()->set_cluster_id(4711);
  auto* store = bootstrap.mutable_manifest()->mutable_bootstrap()->add_stores();
  store->set_store_id(1);
  store->set_peer_address(peer);
  status = CallRaw(peer, service + "Bootstrap", bootstrap.SerializeAsString(), false);
  Say("Bootstrap into cluster 4711", ToString(status));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(BadInputTest, GarbageOnAnyPortClosesItsConnectionAlone) {
  const std::string preface = kHttp2Preface;
  const std::vector<std::pair<std::string, std::string>> inputs = {
      {"nothing, then the end", ""},
      {"half an HTTP/2 preface", preface.substr(0, 12)},
      {"an HTTP/1.1 request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a TLS greeting", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
      {"64 KiB of random bytes", RandomBytes(65536, 3)},
      {"the preface and 64 KiB of random bytes", preface + RandomBytes(65536, 4)},
      {"the preface and a frame that claims 16 MiB",
       preface + kSettings + std::string("\xff\xff\xff\0\0\0\0\0\1", 9) + RandomBytes(65536, 5)},
      {"the preface, and headers of random bytes",
       preface + kSettings + std::string("\0\1\0\1\4\0\0\0\1", 9) + RandomBytes(256, 6)},
      {"4 MiB of random bytes", RandomBytes(4 << 20, 7)},
  };
  const std::vector<std::pair<std::string, int>> ports = {{"client port", servers_->ClientPort(0)},
                                                          {"peer port", servers_->PeerPort(0)},
                                                          {"HTTP port", servers_->HttpPort(0)}};
  for (const auto& [port_name, port] : ports) {
    for (const auto& [name, bytes] : inputs) {
      Say(absl::StrCat(name, ", to the ", port_name), SendRaw(port, bytes, bytes.empty()));
    }
    for (int i = 0; i < 50; ++i) SendRaw(port, preface.substr(0, 12), true);
  }
  Say("50 connections with half a preface to each port", "served on");
}

// What rasputind says before it ends, and its exit code; killed if it does not end.
std::pair<int, std::string> RunToEnd(const std::string& arguments) {
  FILE* const out =
      popen(absl::StrCat("timeout 20 ", kBinary, " --advertise-host=127.0.0.1 ", arguments, " 2>&1")
                .c_str(),
            "r");
  PCHECK(out != nullptr);
  std::string said;
  char buffer[1024];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), out)) > 0;) said.append(buffer, n);
  const int status = pclose(out);
  return {WEXITSTATUS(status), said};
}

class BadStartTest : public ::testing::Test {
 protected:
  BadStartTest() {
    ServerClusterOptions options;
    options.nodes = 1;
    options.binary = kBinary;
    options.directory = MakeDirectory();
    servers_ = std::make_unique<ServerCluster>(options);
    directory_ = servers_->Home(0);
    data_ = directory_ + "/data";
  }

  std::string Arguments(const std::string& data) const {
    return absl::StrCat("--peer-port=", servers_->PeerPort(0),
                        " --cli-port=", servers_->ClientPort(0),
                        " --http-port=", servers_->HttpPort(0),
                        " --seed-peers=", servers_->PeerAddress(0), " --storage-dir=", data);
  }

  // One line, the code, and the texts.
  void ExpectRefusal(const std::string& input, const std::string& arguments, int code,
                     const std::vector<std::string>& texts) {
    const auto [exit_code, said] = RunToEnd(arguments);
    Say(input, absl::StrCat("exit code ", exit_code, ": ", said));
    EXPECT_EQ(exit_code, code) << input;
    EXPECT_THAT(said, ::testing::StartsWith("rasputind: "));
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << input;
    for (const std::string& text : texts) EXPECT_THAT(said, HasSubstr(text)) << input;
  }

  // A directory with one key, of a server that has stopped.
  void MakeData() {
    servers_->Start(0);
    servers_->Init();
    client::ClientOptions options;
    options.endpoints = servers_->ClientAddresses();
    kv::v1::SetRequest set;
    set.set_key("canary");
    set.set_value("alive");
    EXPECT_TRUE(client::Client(options).Set(set).ok());
    EXPECT_EQ(servers_->Stop(0), 0);
  }
  void ExpectDataThere() {
    servers_->Start(0);
    client::ClientOptions options;
    options.endpoints = servers_->ClientAddresses();
    kv::v1::GetRequest get;
    get.set_key("canary");
    const auto response = client::Client(options).Get(get);
    EXPECT_TRUE(response.ok() && response->value() == "alive") << response.status();
    EXPECT_EQ(servers_->Stop(0), 0);
  }

  std::string directory_;
  std::string data_;
  std::unique_ptr<ServerCluster> servers_;
};

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_F(BadStartTest, WrongFlagsAreOneLine) {
  ExpectRefusal("an unknown flag", "--storage-dri=/x", 2, {"--storage-dri", "--help"});
  ExpectRefusal("a word that is no flag", "start", 2, {"start", "--help"});
  ExpectRefusal("a port that is none", "--cli-port=99999", 2, {"--cli-port", "65535"});
  ExpectRefusal("a size that is none", "--flush-bytes=32MB", 2, {"--flush-bytes", "number"});
  ExpectRefusal("a flag without its value", "--storage-dir", 2, {"--storage-dir"});
  ExpectRefusal("seeds without ports", "--seed-peers=a,b", 2, {"--seed-peers", "7770"});
}

TEST_F(BadStartTest, ADirectoryThatCannotBeWrittenIsOneLine) {
  const std::string folder = directory_ + "/readonly";
  ASSERT_EQ(mkdir(folder.c_str(), 0500), 0);
  std::unique_ptr<SmallDisk> disk;
  if (geteuid() == 0) {  // Root may write everywhere but to a disk that is read-only.
    disk = std::make_unique<SmallDisk>(folder, 1);
    if (!disk->mounted() || !disk->MakeReadOnly()) {
      GTEST_SKIP() << "SKIPPED: root may not mount here: an unwritable directory is NOT tested";
    }
  }
  ExpectRefusal("an unwritable directory", Arguments(folder), 1, {folder, "cannot be used"});
  ExpectRefusal("a directory below an unwritable one", Arguments(folder + "/data"), 1,
                {folder, "cannot be used"});
  ExpectRefusal("a directory in /proc", Arguments("/proc/data"), 1, {"/proc", "cannot be used"});
}

TEST_F(BadStartTest, ADiskTooSmallIsOneLine) {
  ASSERT_EQ(mkdir(data_.c_str(), 0700), 0);
  SmallDisk disk(data_, 4);
  if (!disk.mounted()) {
    GTEST_SKIP() << "SKIPPED: mounting needs root: a disk that is too small is NOT tested";
  }
  ExpectRefusal("a disk of 4 MiB", Arguments(data_) + " --dev", 1, {"disk", "space"});
}

TEST_F(BadStartTest, AnotherClustersDirectoryANewerFormatAndDamageAreOneLineAndTouchNothing) {
  MakeData();
  ServerClusterOptions options;
  options.nodes = 1;
  options.binary = kBinary;
  options.directory = MakeDirectory();
  ServerCluster other(options);
  ExpectRefusal("the directory of another cluster",
                absl::StrCat("--peer-port=", other.PeerPort(0), " --cli-port=", other.ClientPort(0),
                             " --http-port=", other.HttpPort(0),
                             " --seed-peers=", other.PeerAddress(0), " --storage-dir=", data_),
                1, {"belongs to store 1 of cluster"});

  const std::string format = data_ + "/state/FORMAT";
  const std::string old_format = Read(format);
  Write(format, "rasputin engine, format 2\n");
  ExpectRefusal("an engine of format 2", Arguments(data_), 1, {"format 2", "format 1", "newer"});
  Write(format, old_format);

  const std::string state = data_ + "/state";
  ASSERT_EQ(rename(state.c_str(), (state + ".elsewhere").c_str()), 0);
  ExpectRefusal("state/ that is not mounted", Arguments(data_), 1, {state, "mount"});
  ASSERT_EQ(rename((state + ".elsewhere").c_str(), state.c_str()), 0);
  ExpectDataThere();
}

// [H-18] A cluster of one has nobody to replace its store: it waits, and never begins anew.
TEST_F(BadStartTest, ADamagedStoreOfAClusterOfOneWaitsForItsOperator) {
  MakeData();
  const std::string manifest = data_ + "/log/MANIFEST";
  const std::string old_manifest = Read(manifest);
  const std::string damaged = old_manifest.substr(0, old_manifest.size() - 1) + "x";
  Write(manifest, damaged);
  servers_->Start(0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!absl::StrContains(Read(servers_->LogFile(0)), "damaged and not in service")) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << Read(servers_->LogFile(0));
    ASSERT_FALSE(servers_->ExitedByItself(0)) << Read(servers_->LogFile(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  client::ClientOptions options;
  options.endpoints = servers_->ClientAddresses();
  options.deadline = std::chrono::seconds(3);
  EXPECT_FALSE(client::Admin(options).Init().ok());
  kv::v1::GetRequest get;
  get.set_key("canary");
  const auto response = client::Client(options).Get(get);
  EXPECT_TRUE(absl::StrContains(response.status().message(), "is damaged")) << response.status();
  EXPECT_EQ(servers_->Stop(0), 0);
  EXPECT_EQ(Read(manifest), damaged) << "something was touched";
  Write(manifest, old_manifest);
  ASSERT_EQ(unlink((data_ + "/DAMAGED").c_str()), 0);
  ExpectDataThere();
}

TEST_F(BadStartTest, APortOrDirectoryInUseIsOneLineAndTheOwnerGoesOn) {
  MakeData();
  servers_->Start(0);
  servers_->Init();
  ExpectRefusal("ports in use", Arguments(directory_ + "/other"), 1,
                {absl::StrCat("127.0.0.1:", servers_->ClientPort(0)), "use"});
  ServerClusterOptions options;
  options.nodes = 1;
  options.binary = kBinary;
  options.directory = MakeDirectory();
  ServerCluster other(options);
  ExpectRefusal("a directory that a running server uses",
                absl::StrCat("--peer-port=", other.PeerPort(0), " --cli-port=", other.ClientPort(0),
                             " --http-port=", other.HttpPort(0), " --storage-dir=", data_),
                1, {data_, "in use", "stop"});
  EXPECT_EQ(servers_->Stop(0), 0);
  ExpectDataThere();
}

}  // namespace
}  // namespace rasputin::process
