// Changes the members of all ranges of a real cluster without pause, so that something can strike
// in the middle of it.
//
// Each worker has ranges of its own and does one change after the other: a replica is added,
// removed or replaced (the leader's own too), a lease is transferred. Changes that fail are counted
// and left as they are: the next one starts from there. What is under way can be asked for, as a
// target. Not responsible for servers nor for judging data. Thread-safe.

#ifndef RASPUTIN_TESTS_PROCESS_MEMBER_CHURN_H_
#define RASPUTIN_TESTS_PROCESS_MEMBER_CHURN_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client/admin.h"
#include "rasputin/admin/v1/admin.pb.h"

namespace rasputin::process {

struct MemberChurnOptions {
  std::vector<std::string> endpoints;
  size_t replicas = 3;  // Of a range; ranges have one more at times.
  int workers = 2;
  uint64_t seed = 1;
};

struct MemberChange {
  enum class Kind : uint8_t { kAdd, kRemove, kReplace, kTransfer } kind = Kind::kAdd;
  uint64_t range = 0;
  uint64_t to = 0;      // The store that gets the replica or the lease; 0: none.
  uint64_t from = 0;    // The store that loses the replica; 0: none.
  uint64_t leader = 0;  // The store that led when the change began; 0: unknown.
};

struct ChurnCounts {
  uint64_t begun = 0;
  uint64_t completed = 0;
  uint64_t refused = 0;    // With a reason: the store does not answer, is no member, ...
  uint64_t given_up = 0;   // At their deadline, or cut off; half done at times.
  uint64_t of_leader = 0;  // Completed ones that took the replica of the leader itself.
  uint64_t of_meta = 0;    // Completed ones of the meta range.
  uint64_t transfers = 0;  // Completed transfers of a lease, among the completed.
};

class MemberChurn {
 public:
  explicit MemberChurn(const MemberChurnOptions& options);
  ~MemberChurn();

  void Start();
  void Stop();  // Waits for what is under way.
  ChurnCounts counts() const;
  // One of the changes under way; nullopt: none.
  std::optional<MemberChange> current(std::mt19937_64* random) const;
  // Waits until a range whose members are being changed has a joint configuration, and tells the
  // change; nullopt: none had within `wait`.
  std::optional<MemberChange> AwaitJoint(std::chrono::milliseconds wait) const;

  // After Stop, with all servers running: makes every range have exactly `replicas` voters and
  // waits until no store holds any other replica. The text says what is not so; empty: all well.
  std::string Settle(std::chrono::seconds wait);

 private:
  void Work(int worker);
  std::optional<MemberChange> Choose(const admin::v1::RangeRoute& route,
                                     const std::vector<uint64_t>& stores, std::mt19937_64* random);
  absl::Status Do(client::Admin* admin, const MemberChange& change);
  std::string Unsettled(client::Admin* admin);

  const MemberChurnOptions options_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
  mutable std::mutex mutex_;  // Guards the rest.
  ChurnCounts counts_;
  std::map<int, MemberChange> current_;  // By worker.
};

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_MEMBER_CHURN_H_
