// The thread of store leases: nothing that clients do can hold it up.
//
// Every hundredth of a lease (at most 20 ms) it takes what its own queue has (lease streams, new
// peer streams, bootstrap calls), gives it to the lease side of the store, sends, and passes
// updates to the shard. It does not block in the queue: two threads that wait for the same sockets
// would hand each other every event. The lease side is guarded by one mutex that is shared with the
// log writer alone.

#ifndef RASPUTIN_SERVER_SHARD_LEASE_THREAD_H_
#define RASPUTIN_SERVER_SHARD_LEASE_THREAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "consensus/wire/frame.h"
#include "range/store.h"
#include "server/metrics/event_recorder.h"
#include "server/peer/outbound_stream.h"
#include "server/peer/peer_listener.h"
#include "server/rpc/event_queue.h"
#include "server/shard/greeting.h"
#include "server/shard/lease_rules.h"

namespace rasputin::server {

class LeaseThread final : public FrameSink {
 public:
  struct Ports {
    EventRecorder* recorder = nullptr;
    // Updates for the shard, in order.
    std::function<void(std::vector<consensus::lease::LeaseUpdate>)> updates;
    // The wall clock of a store, in microseconds, and when that arrived.
    std::function<void(consensus::StoreId, consensus::Instant, uint64_t)> peer_clock;
    // Something may have been appended to the log.
    std::function<void()> wake_log_writer;
    // Since when the shard has made no progress although it ought to, as of an instant [S-7]; must
    // not wait. May be empty.
    std::function<std::optional<consensus::Instant>(consensus::Instant)> shard_busy_since{};
    // Called once in every period, whether there is a store or not; must not wait. May be empty.
    std::function<void()> every_period{};
  };
  struct Peer {
    consensus::wire::Hello hello;
    std::string address;
  };

  // `rules`: as those of the store that is attached later.
  LeaseThread(Ports ports, const LeaseRules& rules);
  ~LeaseThread() override;  // Stop()s.

  // Starts the thread, which polls `queue`.
  void Start(EventQueue* queue);
  // Begins to drive the store's lease side, which it must not outlive. Any thread.
  void Attach(range::Store* store, const std::vector<Peer>& peers);
  // See range::Store::SetLeasePeers. Any thread.
  void SetLeasePeers(const std::vector<consensus::StoreId>& peers);
  // Opens a stream to a store, instead of the one there is, and listens to it. Any thread.
  void SetPeer(const Peer& peer);
  // Ends the stream to a store and listens to it no more. Any thread.
  void DropPeer(consensus::StoreId store);
  // See range::Store::LeaseWithdraw. nullopt: there is no store yet. Any thread.
  std::optional<range::Store::LeaseWithdrawal> Withdraw(consensus::StoreId dead);
  // The log writer's report; see range::Store::LeaseLogDurable. Any thread.
  void OnLogDurable(const consensus::DualInstant& started, consensus::log::Lsn durable);
  // Ends the thread; the store is not touched any more.
  void Stop();

  absl::Status OnFrame(uint64_t stream, bool first, const absl::Cord& frame) override;
  void OnEnd(uint64_t stream) override;

 private:
  // What waits to be sent to one store; the newest messages only.
  class Link final : public FrameSource {
   public:
    explicit Link(const consensus::wire::Hello& hello) : hello_(hello) {}
    void Send(const consensus::lease::LeaseMessage& message);
    absl::Cord NextFrame(bool first) override;
    void OnUp() override {}
    void OnDown(const std::string&) override { messages_.clear(); }

    std::unique_ptr<OutboundStream> stream;

   private:
    const consensus::wire::Hello hello_;
    std::deque<consensus::lease::LeaseMessage> messages_;
  };

  void Run();
  void ChangeLinks();
  void PollEvents();
  void DriveLeases();
  void TickLinks();
  absl::Status Greet(uint64_t stream, const consensus::wire::Hello& hello);
  bool Knows(consensus::StoreId store);

  const Ports ports_;
  const LeaseRules rules_;
  const consensus::Duration period_;
  EventQueue* queue_ = nullptr;

  std::mutex mutex_;  // Guards everything down to `stopping_`, and the store's lease side.
  std::condition_variable wake_;
  range::Store* store_ = nullptr;
  std::vector<Peer> new_peers_;
  std::vector<consensus::StoreId> dropped_peers_;
  std::set<consensus::StoreId> known_;  // Stores that may speak.
  bool output_pending_ = false;         // The log writer's report may have left something to take.
  bool stopping_ = false;

  // The thread's own.
  std::map<consensus::StoreId, std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> ending_;  // Until their streams have ended.
  GreetingCheck greetings_;
  std::map<uint64_t, consensus::StoreId> inbound_;
  // When a refusal for other rules was last logged; a refused store asks again and again.
  std::map<consensus::StoreId, consensus::Instant> refusals_logged_;
  consensus::Instant links_due_{};  // When a stream is to be opened.
  std::vector<consensus::lease::LeaseMessage> received_;
  std::thread thread_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_LEASE_THREAD_H_
