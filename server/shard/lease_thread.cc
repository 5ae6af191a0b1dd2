// The loop and its links; see the header.

#include "server/shard/lease_thread.h"

#include <glog/logging.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "server/clock/clock.h"

namespace rasputin::server {
namespace {

// A hundredth of a lease: what is lost of it by looking at intervals does not matter.
constexpr consensus::Duration kPeriodMax = std::chrono::milliseconds(20);
constexpr consensus::Duration kPeriodMin = std::chrono::milliseconds(1);
constexpr consensus::Duration kRefusalLogInterval = std::chrono::seconds(10);
constexpr int kEventsPerPeriod = 256;
constexpr size_t kMessagesQueuedMax = 64;
constexpr char kLeasesPath[] = "/rasputin.peer.v1.PeerService/Leases";

}  // namespace

namespace wire = consensus::wire;

void LeaseThread::Link::Send(const consensus::lease::LeaseMessage& message) {
  messages_.push_back(message);
  if (messages_.size() > kMessagesQueuedMax) messages_.pop_front();
}

absl::Cord LeaseThread::Link::NextFrame(bool first) {
  if (!first && messages_.empty()) return absl::Cord();
  wire::Hello hello = hello_;
  hello.wall_us = static_cast<uint64_t>(std::max<int64_t>(ReadClocks().wall_us, 0));
  absl::Cord frame = wire::EncodeLeaseHelloFrame(hello);
  if (messages_.empty()) return frame;
  const std::vector<consensus::lease::LeaseMessage> messages(messages_.begin(), messages_.end());
  messages_.clear();
  frame.Append(wire::EncodeLeaseFrame(messages));
  return frame;
}

LeaseThread::LeaseThread(Ports ports, const LeaseRules& rules)
    : ports_(std::move(ports)),
      rules_(rules),
      period_(std::min(kPeriodMax, std::max(kPeriodMin, rules.lease_duration / 100))) {}

LeaseThread::~LeaseThread() { Stop(); }

void LeaseThread::Start(EventQueue* queue) {
  queue_ = queue;
  thread_ = std::thread([this] { Run(); });
}

void LeaseThread::Attach(range::Store* store, const std::vector<Peer>& peers) {
  std::lock_guard<std::mutex> lock(mutex_);
  store_ = store;
  new_peers_ = peers;
  for (const Peer& peer : peers) known_.insert(peer.hello.to_store);
}

void LeaseThread::SetPeer(const Peer& peer) {
  std::lock_guard<std::mutex> lock(mutex_);
  known_.insert(peer.hello.to_store);
  new_peers_.push_back(peer);
}

void LeaseThread::DropPeer(consensus::StoreId store) {
  std::lock_guard<std::mutex> lock(mutex_);
  known_.erase(store);
  dropped_peers_.push_back(store);
}

void LeaseThread::SetLeasePeers(const std::vector<consensus::StoreId>& peers) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (store_ == nullptr) return;
  store_->SetLeasePeers(peers);
  output_pending_ = true;
}

std::optional<range::Store::LeaseWithdrawal> LeaseThread::Withdraw(consensus::StoreId dead) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (store_ == nullptr) return std::nullopt;
  output_pending_ = true;
  const range::Store::LeaseWithdrawal withdrawal = store_->LeaseWithdraw(ReadClocks(), dead);
  if (store_->log()->HasPending()) ports_.wake_log_writer();
  return withdrawal;
}

void LeaseThread::OnLogDurable(const consensus::DualInstant& started, consensus::log::Lsn durable) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (store_ == nullptr) return;
  store_->LeaseLogDurable(ReadClocks(), started, durable);
  output_pending_ = true;
}

void LeaseThread::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    store_ = nullptr;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void LeaseThread::Run() {
  pthread_setname_np(pthread_self(), "leases");
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait_for(lock, period_, [this] { return stopping_; });
      if (stopping_) return;
    }
    ChangeLinks();
    PollEvents();
    DriveLeases();
    if (ports_.every_period) ports_.every_period();
  }
}

void LeaseThread::ChangeLinks() {
  std::vector<Peer> peers;
  std::vector<consensus::StoreId> dropped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    peers.swap(new_peers_);
    dropped.swap(dropped_peers_);
    const auto returned = [this](consensus::StoreId store) { return known_.count(store) > 0; };
    dropped.erase(std::remove_if(dropped.begin(), dropped.end(), returned), dropped.end());
  }
  for (const Peer& peer : peers) dropped.push_back(peer.hello.to_store);
  for (const consensus::StoreId store : dropped) {
    const auto old = links_.find(store);
    if (old == links_.end()) continue;
    old->second->stream->Stop();
    ending_.push_back(std::move(old->second));
    links_.erase(old);
  }
  for (const Peer& peer : peers) {
    auto link = std::make_unique<Link>(peer.hello);
    link->stream = OutboundStream::Make(peer.address, kLeasesPath, queue_, link.get());
    links_[peer.hello.to_store] = std::move(link);
    links_due_ = consensus::Instant::min();
  }
}

void LeaseThread::PollEvents() {
  Event* event = nullptr;
  bool ok = false;
  for (int n = 0; n < kEventsPerPeriod; ++n) {
    if (queue_->Poll(consensus::Duration::zero(), &event, &ok) != EventQueue::Result::kEvent) break;
    event->OnEvent(ok);
    links_due_ = consensus::Instant::min();  // A stream may have ended.
  }
}

void LeaseThread::DriveLeases() {
  range::Store::LeaseOutput output;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (store_ == nullptr) return;
    const consensus::ClockReading now = ReadClocks();
    if (ports_.shard_busy_since) {
      store_->SetLeaseShardBusySince(ports_.shard_busy_since(now.boot));
    }
    if (received_.empty() && !output_pending_ && now.boot < store_->NextLeaseDeadline() &&
        now.boot < links_due_) {
      return;
    }
    output_pending_ = false;
    for (const consensus::lease::LeaseMessage& message : received_) store_->LeaseStep(now, message);
    received_.clear();
    store_->LeaseTick(now);
    output = store_->TakeLeaseOutput();
    if (store_->log()->HasPending()) ports_.wake_log_writer();
  }
  for (const consensus::lease::LeaseMessage& message : output.send) {
    const auto link = links_.find(message.to);
    if (link != links_.end()) link->second->Send(message);
  }
  TickLinks();
  for (const consensus::Event& event : output.events) ports_.recorder->Record(event);
  if (!output.updates.empty()) ports_.updates(std::move(output.updates));
}

void LeaseThread::TickLinks() {
  const consensus::Instant now = Now();
  links_due_ = consensus::Instant::max();
  ending_.erase(std::remove_if(ending_.begin(), ending_.end(),
                               [](const auto& link) { return link->stream->Ended(); }),
                ending_.end());
  for (const auto& [store, link] : links_) {
    link->stream->Tick(now);
    link->stream->Wake();
    links_due_ = std::min(links_due_, link->stream->NextDeadline());
  }
}

absl::Status LeaseThread::Greet(uint64_t stream, const wire::Hello& hello) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (store_ == nullptr) {
      return absl::FailedPreconditionError("this node does not belong to a cluster yet");
    }
    const absl::Status status =
        greetings_.Check(store_->manifest(), known_.count(hello.store) > 0, hello, Now());
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckLeaseRules(hello.to_store, rules_, hello); !status.ok()) {
    const auto [logged, first] = refusals_logged_.try_emplace(hello.store, Now());
    if (first || Now() - logged->second >= kRefusalLogInterval) {
      logged->second = Now();
      LOG(ERROR) << status.message();
    }
    return status;
  }
  inbound_[stream] = hello.store;
  const auto link = links_.find(hello.store);
  if (link != links_.end()) link->second->stream->RetrySoon();
  return absl::OkStatus();
}

absl::Status LeaseThread::OnFrame(uint64_t stream, bool first, const absl::Cord& frame) {
  absl::StatusOr<wire::LeaseFrame> decoded = wire::DecodeLeaseFrame(frame);
  if (!decoded.ok()) return decoded.status();
  if (first) {
    if (!decoded->hello.has_value()) return absl::InvalidArgumentError("no greeting");
    if (absl::Status status = Greet(stream, *decoded->hello); !status.ok()) return status;
  }
  const consensus::StoreId from = inbound_.at(stream);
  if (!Knows(from)) {
    return absl::FailedPreconditionError("the store was taken off the list of stores");
  }
  // Before the messages: a store leads by the support of others, and by then knows their clocks.
  if (decoded->hello.has_value()) ports_.peer_clock(from, Now(), decoded->hello->wall_us);
  for (const consensus::lease::LeaseMessage& message : decoded->messages) {
    if (message.from == from) received_.push_back(message);
  }
  return absl::OkStatus();
}

bool LeaseThread::Knows(consensus::StoreId store) {
  std::lock_guard<std::mutex> lock(mutex_);
  return known_.count(store) > 0;
}

void LeaseThread::OnEnd(uint64_t stream) { inbound_.erase(stream); }

}  // namespace rasputin::server
