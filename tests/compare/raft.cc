// The group: nodes and their disks; see raft.h. The protocol is in raft_node.cc.

#include "tests/compare/raft.h"

#include <glog/logging.h>

#include "tests/compare/raft_node.h"

namespace rasputin::compare {

Raft::Raft(const RaftOptions& options, World* world, Watcher* watcher)
    : options_(options), world_(world), watcher_(watcher) {
  CHECK(!options.lease_reads || options.check_quorum) << "a lease that nobody respects";
  for (int i = 0; i < world->replicas(); ++i) disks_.push_back(std::make_unique<RaftDisk>());
  nodes_.resize(disks_.size());
}
Raft::~Raft() = default;

void Raft::Start(int replica) {
  const auto at = static_cast<size_t>(replica);
  nodes_[at] = std::make_unique<RaftNode>(
      options_, world_, watcher_, disks_[at].get(), replica, [this](const RaftMessage& message) {
        world_->Send(message.from, message.to,
                     [this, message] { node(message.to)->Step(message); });
      });
}

void Raft::Died(int replica) { nodes_[static_cast<size_t>(replica)].reset(); }
void Raft::Wake(int replica) { node(replica)->Wake(); }
bool Raft::TakesWrites(int replica) const {
  return node(replica)->role() == RaftNode::Role::kLeader;
}
bool Raft::HoldsLease(int replica) const { return node(replica)->HoldsLease(); }
bool Raft::Write(int replica, uint64_t value) { return node(replica)->Write(value); }
void Raft::Read(int replica, uint64_t read) { node(replica)->Read(read); }

void Raft::RaiseTerm(int replica, uint64_t by) {
  CHECK(node(replica) == nullptr);
  RaftDisk* disk = disks_[static_cast<size_t>(replica)].get();
  disk->term += by;
  disk->vote = kNobody;
}

std::string Raft::Describe(int replica) const {
  return node(replica) == nullptr ? "not running" : node(replica)->Describe();
}

}  // namespace rasputin::compare
