// A closed loop of blocking clients with one pattern of load, counted second by second.
//
// So many threads, each with one call under way. Calls that fail in spite of the client's own
// repetitions are counted and shown. Not responsible for judging what was read (watchers.h).
// Thread-safe where noted.

#ifndef RASPUTIN_TESTS_GROWTH_PATTERN_LOAD_H_
#define RASPUTIN_TESTS_GROWTH_PATTERN_LOAD_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "tests/growth/key_picker.h"

namespace rasputin::growth {

enum class Pattern : uint8_t {
  kUniform = 1,  // Half gets, half sets, of keys that exist.
  kZipfian = 2,  // The same, by popularity.
  kHotKey = 3,   // The same, nine of ten on one key.
  kTail = 4,     // Inserts, each behind all that there is.
  kScans = 5,    // Scans of 200 rows from anywhere.
  kDeletes = 6,  // Deletes every key once, in order, then waits.
  kNothing = 7,  // No load: what does the cluster do when it is idle?
  kUniformGets = 8,
};

// Null: no such pattern.
const char* NameOf(Pattern pattern);
// False: no pattern has this name.
bool ParsePattern(const std::string& name, Pattern* pattern);

struct PatternLoadOptions {
  std::vector<std::string> endpoints;
  Pattern pattern = Pattern::kUniform;
  uint64_t keys = 1'000'000;
  uint64_t value_bytes = 256;
  int workers = 48;
  uint64_t seed = 1;
};

// What happened within one second.
struct SecondOfLoad {
  uint64_t operations = 0;  // Answered; a scan is one.
  uint64_t failed = 0;
};

// The user key of a number: sorts as the numbers do.
std::string KeyOf(uint64_t number);

class PatternLoad {
 public:
  explicit PatternLoad(const PatternLoadOptions& options);
  ~PatternLoad();

  // Writes every key once, in batches. CHECK: it succeeds.
  void Fill();
  void Start();
  void Stop();  // Waits for what is under way.

  // Since the last call. Thread-safe.
  SecondOfLoad TakeSecond();
  // Of the whole run, after Stop: latencies in microseconds, ascending, at most 1,000,000.
  std::vector<uint32_t> TakeLatencies();
  // The first few errors, a line each. Thread-safe.
  std::vector<std::string> errors() const;

 private:
  void Work(int worker);
  absl::Status Once(KeyPicker* picker, client::Client* client, std::mt19937_64* random);
  absl::Status ScanFrom(uint64_t number, client::Client* client);
  absl::Status DeleteNext(client::Client* client);

  const PatternLoadOptions options_;
  std::unique_ptr<Zipfian> zipfian_;
  std::vector<std::unique_ptr<client::Client>> clients_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> next_{0};  // Of kTail and kDeletes.
  mutable std::mutex mutex_;
  SecondOfLoad second_;
  std::vector<uint32_t> latencies_us_;
  std::vector<std::string> errors_;
};

}  // namespace rasputin::growth

#endif  // RASPUTIN_TESTS_GROWTH_PATTERN_LOAD_H_
