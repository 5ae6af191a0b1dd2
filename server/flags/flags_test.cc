// Claims about flags: defaults, forms, errors.

#include "server/flags/flags.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rasputin::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const absl::StatusOr<Flags> flags = ParseFlags(arguments);
  return flags.ok() ? "" : std::string(flags.status().message());
}

TEST(Flags, DefaultsAreThoseOfTheSeed) {
  const absl::StatusOr<Flags> flags = ParseFlags({});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->peer_port, 7770);
  EXPECT_EQ(flags->cli_port, 8880);
  EXPECT_EQ(flags->http_port, 9090);
  EXPECT_EQ(flags->listen_host, "0.0.0.0");
}

TEST(Flags, BothFormsOfAValueAreTaken) {
  const absl::StatusOr<Flags> flags = ParseFlags(
      {"--peer-port", "1", "--cli-port=2", "--seed-peers=a:1, b:2", "--locality=zone=x"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->peer_port, 1);
  EXPECT_EQ(flags->cli_port, 2);
  EXPECT_THAT(flags->seed_peers, ElementsAre("a:1", "b:2"));
  EXPECT_EQ(flags->locality.at("zone"), "x");
}

TEST(Flags, ALoopbackNodeListensOnTheLoopbackOnly) {
  EXPECT_EQ(ParseFlags({"--advertise-host=127.0.0.1"})->listen_host, "127.0.0.1");
  EXPECT_EQ(ParseFlags({"--dev"})->listen_host, "127.0.0.1");
  EXPECT_EQ(ParseFlags({"--dev", "--listen-host=0.0.0.0"})->listen_host, "0.0.0.0");
}

TEST(Flags, ErrorsNameTheFlagAndWhatItTakes) {
  EXPECT_THAT(ErrorOf({"--peer-prot=1"}), HasSubstr("unknown flag --peer-prot"));
  EXPECT_THAT(ErrorOf({"serve"}), HasSubstr("unexpected argument 'serve'"));
  EXPECT_THAT(ErrorOf({"--peer-port"}), HasSubstr("--peer-port takes a value"));
  EXPECT_THAT(ErrorOf({"--peer-port=70000"}), HasSubstr("1 to 65535"));
  EXPECT_THAT(ErrorOf({"--peer-port=8880"}), HasSubstr("must differ"));
  EXPECT_THAT(ErrorOf({"--seed-peers=a"}), HasSubstr("--seed-peers must be"));
  EXPECT_THAT(ErrorOf({"--locality=zone"}), HasSubstr("zone=a"));
  EXPECT_THAT(ErrorOf({"--lease-duration-ms=1"}), HasSubstr("from 100 to 60000"));
  EXPECT_THAT(ErrorOf({"--config=/nonexistent/file"}), HasSubstr("/nonexistent/file"));
}

TEST(Flags, TheCommandLineWinsOverTheConfigFile) {
  const std::string path = std::string(getenv("TEST_TMPDIR")) + "/config";
  std::ofstream(path) << "# ports\npeer-port = 1000\ncli-port=1001\n";
  const absl::StatusOr<Flags> flags = ParseFlags({"--cli-port=1002", "--config=" + path});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->peer_port, 1000);
  EXPECT_EQ(flags->cli_port, 1002);
  std::ofstream(path) << "peer-prot = 1000\n";
  EXPECT_THAT(ErrorOf({"--config=" + path}), HasSubstr("unknown flag --peer-prot"));
}

TEST(Flags, ADevelopmentNodeHasATemporaryDirectoryWhereverDevWasSaid) {
  const std::string path = std::string(getenv("TEST_TMPDIR")) + "/dev";
  std::ofstream(path) << "dev = true\n";
  EXPECT_EQ(ParseFlags({"--config=" + path})->storage_dir, "");
  EXPECT_EQ(ParseFlags({"--dev"})->storage_dir, "");
  EXPECT_EQ(ParseFlags({"--config=" + path, "--storage-dir=d"})->storage_dir, "d");
  EXPECT_EQ(ParseFlags({"--config=" + path, "--dev=false"})->storage_dir, Flags().storage_dir);
  std::ofstream(path, std::ios::app) << "storage-dir = e\n";
  EXPECT_EQ(ParseFlags({"--config=" + path})->storage_dir, "e");
}

TEST(Flags, HelpListsEveryFlagWithItsDefault) {
  const std::string text = DescribeFlags();
  EXPECT_THAT(text, HasSubstr("--cli-port=PORT"));
  EXPECT_THAT(text, HasSubstr("Default: 8880."));
  EXPECT_THAT(text, HasSubstr("rasputind recover --help"));
  EXPECT_THAT(text, HasSubstr("--lease-duration-ms=MS"));
}

}  // namespace
}  // namespace rasputin::server
