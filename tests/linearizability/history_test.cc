// Text forms of histories.

#include "tests/linearizability/history.h"

#include <gtest/gtest.h>

#include <sstream>

namespace rasputin::linearizability {
namespace {

TEST(History, ExportsCallsAndReturnsInOrderOfTime) {
  Operation set;
  set.process = 1;
  set.kind = Kind::kSet;
  set.key = "k";
  set.value = "a\"b";
  set.called_ns = 10;
  set.returned_ns = 30;
  set.result = Result::kOk;
  Operation cas;
  cas.process = 2;
  cas.kind = Kind::kCas;
  cas.key = "k";
  cas.value = std::string("\x01", 1);
  cas.called_ns = 20;
  std::ostringstream out;
  WriteJsonLines({set, cas}, &out);
  EXPECT_EQ(out.str(),
            "{\"process\":1,\"type\":\"invoke\",\"f\":\"set\",\"key\":\"k\",\"value\":\"a\\\"b\","
            "\"time\":10}\n"
            "{\"process\":2,\"type\":\"invoke\",\"f\":\"cas\",\"key\":\"k\","
            "\"value\":[null,\"\\u0001\"],\"time\":20}\n"
            "{\"process\":1,\"type\":\"ok\",\"f\":\"set\",\"key\":\"k\",\"value\":\"a\\\"b\","
            "\"time\":30}\n"
            "{\"process\":2,\"type\":\"info\",\"f\":\"cas\",\"key\":\"k\","
            "\"value\":[null,\"\\u0001\"],\"time\":null}\n");
}

TEST(History, ExportsWhatAFailedCasFound) {
  Operation cas;
  cas.kind = Kind::kCas;
  cas.key = "k";
  cas.value = "new";
  cas.expected = "old";
  cas.observed = "other";
  cas.returned_ns = 5;
  cas.result = Result::kOk;
  std::ostringstream out;
  WriteJsonLines({cas}, &out);
  EXPECT_NE(out.str().find("{\"current\":\"other\"}"), std::string::npos);
}

}  // namespace
}  // namespace rasputin::linearizability
