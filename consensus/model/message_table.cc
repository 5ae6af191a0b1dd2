// Encoding and facts of messages; see message_table.h.

#include "consensus/model/message_table.h"

#include <glog/logging.h>

#include <utility>
#include <variant>

namespace rasputin::consensus::model {
namespace {

using Kind = MessageFacts::Kind;

struct EncodeBody {
  StateBytes* out;

  void operator()(const ProbeRequest& b) const {
    out->Number(b.attempt);
    out->Position(b.last);
  }
  void operator()(const ProbeReply& b) const {
    out->Number(b.attempt);
    out->Number(static_cast<uint64_t>(b.status));
    out->Number(b.term.value());
    out->Position(b.last);
    out->Number(b.nonce.value());
    out->Replica(b.bound_to);
  }
  void operator()(const VoteRequest& b) const {
    out->Position(b.last);
    out->Number(b.nonce.value());
    out->Number(b.released_term.value());
  }
  void operator()(const VoteReply& b) const { out->Number(b.granted ? 1 : 0); }
  void operator()(const AppendRequest& b) const {
    out->Position(b.previous);
    out->Entries(b.entries);
    out->Number(b.commit.value());
    out->Number(b.epoch.value());
    out->Number(b.read_context);
  }
  void operator()(const AppendReply& b) const {
    out->Number(b.accepted ? 1 : 0);
    out->Number(b.match.value());
    out->Position(b.conflict_hint);
    out->Number(b.bound_epoch.value());
    out->Number(b.read_context);
  }
  void operator()(const PullRequest& b) const {
    out->Number(b.attempt);
    out->Position(b.after);
  }
  void operator()(const PullReply& b) const {
    out->Number(b.attempt);
    out->Position(b.previous);
    out->Number(b.matched ? 1 : 0);
    out->Entries(b.entries);
    out->Position(b.donor_last);
  }
  void operator()(const Release& b) const {
    out->Number(b.released_term.value());
    out->Replica(b.target);
  }
  void operator()(const ReleaseAck& b) const { out->Number(b.released_term.value()); }
  void operator()(const ReleaseQuery& b) const { out->Number(b.bound_term.value()); }
  template <typename Other>
  void operator()(const Other& /*b*/) const {
    LOG(FATAL) << "a message that the model does not know";
  }
};

MessageFacts FactsOf(const Message& message) {
  MessageFacts facts;
  facts.from = static_cast<uint8_t>(message.from.value() - 1);
  facts.to = static_cast<uint8_t>(message.to.value() - 1);
  facts.term = message.term.value();
  if (const auto* b = std::get_if<ProbeRequest>(&message.body)) {
    facts.kind = Kind::kProbeRequest;
    facts.attempt = b->attempt;
  } else if (const auto* b = std::get_if<ProbeReply>(&message.body)) {
    facts.kind = Kind::kProbeReply;
    facts.attempt = b->attempt;
  } else if (std::holds_alternative<VoteRequest>(message.body)) {
    facts.kind = Kind::kVoteRequest;
  } else if (const auto* b = std::get_if<VoteReply>(&message.body)) {
    facts.kind = Kind::kVoteReply;
    facts.positive = b->granted;
  } else if (std::holds_alternative<AppendRequest>(message.body)) {
    facts.kind = Kind::kAppendRequest;
  } else if (std::holds_alternative<AppendReply>(message.body)) {
    facts.kind = Kind::kAppendReply;
  } else if (const auto* b = std::get_if<PullRequest>(&message.body)) {
    facts.kind = Kind::kPullRequest;
    facts.attempt = b->attempt;
  } else if (const auto* b = std::get_if<PullReply>(&message.body)) {
    facts.kind = Kind::kPullReply;
    facts.attempt = b->attempt;
  } else if (const auto* b = std::get_if<Release>(&message.body)) {
    facts.kind = Kind::kRelease;
    facts.term = b->released_term.value();
    facts.positive = b->target == message.to;
  } else if (std::holds_alternative<ReleaseAck>(message.body)) {
    facts.kind = Kind::kReleaseAck;
  } else if (std::holds_alternative<ReleaseQuery>(message.body)) {
    facts.kind = Kind::kReleaseQuery;
  }
  return facts;
}

}  // namespace

void MessageTable::Encode(const Message& message, StateBytes* out) {
  out->Replica(message.from);
  out->Replica(message.to);
  out->Number(message.term.value());
  out->Number(message.body.index());
  std::visit(EncodeBody{out}, message.body);
}

std::optional<MessageTable::Id> MessageTable::Intern(Message message) {
  if (std::holds_alternative<ReleaseAck>(message.body)) return std::nullopt;
  if (auto* append = std::get_if<AppendRequest>(&message.body)) append->held_by_all = Index();
  if (auto* probe = std::get_if<ProbeReply>(&message.body)) {
    probe->bound_term = Term();
  }
  StateBytes plain(kNames[0]);
  Encode(message, &plain);
  const auto [found, inserted] = ids_.emplace(plain.bytes(), static_cast<Id>(messages_.size()));
  if (!inserted) return found->second;
  Stored stored;
  stored.facts = FactsOf(message);
  for (size_t naming = 0; naming < kNamings; ++naming) {
    StateBytes bytes(kNames[naming]);
    Encode(message, &bytes);
    stored.hashes[naming] = MixBits(HashBytes(bytes.bytes()) ^ 0x6d657373);
  }
  stored.message = std::move(message);
  messages_.push_back(std::move(stored));
  return found->second;
}

}  // namespace rasputin::consensus::model
