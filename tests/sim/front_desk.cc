// Calls, forwarding and broken connections of a simulated front end; see front_desk.h.

#include "tests/sim/front_desk.h"

#include <glog/logging.h>

#include <algorithm>

#include "client/route/retry_policy.h"

namespace rasputin::sim {

struct FrontDesk::Completion final : server::CallCompletion {
  FrontAnswer answer;
  Answered answered;

  bool Page(absl::Cord response) override {
    answer.pages.push_back(std::move(response));
    return true;
  }
  void Done(server::CallResult result) override {
    answer.result = std::move(result);
    Answered once = std::move(answered);
    answered = nullptr;
    once(std::move(answer));
  }
};

FrontDesk::FrontDesk(range::Store* store, const server::FrontOptions& options, Hooks hooks)
    : hooks_(std::move(hooks)),
      store_port_(store),
      front_(options,
             {&store_port_, static_cast<server::PeerPort*>(this),
              static_cast<server::StoresPort*>(this), static_cast<server::DecisionsPort*>(this)}) {}

FrontDesk::~FrontDesk() = default;

void FrontDesk::Call(server::Method method, absl::Cord request, consensus::Instant deadline,
                     Answered answered) {
  new_calls_.push_back({method, std::move(request), deadline, std::move(answered)});
}

void FrontDesk::OnForward(int from, server::ForwardRequest request) {
  requests_.emplace_back(from, std::move(request));
}

void FrontDesk::OnForwardReply(int from, server::ForwardReply reply) {
  replies_.emplace_back(from, std::move(reply));
}

bool FrontDesk::CheckConnection(int peer) {
  bool broken = false;
  for (auto& [id, seen] : unanswered_[peer]) broken = ++seen > 1 || broken;
  if (broken) broken_.insert(peer);
  return broken;
}

void FrontDesk::TakeInputs(const consensus::ClockReading& now) {
  front_.BeginTurn();
  for (const int peer : broken_) {
    unanswered_.erase(peer);
    front_.OnPeerBroken(now, range::StoreId(static_cast<uint64_t>(peer) + 1));
  }
  broken_.clear();
  for (auto& [from, reply] : replies_) {
    unanswered_[from].erase(reply.id);
    front_.OnForwardReply(now, range::StoreId(static_cast<uint64_t>(from) + 1), std::move(reply));
  }
  replies_.clear();
  for (auto& [from, request] : requests_) {
    front_.OnForward(now, range::StoreId(static_cast<uint64_t>(from) + 1), std::move(request));
  }
  requests_.clear();
  for (NewCall& call : new_calls_) {
    auto completion = std::make_unique<Completion>();
    completion->answered = std::move(call.answered);
    server::ClientCall client_call;
    client_call.method = call.method;
    client_call.request = std::move(call.request);
    client_call.deadline = call.deadline;
    client_call.completion = completion.get();
    completions_.push_back(std::move(completion));
    front_.Start(now, std::move(client_call));
  }
  new_calls_.clear();
}

void FrontDesk::Run(const consensus::ClockReading& now) {
  front_.Run(now);
  completions_.erase(
      std::remove_if(completions_.begin(), completions_.end(),
                     [](const auto& completion) { return completion->answered == nullptr; }),
      completions_.end());
}

bool FrontDesk::Forward(range::StoreId to, server::ForwardRequest request) {
  CHECK_LE(request.hops, client::kHopsMax) << "[H-16] a request is relayed in a circle";
  const int peer = static_cast<int>(to.value()) - 1;
  unanswered_[peer].emplace(request.id, 0);
  hooks_.forward(peer, std::move(request));
  hooks_.watch(peer);
  return true;
}

void FrontDesk::OnStores(const std::vector<type::v1::StoreDescriptor>& stores,
                         const range::RangeDescriptor& meta_range) {
  storage::v1::StoreBook book;
  *book.mutable_stores() = {stores.begin(), stores.end()};
  *book.mutable_meta_range() = meta_range;
  hooks_.listed(std::move(book));
}

void FrontDesk::Reply(range::StoreId to, server::ForwardReply reply) {
  hooks_.reply(static_cast<int>(to.value()) - 1, std::move(reply));
}

}  // namespace rasputin::sim
