// A shard: the store's replicas, the front end before them and the links to other stores, entered
// by one thread at a time.
//
// The thread that is inside feeds inputs and runs a turn; whoever finds the shard occupied leaves
// work in the inbox, which the one inside takes before it leaves (turnstile.h). "Inside only"
// methods are called by the thread that entered; the others by any. Not responsible for threads,
// nor for store leases (lease_thread.h). Without a store (not initialised) only posted functions
// are run.

#ifndef RASPUTIN_SERVER_SHARD_SHARD_H_
#define RASPUTIN_SERVER_SHARD_SHARD_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "consensus/lease/store_leases.h"
#include "consensus/log/shared_log.h"
#include "range/ports.h"
#include "range/store.h"
#include "server/front/front_end.h"
#include "server/front/ports.h"
#include "server/front/range_store_port.h"
#include "server/metrics/event_recorder.h"
#include "server/metrics/front_metrics.h"
#include "server/metrics/metrics.h"
#include "server/peer/peer_listener.h"
#include "server/rpc/event_queue.h"
#include "server/rpc/server_call.h"
#include "server/shard/greeting.h"
#include "server/shard/replicate_link.h"
#include "server/shard/turnstile.h"

namespace rasputin::server {

class Shard final : public range::Transport,
                    public range::Observer,
                    public range::Clock,
                    public PeerPort,
                    public StoresPort,
                    public DecisionsPort,
                    public FrameSink {
 public:
  // Reports an error that must end the process [H-18].
  using Fatal = std::function<void(const absl::Status&)>;

  Shard(MetricsRegistry* registry, EventRecorder* recorder, Fatal fatal);
  ~Shard() override;

  // ---- Any thread.
  // Enters, runs `feed` and a turn, leaves. Waits for whoever is inside.
  void Run(const std::function<void()>& feed);
  // The same, if nobody is inside within `wait`; otherwise false, and nothing was done.
  bool RunWithin(consensus::Duration wait, const std::function<void()>& feed);
  // Runs a turn for what was posted, unless somebody is inside, who then does. True: it ran here.
  bool RunIfFree();
  // Everything up to `durable` is synced. Followed by RunIfFree or a wake-up of the executor.
  void PostDurable(consensus::log::Lsn durable);
  // The wall clock of a store, in microseconds, and when that arrived; taken by the next turn.
  void PostPeerClock(StoreId peer, consensus::Instant received, uint64_t wall_us);
  void PostLeaseUpdates(std::vector<consensus::lease::LeaseUpdate> updates);
  // When the executor must run a turn at the latest; Instant::min(): at once.
  consensus::Instant due() const { return consensus::Instant(consensus::Duration(due_ns_.load())); }

  // Since when the thread inside has been in its present turn, or in what feeds it; nullopt: nobody
  // is inside. Any thread, waits for nobody: a turn may hang [S-7].
  std::optional<consensus::Instant> BusySince() const;

  // What the shard tells its node; all are called inside.
  struct Hooks {
    std::function<void()> wake_log_writer;  // Something was appended.
    // Store leases are to be with other stores than before.
    std::function<void(const std::vector<StoreId>& peers)> lease_peers;
    // See StoresPort.
    std::function<void(const std::vector<type::v1::StoreDescriptor>& stores,
                       const range::RangeDescriptor& meta_range)>
        stores;
    // A known store, or one that shares a range with this one, opened a stream, and says that it
    // is reached at this address.
    std::function<void(StoreId store, const std::string& peer_address)> greeted;
  };

  // ---- Inside only.
  // Begins to serve. `links` are to the other stores that are known.
  void Attach(std::unique_ptr<range::Store> store, const FrontOptions& front_options,
              std::map<StoreId, std::unique_ptr<ReplicateLink>> links, Hooks hooks);
  // Opens a link to a store, instead of the one there is, and listens to it.
  void SetLink(StoreId store, std::unique_ptr<ReplicateLink> link);
  // Ends the link to a store and listens to it no more.
  void DropLink(StoreId store);
  bool attached() const { return store_ != nullptr; }
  range::Store* store() { return store_.get(); }
  FrontEnd* front() { return front_.get(); }
  // The front end starts it in the next turn, after the messages of peers.
  void StartCall(ServerCall* call, Method method);
  void ResumeCall(ServerCall* call);
  void CancelCall(ServerCall* call);
  // A link's stream ended; see FrontEnd::OnPeerBroken.
  void OnPeerBroken(StoreId peer, const std::vector<uint64_t>& not_sent);
  // Hands all leaderships over; see leads_any().
  void BeginShutdown();
  // Closes store and front end; calls that wait are dropped.
  void Detach();
  // As of the last turn; any thread.
  bool leads_any() const { return leads_any_.load(); }

  // ---- Ports of the store and the front end.
  void Send(StoreId to, std::vector<consensus::Message> messages) override;
  void OnEvent(const consensus::Event& event) override { recorder_->Record(event); }
  void OnDescriptor(const range::RangeDescriptor& descriptor, bool leads) override;
  void OnLeader(RangeId range, StoreId leader) override;
  void OnRemoved(RangeId range) override;
  void OnInstalled(RangeId range, consensus::LogPosition position) override;
  ClockReading Now() override;
  bool Forward(StoreId to, ForwardRequest request) override;
  void Reply(StoreId to, ForwardReply reply) override;
  void OnDecision(const type::v1::Decision& decision) override;
  void OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                const range::RangeDescriptor& meta_range) override;
  absl::Status OnFrame(uint64_t stream, bool first, const absl::Cord& frame) override;
  void OnEnd(uint64_t stream) override;

 private:
  static constexpr uint64_t kNoCall = ~uint64_t{0};

  void Turn();
  void NoteBegin();
  void RunTurnsAndLeave();
  void DrainInbox(const ClockReading& now);
  void StartCalls(const ClockReading& now);
  absl::Status Greet(uint64_t stream, const consensus::wire::Hello& hello);
  consensus::Instant NextDeadline() const;
  // Null: no such store is known; the list of stores is then looked at.
  ReplicateLink* LinkTo(StoreId store);

  EventRecorder* const recorder_;
  const Fatal fatal_;
  Histogram* const turn_seconds_;
  Counter* const turns_;
  Counter* const snapshots_;
  MetricsRegistry* const registry_;
  FrontMetrics front_metrics_;

  Turnstile turnstile_;
  std::atomic<int64_t> due_ns_{0};
  std::atomic<int64_t> turn_began_ns_{0};  // 0: nobody is inside.
  std::atomic<bool> leads_any_{false};

  struct PeerClock {
    consensus::Instant received;
    uint64_t wall_us = 0;
  };

  std::mutex inbox_mutex_;  // Guards the next three.
  std::map<StoreId, PeerClock> peer_clocks_;
  consensus::log::Lsn durable_;
  std::vector<consensus::lease::LeaseUpdate> lease_updates_;

  // From here on: inside only.
  consensus::Duration turn_cpu_began_{};  // Of the thread inside, when its turn began.
  bool shutting_down_ = false;
  std::unique_ptr<range::Store> store_;
  std::unique_ptr<RangeStorePort> store_port_;
  std::unique_ptr<FrontEnd> front_;
  Hooks hooks_;
  std::map<StoreId, std::unique_ptr<ReplicateLink>> links_;
  std::vector<std::unique_ptr<ReplicateLink>> ending_links_;  // Until their streams have ended.
  bool look_for_stores_ = false;
  GreetingCheck greetings_;
  std::map<uint64_t, StoreId> inbound_;         // Stream to the store that speaks.
  std::map<StoreId, uint64_t> newest_inbound_;  // Store to its newest stream.
  std::vector<consensus::Message> messages_;
  std::vector<std::pair<ServerCall*, Method>> calls_;
  // What the store reported while it was opened, before there was a front end.
  std::vector<range::RangeDescriptor> early_descriptors_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_SHARD_H_
