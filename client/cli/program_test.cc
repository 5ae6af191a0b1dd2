// Whole runs of the program against a node made for tests: output, exit codes, error lines.

#include "client/cli/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli/output.h"
#include "client/fake_server.h"

namespace rasputin::client {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

Outcome RunWith(const std::string& endpoints, const std::vector<std::string>& arguments,
                const std::string& input = "") {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  Outcome run;
  run.code = RunProgram(arguments, endpoints, {&in, &out, &err, false});
  run.out = out.str();
  run.err = err.str();
  return run;
}

class ProgramTest : public testing::Test {
 protected:
  Outcome Rasputin(const std::vector<std::string>& arguments, const std::string& input = "") {
    return RunWith(server_.address(), arguments, input);
  }
  Json RasputinJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--output", "json"});
    return Json::parse(Rasputin(arguments).out, nullptr, /*allow_exceptions=*/false);
  }
  static FakeFailure Failure(int code, v1::ErrorReason reason) {
    FakeFailure failure;
    failure.code = code;
    failure.reason = reason;
    return failure;
  }

  FakeServer server_;
};

TEST_F(ProgramTest, DoesTheRoundOfAKey) {
  EXPECT_EQ(Rasputin({"kv", "set", "k", "hello"}).code, 0);
  EXPECT_EQ(Rasputin({"kv", "get", "k"}).out, "hello\n");
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "goodbye", "--expect", "hello"}).code, 0);
  const Outcome failed = Rasputin({"kv", "cas", "k", "again", "--expect", "hello"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_EQ(failed.out, "goodbye\n");
  EXPECT_THAT(failed.err, HasSubstr("not written"));
  EXPECT_EQ(Rasputin({"kv", "del", "k"}).out, "goodbye\n");
  const Outcome missing = Rasputin({"kv", "get", "k"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.out, "");
  EXPECT_EQ(missing.err, "rasputin: no such key\n");
  EXPECT_EQ(Rasputin({"kv", "del", "k"}).code, 1);
}

TEST_F(ProgramTest, MergesARangeOnceAndRepeatsNothingThatMayHaveHappened) {
  EXPECT_THAT(Rasputin({"range", "merge", "2"}).out, HasSubstr("right neighbour's keys too"));
  EXPECT_EQ(RasputinJson({"range", "merge", "7"})["range_id"], 7);
  EXPECT_EQ(Rasputin({"range", "merge", "two"}).code, 2);
  server_.Fail("MergeRanges", Failure(9, v1::ERROR_REASON_FAILED_PRECONDITION));
  EXPECT_EQ(Rasputin({"range", "merge", "2"}).code, 4);
  FakeFailure broken;
  broken.executed = true;
  server_.Fail("MergeRanges", broken);
  const int calls = server_.Calls("MergeRanges");
  const Outcome lost = Rasputin({"range", "merge", "2"});
  EXPECT_EQ(lost.code, 5);
  EXPECT_THAT(lost.err, HasSubstr("range ls"));
  EXPECT_EQ(server_.Calls("MergeRanges"), calls + 1);
}

TEST_F(ProgramTest, AMergeThatNamesTheNeighbourIsRepeated) {
  EXPECT_EQ(Rasputin({"range", "merge", "2", "three"}).code, 2);
  FakeFailure broken;
  broken.executed = true;
  server_.Fail("MergeRanges", broken);
  const int calls = server_.Calls("MergeRanges");
  EXPECT_EQ(Rasputin({"range", "merge", "2", "3"}).code, 0);
  EXPECT_EQ(server_.Calls("MergeRanges"), calls + 2);
}

TEST_F(ProgramTest, WithdrawsPromisesOnlyWithTheWordThatTheStoreIsDead) {
  for (const std::vector<std::string>& without :
       {std::vector<std::string>{"store", "withdraw", "3"},
        {"store", "withdraw", "3", "--i-proved-that-this-store-is-dead=4"}}) {
    const Outcome refused = Rasputin(without);
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("STALE READS"));
  }
  const Outcome done = Rasputin({"store", "withdraw", "3", "--i-proved-that-this-store-is-dead=3"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("withdrawn"));
  const Outcome alive =
      Rasputin({"store", "withdraw", "9", "--i-proved-that-this-store-is-dead=9"});
  EXPECT_EQ(alive.code, 4);
  EXPECT_THAT(alive.out, HasSubstr("REFUSED"));
  EXPECT_THAT(alive.out, HasSubstr("store 9 asked it"));
}

TEST_F(ProgramTest, ShowsTheTraceOfEveryStore) {
  EXPECT_EQ(Rasputin({"store", "audit"}).out,
            "store 1: TIME something\nstore 2: does not answer\n");
}

TEST_F(ProgramTest, TakesEachConditionOfACas) {
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "1", "--absent"}).code, 0);
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "2", "--absent"}).code, 1);
  const std::string version = RasputinJson({"kv", "get", "k"})["version"];
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "2", "--expect-version", version}).code, 0);
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "3", "--expect-version", version}).code, 1);
  EXPECT_EQ(Rasputin({"kv", "cas", "none", "3", "--expect", ""}).code, 1);
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "3"}).code, 2);
  EXPECT_EQ(Rasputin({"kv", "cas", "k", "3", "--absent", "--expect", "2"}).code, 2);
  EXPECT_EQ(server_.Value("k"), "2");
}

TEST_F(ProgramTest, KeepsBytesAsTheyAre) {
  const std::string bytes("\x00\xff\n", 3);
  EXPECT_EQ(Rasputin({"kv", "set", "stdin", "-"}, bytes).code, 0);
  EXPECT_EQ(server_.Value("stdin"), bytes);
  EXPECT_EQ(Rasputin({"kv", "set", "--hex", "6b", "00ff0a"}).code, 0);
  EXPECT_EQ(server_.Value("k"), bytes);
  EXPECT_EQ(Rasputin({"kv", "get", "k", "--raw"}).out, bytes);
  EXPECT_EQ(Rasputin({"kv", "get", "6b", "--hex"}).out, "00ff0a\n");
  EXPECT_EQ(RasputinJson({"kv", "get", "k"})["value_base64"], "AP8K");

  const std::string path = testing::TempDir() + "/value";
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(Rasputin({"kv", "set", "file", "--file", path}).code, 0);
  EXPECT_EQ(server_.Value("file"), bytes);
}

TEST_F(ProgramTest, RefusesADirectoryInPlaceOfAFile) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"kv", "set", "k", "--file", testing::TempDir()},
        {"kv", "cas", "k", "--absent", "--file", testing::TempDir()}}) {
    const Outcome refused = Rasputin(command);
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.err, "rasputin: cannot read --file " + testing::TempDir() +
                               ": it must be a file, not a directory\n");
  }
  EXPECT_EQ(Rasputin({"kv", "set", "k", "--file", testing::TempDir() + "/no/such"}).code, 2);
  EXPECT_EQ(Rasputin({"bench", "--result", testing::TempDir()}).code, 2);
  EXPECT_EQ(Rasputin({"kv", "set", "k", "--file", "/dev/zero"}).code, 2);
}

TEST_F(ProgramTest, WritesJsonThatNamesEveryField) {
  server_.Put("k", "v");
  EXPECT_EQ(RasputinJson({"kv", "get", "k"}).dump(),
            R"({"key":"k","found":true,"version":"101","value":"v"})");
  EXPECT_EQ(RasputinJson({"kv", "get", "x"}).dump(), R"({"key":"x","found":false})");
  EXPECT_EQ(RasputinJson({"kv", "cas", "k", "w", "--expect", "x"}).dump(),
            R"({"key":"k","success":false,"found":true,"version":"101","value":"v"})");
  EXPECT_EQ(
      RasputinJson({"kv", "del", "k"}).dump(),
      R"({"key":"k","found":true,"version":"102","previous_version":"101","previous_value":"v"})");
}

TEST_F(ProgramTest, ScansInTablesAndValidJson) {
  EXPECT_EQ(RasputinJson({"kv", "scan"}), Json::array());
  for (const char* key : {"a", "b1", "b2", "c"}) server_.Put(key, "v\n");
  EXPECT_EQ(Rasputin({"kv", "scan", "b", "c"}).out, "b1\t102\tv\\n\nb2\t103\tv\\n\n");
  EXPECT_EQ(RasputinJson({"kv", "scan", "--prefix", "b"}).size(), 2u);
  EXPECT_EQ(RasputinJson({"kv", "scan", "--limit", "3"}).size(), 3u);
  EXPECT_FALSE(RasputinJson({"kv", "scan", "--keys-only"})[0].contains("value"));
  EXPECT_EQ(Rasputin({"kv", "scan", "a", "--prefix", "b"}).code, 2);
}

TEST_F(ProgramTest, RefusesAScanThatEndsBeforeItBegins) {
  for (const char* start : {"z", "a"}) {
    const Outcome refused = Rasputin({"kv", "scan", start, "a"});
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("START must come before END"));
  }
  EXPECT_EQ(Rasputin({"kv", "scan", "a", "z"}).code, 0);
  EXPECT_EQ(Rasputin({"kv", "scan", "z"}).code, 0);
  EXPECT_EQ(Rasputin({"kv", "scan", "--prefix", "z"}).code, 0);
}

TEST_F(ProgramTest, ShowsTheClusterInTablesAndJson) {
  EXPECT_EQ(RasputinJson({"cluster", "status"})["cluster_id"], "18446744073709551615");
  EXPECT_THAT(Rasputin({"cluster", "status"}).out, HasSubstr("REACHABLE"));
  EXPECT_EQ(RasputinJson({"cluster", "init"})["already_initialized"], true);
  EXPECT_EQ(RasputinJson({"store", "ls"})[0]["client_address"], server_.address());
  EXPECT_EQ(RasputinJson({"range", "ls"})[0]["collection"], "default");
  EXPECT_EQ(RasputinJson({"range", "describe", "7"})["lease_left_ms"], 750);
  EXPECT_EQ(RasputinJson({"range", "split", "m"})["right"]["start_key"], "m");
  EXPECT_EQ(RasputinJson({"lease", "transfer", "7", "2"})["leader_store_id"], 2);
  EXPECT_EQ(RasputinJson({"collection", "create", "users"})["name"], "users");
  EXPECT_EQ(RasputinJson({"collection", "ls"})[0]["name"], "default");
}

TEST_F(ProgramTest, SaysWhatRangesHaveToDoAndWhy) {
  EXPECT_THAT(Rasputin({"range", "ls"}).out, HasSubstr("4.0 KiB  31.0"))
      << "as its leader says, which lists all that it leads";
  EXPECT_EQ(RasputinJson({"range", "ls"})[0]["size_bytes"], 4096);
  EXPECT_EQ(RasputinJson({"range", "ls"})[0]["load"]["writes_per_second"], 31);
  // The list does without what cannot be told.
  server_.Fail("ListLoads", Failure(9, v1::ERROR_REASON_FAILED_PRECONDITION));
  EXPECT_THAT(Rasputin({"range", "ls"}).out, Not(HasSubstr("31.0")));
  EXPECT_THAT(Rasputin({"range", "describe", "7"}).out, HasSubstr("one key has all requests"));
  const Outcome explained = Rasputin({"explain", "k"});
  EXPECT_EQ(explained.code, 0) << explained.err;
  EXPECT_THAT(explained.out, HasSubstr("Key 'k' of collection default is in range 7"));
  EXPECT_THAT(explained.out, HasSubstr("split, not done: one key has all requests"));
  EXPECT_EQ(RasputinJson({"explain", "k"})["split_thresholds"]["requests_per_second"], 2500);
  EXPECT_EQ(RasputinJson({"explain", "--hex", "ff"})["key_base64"], "/w==");
}

TEST_F(ProgramTest, ShowsTheBusiestRangesOnceWhereNobodyCanWatch) {
  const Outcome top = Rasputin({"top"});
  EXPECT_EQ(top.code, 0) << top.err;
  EXPECT_THAT(top.out, HasSubstr("1 stores"));
  EXPECT_THAT(top.out, HasSubstr("none lately"));
  EXPECT_THAT(top.out, HasSubstr("3.0 MiB")) << "what the store takes of its disk";
  EXPECT_EQ(RasputinJson({"top", "--rows", "5"})["ranges"][0]["range_id"], 7);
  EXPECT_EQ(Rasputin({"top", "--rows", "0"}).code, 2);
}

TEST_F(ProgramTest, ChangesOptionsOfACollectionAndLeavesTheOthers) {
  const Json options = RasputinJson({"collection", "update", "users", "--split-size-bytes",
                                     "1048576", "--require", "zone=a,disk=ssd"})["options"];
  EXPECT_EQ(options["replication_factor"], 5) << "what the server said it was";
  EXPECT_EQ(options["split"]["size_bytes"], 1048576);
  EXPECT_EQ(options["required_labels"]["disk"], "ssd");
  EXPECT_EQ(RasputinJson({"collection", "describe", "users"})["options"]["replication_factor"], 5);
  EXPECT_EQ(Rasputin({"collection", "update", "users", "--require", "zone"}).code, 2);
}

TEST_F(ProgramTest, DropsACollectionOnlyIfToldThatItIsMeant) {
  EXPECT_EQ(Rasputin({"collection", "drop", "users"}).code, 2);
  EXPECT_EQ(RasputinJson({"collection", "drop", "users", "--yes"})["ranges_emptied"], 4);
}

TEST_F(ProgramTest, ShowsWhichStoresAreDeadAndWhatTheyHold) {
  const Json stores = RasputinJson({"store", "ls"});
  EXPECT_EQ(stores[0]["state"], "alive");
  EXPECT_EQ(stores[1]["state"], "dead");
  EXPECT_EQ(stores[1]["ranges"], 1);
  EXPECT_TRUE(stores[1]["leaders"].is_null());
  EXPECT_EQ(RasputinJson({"range", "replicas", "7"})[0]["role"], "voter");
}

TEST_F(ProgramTest, DrainsAndDecommissionsAndWaitsIfAsked) {
  EXPECT_THAT(Rasputin({"store", "drain", "1"}).out, HasSubstr("is draining"));
  EXPECT_EQ(Rasputin({"store", "drain", "1", "--wait"}).out, "store 1 leads nothing any more\n");
  EXPECT_THAT(Rasputin({"store", "undrain", "1"}).out, HasSubstr("is active"));
  EXPECT_THAT(Rasputin({"store", "decommission", "3"}).out, HasSubstr("is being decommissioned"));
  EXPECT_EQ(Rasputin({"store", "decommission", "7", "--wait"}).out,
            "store 7 is off the list for good\n");
  const Outcome late = Rasputin({"store", "decommission", "3", "--wait", "--timeout", "600ms"});
  EXPECT_NE(late.code, 0);
  EXPECT_THAT(late.err, HasSubstr("in the way: store 3 does not answer"));
  const Outcome silent = Rasputin({"store", "drain", "3", "--wait", "--timeout", "600ms"});
  EXPECT_NE(silent.code, 0) << "nobody knows what it leads";
  EXPECT_THAT(silent.err, HasSubstr("store 3 does not answer"));
  EXPECT_EQ(Rasputin({"store", "drain"}).code, 2);
}

TEST_F(ProgramTest, ShowsThePlanAndPausesIt) {
  const Json plan = RasputinJson({"plan"});
  EXPECT_EQ(plan["controller_store_id"], 1);
  EXPECT_EQ(plan["ranges_short"], 2);
  EXPECT_EQ(plan["obstacles"][0], "store 3 does not answer");
  EXPECT_EQ(plan["decisions"][0]["outcome"], "done");
  EXPECT_THAT(Rasputin({"plan"}).out, HasSubstr("store 3 is being decommissioned"));
  EXPECT_EQ(Rasputin({"plan", "pause"}).code, 0);
  EXPECT_EQ(server_.Calls("PausePlacement"), 1);
  EXPECT_THAT(Rasputin({"store", "drain", "1"}).err, HasSubstr("placement is paused"));
  EXPECT_EQ(Rasputin({"plan", "resume"}).code, 0);
  EXPECT_EQ(server_.Calls("ResumePlacement"), 1);
  EXPECT_EQ(Rasputin({"plan", "stop"}).code, 2);
}

TEST_F(ProgramTest, ChangesTheReplicasOfARange) {
  EXPECT_EQ(Rasputin({"range", "replicas", "7", "add", "3"}).out,
            "range 7 is on the stores 1,2,3\n");
  EXPECT_EQ(Rasputin({"range", "replicas", "7", "remove", "1"}).out,
            "range 7 is on the stores 2,3\n");
  EXPECT_EQ(Rasputin({"range", "replicas", "7", "replace", "2", "4"}).out,
            "range 7 is on the stores 3,4\n");
  for (const auto& wrong : std::vector<std::vector<std::string>>{{"7", "add"},
                                                                 {"7", "add", "x"},
                                                                 {"7", "add", "3", "4"},
                                                                 {"7", "replace", "3"},
                                                                 {"7", "drop", "3"},
                                                                 {"x", "add", "3"}}) {
    std::vector<std::string> arguments = {"range", "replicas"};
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(Rasputin(arguments).code, 2);
  }
}

TEST_F(ProgramTest, AChangeOfReplicasGoesOnUntilItIsDoneOrItsTimeIsOver) {
  server_.Fail("ChangeReplicas", Failure(4, v1::ERROR_REASON_DEADLINE_EXCEEDED), 3);
  EXPECT_EQ(Rasputin({"range", "replicas", "7", "add", "3"}).code, 0);
  EXPECT_EQ(server_.Calls("ChangeReplicas"), 4);
  server_.Fail("ChangeReplicas", Failure(4, v1::ERROR_REASON_DEADLINE_EXCEEDED), 1000);
  const Outcome late = Rasputin({"range", "replicas", "7", "remove", "3", "--timeout", "300ms"});
  EXPECT_EQ(late.code, 3);
  EXPECT_THAT(late.err, HasSubstr("made by the test"));
}

TEST_F(ProgramTest, ReplacesAStoreInAllItsRangesAndForgetsIt) {
  EXPECT_EQ(Rasputin({"store", "replace", "2", "2"}).code, 2);
  EXPECT_THAT(Rasputin({"store", "replace", "2", "3"}).out, HasSubstr("1 ranges"));
  EXPECT_EQ(Rasputin({"store", "replace", "2", "3"}).out, "no range has a replica on store 2\n");
  EXPECT_EQ(Rasputin({"store", "forget", "2"}).code, 0);
  server_.Fail("ChangeReplicas", Failure(9, v1::ERROR_REASON_FAILED_PRECONDITION));
  const Outcome refused = Rasputin({"store", "replace", "3", "1"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_LT(refused.err.find("refused: "), refused.err.find("repeat the command"));
  EXPECT_NE(refused.err.find("repeat the command"), std::string::npos) << refused.err;
  const Outcome unknown = Rasputin({"store", "replace", "3", "4"});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_EQ(unknown.err, "rasputin: refused: there is no store 4; `rasputin store ls` shows all\n");
}

TEST_F(ProgramTest, LeavesOutOfTheStatusWhatNobodyKnows) {
  server_.SetMetaAvailable(false);
  const Json status = RasputinJson({"cluster", "status"});
  EXPECT_TRUE(status["ranges"].is_null()) << status.dump();
  EXPECT_TRUE(status["collections"].is_null()) << status.dump();
  EXPECT_EQ(status["stores"][0]["replicas"], 0) << status.dump();
  EXPECT_TRUE(status["stores"][1]["replicas"].is_null()) << status.dump();
  EXPECT_TRUE(status["stores"][1]["leaders"].is_null()) << status.dump();
  EXPECT_EQ(Rasputin({"cluster", "status"}).code, 0);
}

TEST_F(ProgramTest, ShowsItsVersion) {
  const Outcome run = Rasputin({"--version"});
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, testing::MatchesRegex("rasputin [0-9.]+\n"));
  EXPECT_EQ(run.err, "");
}

TEST_F(ProgramTest, SaysHowToInitialiseACluster) {
  server_.SetInitialized(false);
  const Outcome run = Rasputin({"cluster", "status"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("rasputin cluster init"));
  server_.Fail("Get", Failure(9, v1::ERROR_REASON_NOT_INITIALIZED));
  const Outcome refused = Rasputin({"kv", "get", "k"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_THAT(refused.err, HasSubstr("rasputin cluster init"));
}

TEST_F(ProgramTest, ShowsTheClusterOfTheFirstEndpointThatBelongsToOne) {
  FakeServer without;
  without.SetInitialized(false);
  const Outcome run = RunWith(without.address() + "," + server_.address(), {"cluster", "status"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("REACHABLE"));
}

TEST_F(ProgramTest, Exits2WithoutAskingTheClusterIfTheUsageIsWrong) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"kv"},
                                             {"nothing"},
                                             {"kv", "get"},
                                             {"kv", "get", ""},
                                             {"kv", "get", "k", "--nothing"},
                                             {"kv", "get", "k", "--output", "xml"},
                                             {"kv", "get", "k", "--timeout", "soon"},
                                             {"kv", "get", "k", "--endpoints", "nowhere"},
                                             {"kv", "get", "k", "--endpoints", ""},
                                             {"kv", "get", "k", "--endpoints", "http://a:8880"},
                                             {"kv", "get", "xyz", "--hex"},
                                             {"kv", "set", "k"},
                                             {"kv", "set", "k", "v", "--file", "f"},
                                             {"kv", "set", "k", "--file", "/nonexistent/file"},
                                             {"range", "describe", "seven"},
                                             {"range", "split", ""},
                                             {"bench", "--operations", "fly"},
                                             {"bench", "--outstanding", "0"},
                                             {"bench", "--compare"},
                                             {"bench", "--pids", "x=0"}}) {
    const Outcome run = Rasputin(arguments);
    EXPECT_EQ(run.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(run.out, "") << testing::PrintToString(arguments);
    EXPECT_NE(run.err, "") << testing::PrintToString(arguments);
  }
  EXPECT_EQ(server_.Calls("Get") + server_.Calls("Set"), 0);
}

TEST_F(ProgramTest, Exits3WhereNobodyListens) {
  const std::string dead = DeadAddress();
  for (const char* command : {"get", "del"}) {
    const Outcome run = RunWith(dead, {"--timeout", "100ms", "kv", command, "k"});
    EXPECT_EQ(run.code, 3) << run.err;
    EXPECT_THAT(run.err, HasSubstr(dead + " within 100 ms;"));
    EXPECT_THAT(run.err, HasSubstr("--endpoints"));
    EXPECT_THAT(run.err, Not(HasSubstr("something listens")));
  }
}

TEST_F(ProgramTest, SaysThatSomethingListensThatIsNoClientPort) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 100), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string silent = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const Outcome run = RunWith(silent, {"--timeout", "100ms", "kv", "get", "k"});
  close(listener);
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("though something listens at " + silent));
}

TEST_F(ProgramTest, Exits3IfNobodyLeads) {
  FakeFailure refusal = Failure(14, v1::ERROR_REASON_NOT_LEADER);
  refusal.retry_after_seconds = 3600;
  server_.Fail("Set", refusal);
  const Outcome run = Rasputin({"kv", "set", "k", "v"});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr("cluster status"));
}

TEST_F(ProgramTest, NamesARangeWithoutALeaderAndWhatItNeeds) {
  FakeFailure refusal = Failure(14, v1::ERROR_REASON_NOT_LEADER);
  refusal.names_range = true;
  refusal.retry_after_seconds = 3600;
  server_.Fail("Get", refusal);
  const Outcome run = Rasputin({"kv", "get", "k"});
  EXPECT_EQ(run.code, 3);
  EXPECT_EQ(run.err,
            "rasputin: range 7 has no leader: it needs a majority of its stores up and connected; "
            "see `rasputin cluster status`\n");
}

TEST_F(ProgramTest, GivesAdviceOnStartingNodesOnce) {
  FakeFailure refusal = Failure(14, v1::ERROR_REASON_STORE_UNREACHABLE);
  refusal.message = "seed b:1 cannot be reached; start all seeds and initialise again";
  refusal.retry_after_seconds = 3600;
  server_.Fail("Init", refusal);
  EXPECT_EQ(Rasputin({"cluster", "init"}).err, "rasputin: " + refusal.message + "\n");
}

TEST_F(ProgramTest, Exits5IfALeaseMayStillBeTransferred) {
  FakeFailure refusal = Failure(4, v1::ERROR_REASON_DEADLINE_EXCEEDED);
  refusal.retry_after_seconds = 3600;
  server_.Fail("TransferLease", refusal);
  EXPECT_EQ(Rasputin({"lease", "transfer", "7", "2"}).code, 5);
}

TEST_F(ProgramTest, Exits4IfTheClusterRefuses) {
  server_.Fail("Set", Failure(3, v1::ERROR_REASON_INVALID_ARGUMENT));
  EXPECT_EQ(Rasputin({"kv", "set", "k", "v"}).err, "rasputin: refused: made by the test\n");
  server_.Fail("Set", Failure(3, v1::ERROR_REASON_INVALID_ARGUMENT));
  EXPECT_EQ(Rasputin({"kv", "set", "k", "v"}).code, 4);
  server_.Fail("DescribeRange", Failure(5, v1::ERROR_REASON_NOT_FOUND));
  EXPECT_EQ(Rasputin({"range", "describe", "99"}).code, 4);
}

TEST_F(ProgramTest, Exits4WithLimitAndSizeIfTheValueIsTooLarge) {
  const Outcome run = Rasputin({"kv", "set", "k", "-"}, std::string(30 << 20, 'v'));
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.err, HasSubstr("31457280 bytes; the limit is 4194304 bytes"));
}

TEST_F(ProgramTest, Exits5IfAMutationMayHaveHappenedAnd3ForARead) {
  server_.Fail("Set", FakeFailure(), 1000);
  const Outcome run = Rasputin({"--timeout", "100ms", "kv", "set", "k", "v"});
  EXPECT_EQ(run.code, 5);
  EXPECT_THAT(run.err, HasSubstr("the outcome is unknown"));
  server_.Fail("Get", FakeFailure(), 1000);
  EXPECT_EQ(Rasputin({"--timeout", "100ms", "kv", "get", "k"}).code, 3);
}

TEST_F(ProgramTest, PrefersTheFlagToTheEnvironment) {
  server_.Put("k", "v");
  EXPECT_EQ(RunWith(DeadAddress(), {"--endpoints", server_.address(), "kv", "get", "k"}).out,
            "v\n");
}

TEST_F(ProgramTest, WritesHelpToStandardOutputOnlyIfAsked) {
  const Outcome asked = Rasputin({"kv", "cas", "--help"});
  EXPECT_EQ(asked.code, 0);
  EXPECT_THAT(asked.out, HasSubstr("--expect-version"));
  EXPECT_EQ(asked.err, "");
  const Outcome lost = Rasputin({});
  EXPECT_EQ(lost.code, 2);
  EXPECT_THAT(lost.err, HasSubstr("Usage: rasputin COMMAND"));
}

TEST_F(ProgramTest, BenchmarksAndReportsEveryOperation) {
  const std::string path = testing::TempDir() + "/result.json";
  const Outcome run = Rasputin({"bench", "--seconds", "1", "--warmup", "0", "--keys", "50",
                                "--outstanding", "4", "--result", path});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("keys"));
  std::ifstream file(path);
  const Json json = Json::parse(file, nullptr, false);
  ASSERT_EQ(json["results"].size(), 3u) << json.dump();
  for (const Json& result : json["results"]) {
    EXPECT_GT(result["operations"], 0) << result.dump();
    EXPECT_EQ(result["errors"], 0) << result.dump();
  }
}

}  // namespace
}  // namespace rasputin::client
