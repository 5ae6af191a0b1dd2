// Wiring of machines, network and checkers; see cluster.h.

#include "tests/sim/cluster.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "consensus/wire/frame.h"

namespace rasputin::sim {
namespace {

namespace wire = consensus::wire;
using range::RangeDescriptor;
using range::RangeId;

// How often all stores are looked at.
constexpr RealTime kSampleInterval = 25 * kMillisecond;
constexpr uint64_t kSamplesPerLogSample = 40;

}  // namespace

Cluster::Cluster(const ClusterOptions& options)
    : options_(options),
      random_(options.seed),
      network_(&scheduler_, random_.Fork(1),
               options.stores + options.replacements + options.clients),
      checkers_(&scheduler_, this),
      coverage_(&scheduler_, this) {
  scheduler_.set_trace(options.trace);
  coverage_.set_placement(options.placement);
  network_.SetBehaviour(options.link);
  for (int number = 0; number < options_.stores; ++number) {
    const bool known = static_cast<size_t>(number) < options_.clocks.size();
    AddNode(known ? options_.clocks[static_cast<size_t>(number)] : ClockErrors());
  }
}

void Cluster::AddNode(const ClockErrors& clock) {
  NodeOptions node;
  node.number = stores();
  node.store = options_.store;
  node.speed = options_.speed;
  node.front_end = options_.front_ends;
  node.front.autopilot = options_.autopilot;
  node.front.fair = options_.fair;
  node.front.placement = options_.placement;
  node.front.placement_rules = options_.placement_rules;
  node.front.stores_period = options_.stores_period;
  node.clock = clock;
  node.before_start = [this](int number) {
    if (start_listener_ != nullptr) start_listener_(number);
  };
  const auto tag = 100 + static_cast<uint64_t>(node.number);
  nodes_.push_back(std::make_unique<Node>(node, &scheduler_, random_.Fork(tag),
                                          static_cast<NodeListener*>(this)));
}

bool Cluster::AddStore(uint64_t id, int machine) {
  if (id > static_cast<uint64_t>(options_.stores + options_.replacements)) return false;
  CHECK_GT(id, nodes_.size());
  // Ids that were given and are not used.
  while (nodes_.size() + 1 < id) {
    AddNode(ClockErrors());
    nodes_.back()->Retire();
  }
  AddNode(ClockErrors());
  Node& added = *nodes_.back();
  *added.clock() = *node(machine).clock();
  storage::v1::StoreManifest manifest;
  *manifest.mutable_bootstrap() = MakeBootstrapRecord();
  manifest.set_cluster_id(manifest.bootstrap().cluster_id());
  manifest.set_store_id(id);
  manifest.set_joined(true);
  const absl::Status status = added.Bootstrap(manifest);
  CHECK(status.ok()) << status.ToString();
  added.Start();
  return true;
}

Cluster::~Cluster() = default;

storage::v1::BootstrapRecord Cluster::MakeBootstrapRecord() {
  storage::v1::BootstrapRecord record;
  record.set_cluster_id(7);
  for (int number = 0; number < options_.stores; ++number) {
    type::v1::StoreDescriptor* store = record.add_stores();
    store->set_store_id(static_cast<uint64_t>(number) + 1);
    if (options_.zones == 0) continue;
    (*store->mutable_locality())["zone"] =
        absl::StrCat("z", static_cast<uint64_t>(number) % options_.zones);
  }
  const auto add_range = [&](uint64_t id, uint64_t collection, const std::string& end,
                             int replicas) {
    RangeDescriptor* descriptor = record.add_ranges();
    descriptor->set_range_id(id);
    descriptor->set_generation(1);
    descriptor->set_collection_id(collection);
    descriptor->set_start_key(client::KeyPrefix(collection));
    descriptor->set_end_key(end);
    for (int number = 0; number < replicas; ++number) {
      type::v1::ReplicaDescriptor* replica = descriptor->add_replicas();
      replica->set_replica_id(static_cast<uint64_t>(number) + 1);
      replica->set_store_id(static_cast<uint64_t>(number) + 1);
    }
    descriptor->set_next_replica_id(static_cast<uint64_t>(replicas) + 1);
  };
  add_range(client::kMetaRangeId, client::kMetaCollectionId,
            client::KeyPrefix(client::kDefaultCollectionId), options_.stores - options_.spares);
  add_range(client::kMetaRangeId + 1, client::kDefaultCollectionId, "", options_.replicas);
  type::v1::Collection* collection = record.add_collections();
  collection->set_id(client::kDefaultCollectionId);
  collection->set_name("default");
  collection->set_type(type::v1::COLLECTION_TYPE_KV);
  collection->set_ready(true);
  return record;
}

void Cluster::Start() {
  const storage::v1::BootstrapRecord record = MakeBootstrapRecord();
  first_ranges_.assign(record.ranges().begin(), record.ranges().end());
  for (const RangeDescriptor& range : first_ranges_) checkers_.OnDescriptor(0, range);
  for (auto& node : nodes_) {
    storage::v1::StoreManifest manifest;
    manifest.set_format(1);
    manifest.set_cluster_id(record.cluster_id());
    manifest.set_store_id(static_cast<uint64_t>(node->number()) + 1);
    *manifest.mutable_bootstrap() = record;
    const absl::Status status = node->Bootstrap(manifest);
    CHECK(status.ok()) << status.ToString();
    node->Start();
  }
  SampleRegularly();
}

void Cluster::SampleRegularly() {
  checkers_.Sample();
  if (++samples_ % kSamplesPerLogSample == 0) checkers_.SampleLogs();
  scheduler_.After(kSampleInterval, "sample", 0, [this] { SampleRegularly(); });
}

int Cluster::ServingNode(RangeId range) {
  for (int number = 0; number < stores(); ++number) {
    for (const range::ReplicaStatus& replica : node(number).ListReplicas()) {
      if (RangeId(replica.descriptor.range_id()) == range && replica.serving) return number;
    }
  }
  return -1;
}

int Cluster::LeadingNode(RangeId range) {
  int leader = -1;
  consensus::Term term;
  for (int number = 0; number < stores(); ++number) {
    for (const range::ReplicaStatus& replica : node(number).ListReplicas()) {
      if (RangeId(replica.descriptor.range_id()) != range) continue;
      if (replica.role != consensus::Role::kLeader || replica.term < term) continue;
      leader = number;
      term = replica.term;
    }
  }
  return leader;
}

std::map<RangeId, RangeDescriptor> Cluster::KnownRanges() {
  std::map<RangeId, RangeDescriptor> known;
  for (int number = 0; number < stores(); ++number) {
    for (range::ReplicaStatus& replica : node(number).ListReplicas()) {
      RangeDescriptor& best = known[RangeId(replica.descriptor.range_id())];
      if (best.generation() < replica.descriptor.generation()) best = std::move(replica.descriptor);
    }
  }
  return known;
}

void Cluster::SendGroupMessages(int from, int to, std::vector<consensus::Message> messages) {
  scheduler_.Hash(static_cast<uint64_t>(from * 16 + to) << 32 ^ messages.size());
  for (const consensus::Message& message : messages) coverage_.OnMessage(from, to, message);
  if (!options_.split_frames) {
    SendFrame(from, to, std::move(messages));
    return;
  }
  for (consensus::Message& message : messages) SendFrame(from, to, {std::move(message)});
}

void Cluster::SendFrame(int from, int to, std::vector<consensus::Message> messages) {
  if (options_.encode) {
    network_.Send(from, to, "group", true, [this, to, bytes = wire::EncodeFrame(messages)] {
      absl::StatusOr<wire::Frame> frame = wire::DecodeFrame(bytes);
      CHECK(frame.ok()) << frame.status().ToString();
      node(to).DeliverGroupMessages(std::move(frame->messages));
    });
    return;
  }
  network_.Send(from, to, "group", true, [this, to, messages = std::move(messages)] {
    node(to).DeliverGroupMessages(messages);
  });
}

void Cluster::SendLeaseMessage(int from, int to, const consensus::lease::LeaseMessage& message) {
  if (options_.encode) {
    network_.Send(from, to, "support", true, [this, to, bytes = wire::EncodeLeaseFrame({message})] {
      absl::StatusOr<wire::LeaseFrame> frame = wire::DecodeLeaseFrame(bytes);
      CHECK(frame.ok()) << frame.status().ToString();
      for (const auto& decoded : frame->messages) node(to).DeliverLeaseMessage(decoded);
    });
    return;
  }
  network_.Send(from, to, "support", true,
                [this, to, message] { node(to).DeliverLeaseMessage(message); });
}

void Cluster::OnEvent(int node, const consensus::Event& event) {
  checkers_.OnEvent(node, event);
  coverage_.OnEvent(node, event);
  if (event_listener_ != nullptr) event_listener_(node, event);
}

void Cluster::OnDescriptor(int node, const RangeDescriptor& descriptor, bool leads) {
  checkers_.OnDescriptor(node, descriptor);
  coverage_.OnDescriptor(node, descriptor);
  for (const DescriptorListener& listener : descriptor_listeners_) {
    listener(node, descriptor, leads);
  }
}

void Cluster::OnApplied(int node, RangeId range, consensus::Index index, consensus::Term term,
                        const absl::Cord& command) {
  checkers_.OnApplied(node, range, index, term, command);
  coverage_.OnApplied(node, range, index, term, command);
}

void Cluster::OnInstalled(int node, RangeId range, consensus::LogPosition position) {
  coverage_.OnInstalled(node, range, position);
}

void Cluster::OnDecision(int node, const type::v1::Decision& decision) {
  if (scheduler_.trace()) {
    scheduler_.Note(absl::StrCat("store ", node + 1, " decided: range ", decision.range_id(), ", ",
                                 type::v1::DecisionOutcome_Name(decision.outcome()), ": ",
                                 decision.reason()));
  }
  coverage_.OnDecision(decision);
}

void Cluster::OnRemoved(int node, RangeId range) { coverage_.OnRemoved(node, range); }

void Cluster::OnBackPressure(uint64_t refused, bool held_back) {
  coverage_.OnBackPressure(refused, held_back);
}

void Cluster::OnProcessStarted(int node) {
  checkers_.OnStart(node);
  coverage_.OnProcessStarted(node);
}

void Cluster::OnProcessEnded(int ended) {
  coverage_.OnProcessEnded(ended);
  for (int other = 0; other < stores(); ++other) {
    if (other == ended) continue;
    network_.Send(ended, other, "broken", false,
                  [this, other, ended] { node(other).BreakConnection(ended); });
  }
}

// To whatever process the store has when it arrives, as in the server, where frames wait for the
// next stream: a process must know answers to its predecessor's requests from its own.
void Cluster::SendForward(int from, int to, server::ForwardRequest request) {
  coverage_.OnForward(request.hops);
  network_.Send(from, to, "forward", false, [this, from, to, request = std::move(request)] {
    node(to).DeliverForward(from, request);
  });
}

void Cluster::SendForwardReply(int from, int to, server::ForwardReply reply) {
  network_.Send(from, to, "forward reply", false, [this, from, to, reply = std::move(reply)] {
    node(to).DeliverForwardReply(from, reply);
  });
}

void Cluster::OnProcessFailed(int number, const absl::Status& status, bool made) {
  ++process_failures_;
  scheduler_.Note("store " + std::to_string(number + 1) + " failed: " + status.ToString());
  const bool damaged = made && absl::IsDataLoss(status) && node(number).Damaged();
  if (damaged && data_loss_listener_ != nullptr) return data_loss_listener_(number);
  if (restart_after_failure_ == 0 || !made) {
    checkers_.Report("Process",
                     "store " + std::to_string(number + 1) + " failed: " + status.ToString());
    return;
  }
  scheduler_.After(restart_after_failure_, "restart", static_cast<uint64_t>(number),
                   [this, number] {
                     if (!node(number).alive()) node(number).Start();
                   });
}

}  // namespace rasputin::sim
