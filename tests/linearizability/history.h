// What clients did and saw: operations on single keys with the real times of call and return.
//
// A value type, filled by the simulator's clients and by the drivers of real processes, judged by
// checker.h, exported as JSON lines for outside checkers. Not responsible for multi-key operations:
// a batch or a page of a scan is recorded as one operation per key with the same times, which is
// weaker than what a page promises, never stronger. Thread-compatible.

#ifndef RASPUTIN_TESTS_LINEARIZABILITY_HISTORY_H_
#define RASPUTIN_TESTS_LINEARIZABILITY_HISTORY_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace rasputin::linearizability {

enum class Kind : uint8_t { kGet = 1, kSet = 2, kCas = 3, kDelete = 4 };

enum class Result : uint8_t {
  kOk = 1,           // Answered: took effect (or read) between call and return.
  kNotExecuted = 2,  // Answered: never took nor will take effect.
  kUnknown = 3,      // May take effect at any time from the call on, once, or never.
};

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// Values should be unique among the writes of a key: the checker is then fast and finds more.
// Nothing wrong is concluded if they are not.
struct Operation {
  uint64_t process = 0;
  Kind kind = Kind::kGet;
  std::string key;
  std::string value;                    // kSet, kCas: what is written.
  std::optional<std::string> expected;  // kCas: the value compared with; nullopt: absent.
  int64_t called_ns = 0;
  int64_t returned_ns = kNever;
  Result result = Result::kUnknown;
  // Answers, for kOk only. `observed`: value read, previous value of a delete, current value of a
  // cas that failed; nullopt: no such key.
  bool swapped = false;  // kCas: it succeeded.
  std::optional<std::string> observed;
  uint64_t version = 0;  // Of the value written or observed; 0: not told.
};

using History = std::vector<Operation>;

const char* ToString(Kind kind);
const char* ToString(Result result);
// One line, for people.
std::string ToString(const Operation& operation);

// One JSON object per line for each call and each return, ordered by time:
// {"process", "type": invoke|ok|fail|info, "f", "key", "value", "time"}. A call's value is what was
// asked (cas: [expected, new]), a return's what was answered. Bytes beyond printable ASCII leave as
// \u00XX.
void WriteJsonLines(const History& history, std::ostream* out);

}  // namespace rasputin::linearizability

#endif  // RASPUTIN_TESTS_LINEARIZABILITY_HISTORY_H_
