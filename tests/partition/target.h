// One node of a system under test, asked with single calls: Rasputin or etcd behind one interface.
//
// No routing and no repetition here: what is measured is what the node asked makes of the call
// within its deadline. Versions are the system's own: a key's later write has the higher one.
// Thread-safe.

#ifndef RASPUTIN_TESTS_PARTITION_TARGET_H_
#define RASPUTIN_TESTS_PARTITION_TARGET_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tests/linearizability/history.h"

namespace rasputin::partition {

struct Reply {
  // A read that failed is kNotExecuted: it says nothing.
  linearizability::Result result = linearizability::Result::kUnknown;
  std::optional<std::string> value;  // Of a read; nullopt: no such key.
  uint64_t version = 0;              // Of the value read or written; 0: none.
  std::string error;                 // For people; empty if kOk.
};

class Target {
 public:
  virtual ~Target() = default;
  // A linearizable read.
  virtual Reply Get(const std::string& key, std::chrono::milliseconds timeout) = 0;
  virtual Reply Set(const std::string& key, const std::string& value,
                    std::chrono::milliseconds timeout) = 0;
};

// `system`: "rasputin", "etcd", or "etcd-serializable", whose reads may be stale: what finds stale
// reads must find those. Null: another word. `address`: HOST:PORT of the node's client port.
std::unique_ptr<Target> MakeTarget(const std::string& system, const std::string& address);

}  // namespace rasputin::partition

#endif  // RASPUTIN_TESTS_PARTITION_TARGET_H_
