// A node made for tests: one range in memory, answers and failures as the test wants them.
//
// Listens on the loopback at a port of its own. Executes each RequestId once, as a real range does.
// Thread-safe. Not responsible for replication, leases or limits.

#ifndef RASPUTIN_CLIENT_FAKE_SERVER_H_
#define RASPUTIN_CLIENT_FAKE_SERVER_H_

#include <memory>
#include <string>

#include "rasputin/v1/error.pb.h"

namespace rasputin::client {

// What a call gets instead of its answer.
struct FakeFailure {
  int code = 14;                                          // gRPC's; 14 is UNAVAILABLE.
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;  // Unspecified: no ErrorDetail.
  std::string message = "made by the test";
  std::string hint_address;     // Client address of the store to try, of store 2.
  bool names_range = false;     // Names the range although there is no hint.
  bool executed = false;        // The operation happens all the same; only its answer is lost.
  int retry_after_seconds = 0;  // Advice that comes with a reason.
  bool hangs = false;           // No answer before the deadline.
};

class FakeServer {
 public:
  FakeServer();
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  const std::string& address() const;
  // Methods by name: "Get", "Set", "LookupRange", ... The next `times` calls fail like this, after
  // those that were told to fail before.
  void Fail(const std::string& method, const FakeFailure& failure, int times = 1);
  int Calls(const std::string& method) const;
  // A scan breaks once after so many rows.
  void BreakScanAfter(int rows);
  // What the directory says; by default this server.
  void SetLeader(const std::string& client_address);
  // Without: the status counts no ranges, and no store but the one that answers can be reached.
  void SetMetaAvailable(bool available);
  void SetInitialized(bool initialized);
  void Put(const std::string& key, const std::string& value);
  // "" if the key is missing.
  std::string Value(const std::string& key) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// An address on which nothing listens.
std::string DeadAddress();

}  // namespace rasputin::client

#endif  // RASPUTIN_CLIENT_FAKE_SERVER_H_
