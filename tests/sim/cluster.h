// A simulated cluster: machines, the network between them and their clients, and the checkers.
//
// Builds everything from options and a seed; leaves faults to nemesis.h and load to workload.h. Not
// thread-safe.

#ifndef RASPUTIN_TESTS_SIM_CLUSTER_H_
#define RASPUTIN_TESTS_SIM_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/checkers.h"
#include "tests/sim/coverage.h"
#include "tests/sim/network.h"
#include "tests/sim/node.h"
#include "tests/sim/random.h"
#include "tests/sim/scheduler.h"

namespace rasputin::sim {

struct ClusterOptions {
  uint64_t seed = 1;
  int stores = 3;
  int spares = 0;        // Of these stores, those that hold nothing at first: the last ones.
  int replacements = 0;  // Stores that may come later (AddStore), at most.
  int replicas = 3;      // Of the data range; the meta range has one on each store but the spares.
  int clients = 4;       // Endpoints of the network behind the stores.
  range::StoreOptions store;
  std::vector<ClockErrors> clocks;  // By node; missing ones are exact.
  MachineSpeed speed;
  LinkBehaviour link;
  bool encode = false;                 // Messages travel encoded, as between real stores.
  bool split_frames = false;           // Each message of a turn travels by itself.
  bool front_ends = false;             // Each process has one.
  server::AutopilotOptions autopilot;  // Of the front ends.
  server::FairOptions fair;            // Of the front ends.
  bool placement = false;              // Front ends move replicas and leaderships by themselves.
  range::PlacementRules placement_rules;
  consensus::Duration stores_period{};  // See server::FrontOptions.
  uint64_t zones = 0;                   // Named by the stores' labels, in turn; 0: no labels.
  bool trace = false;
};

class Cluster : private NodeListener, private StoreView {
 public:
  explicit Cluster(const ClusterOptions& options);
  ~Cluster() override;

  // Boots all machines. Runs nothing yet.
  void Start();

  Scheduler& scheduler() { return scheduler_; }
  Network& network() { return network_; }
  Checkers& checkers() { return checkers_; }
  const Checkers& checkers() const { return checkers_; }
  Coverage& coverage() { return coverage_; }
  Node& node(int number) { return *nodes_[static_cast<size_t>(number)]; }
  // All that there ever were.
  int stores() const { return static_cast<int>(nodes_.size()); }
  int ClientEndpoint(int client) const { return options_.stores + options_.replacements + client; }
  // A store that joins, with empty disks, on the machine of store `machine`; `id` is above all so
  // far. False: there is no room.
  bool AddStore(uint64_t id, int machine);
  const ClusterOptions& options() const { return options_; }
  const std::vector<range::RangeDescriptor>& first_ranges() const { return first_ranges_; }

  void RunFor(RealTime length) { scheduler_.RunUntil(scheduler_.now() + length); }

  // The store that serves `range` at this instant; -1: none.
  int ServingNode(range::RangeId range);
  // The store whose replica says it leads, with or without a lease; -1: none.
  int LeadingNode(range::RangeId range);
  // Of all stores, the highest generation of each range that a live store knows.
  std::map<range::RangeId, range::RangeDescriptor> KnownRanges();

  // Called for each descriptor that a store's observer reports.
  using DescriptorListener =
      std::function<void(int node, const range::RangeDescriptor&, bool leads)>;
  void AddDescriptorListener(DescriptorListener listener) {
    descriptor_listeners_.push_back(std::move(listener));
  }
  // Called for each event of a store, within its turn.
  using EventListener = std::function<void(int node, const consensus::Event&)>;
  void set_event_listener(EventListener listener) { event_listener_ = std::move(listener); }
  // A store whose process ends for a fault that was made is started again after this long. Any
  // other end of a process by itself, or 0: it is a violation.
  void set_restart_after_failure(RealTime delay) { restart_after_failure_ = delay; }
  uint64_t process_failures() const { return process_failures_; }
  // Called instead of a restart when a process ended because it met damage that was made.
  using DataLossListener = std::function<void(int node)>;
  void set_data_loss_listener(DataLossListener listener) {
    data_loss_listener_ = std::move(listener);
  }
  // Called before each start of a process.
  void set_start_listener(std::function<void(int node)> listener) {
    start_listener_ = std::move(listener);
  }

 private:
  void SendGroupMessages(int from, int to, std::vector<consensus::Message> messages) override;
  void SendLeaseMessage(int from, int to, const consensus::lease::LeaseMessage& message) override;
  void SendForward(int from, int to, server::ForwardRequest request) override;
  void SendForwardReply(int from, int to, server::ForwardReply reply) override;
  void OnEvent(int node, const consensus::Event& event) override;
  void OnDescriptor(int node, const range::RangeDescriptor& descriptor, bool leads) override;
  void OnApplied(int node, range::RangeId range, consensus::Index index, consensus::Term term,
                 const absl::Cord& command) override;
  void OnInstalled(int node, range::RangeId range, consensus::LogPosition position) override;
  void OnRemoved(int node, range::RangeId range) override;
  void OnDecision(int node, const type::v1::Decision& decision) override;
  void OnBackPressure(uint64_t refused, bool held_back) override;
  void OnProcessFailed(int node, const absl::Status& status, bool made) override;
  void OnProcessStarted(int node) override;
  void OnProcessEnded(int node) override;

  int StoreCount() const override { return stores(); }
  range::Store* StoreAt(int node) override { return nodes_[static_cast<size_t>(node)]->store(); }
  std::vector<range::ReplicaStatus> ReplicasAt(int node) const override {
    return nodes_[static_cast<size_t>(node)]->ListReplicas();
  }

  storage::v1::BootstrapRecord MakeBootstrapRecord();
  void AddNode(const ClockErrors& clock);
  void SendFrame(int from, int to, std::vector<consensus::Message> messages);
  void SampleRegularly();

  ClusterOptions options_;
  Random random_;
  Scheduler scheduler_;
  Network network_;
  Checkers checkers_;
  Coverage coverage_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<range::RangeDescriptor> first_ranges_;
  std::vector<DescriptorListener> descriptor_listeners_;
  EventListener event_listener_;
  RealTime restart_after_failure_ = 0;
  uint64_t process_failures_ = 0;
  DataLossListener data_loss_listener_;
  std::function<void(int node)> start_listener_;
  uint64_t samples_ = 0;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_CLUSTER_H_
