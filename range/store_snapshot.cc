// See store.h: snapshots that leave and arrive [H-13]; installing them is in store_install.cc.
//
// A snapshot shows committed, applied state only, whoever sends it: a leader, or the donor of a
// candidate that pulls.

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "kv/key.h"
#include "range/descriptor.h"
#include "range/store_impl.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {
namespace {

using consensus::Instant;
using consensus::Message;
using consensus::SnapshotAck;
using consensus::SnapshotChunk;
using consensus::SnapshotStatus;

constexpr uint32_t kSnapshotFormat = 1;
// In lease lengths: how long a side that hears nothing keeps a transfer.
constexpr int kPatienceLeases = 15;
// A chunk takes at most 1/kChunksPerLease of a lease to send at the rate that snapshots may have,
// so that transfers which share it are all heard of (a row that is larger travels alone): at 16
// KiB/s chunks of 128 KiB took 8 s each, and of two transfers each was silent for longer than its
// receiver's patience.
constexpr int kChunksPerLease = 8;
constexpr uint64_t kChunkBytesMin = 1 << 10;

kv::RangeBounds BoundsOf(const RangeDescriptor& descriptor) {
  return {descriptor.range_id(), descriptor.start_key(), descriptor.end_key()};
}

uint64_t ChunkBytesMax(const StoreOptions& options) {
  const double leases = std::chrono::duration<double>(options.lease_duration).count();
  const double bytes =
      static_cast<double>(options.snapshot_bytes_per_second) * leases / kChunksPerLease;
  return std::clamp(static_cast<uint64_t>(bytes), kChunkBytesMin, kv::kSnapshotChunkBytesMax);
}

// Where the rows of absorbed ranges lie, in order: all that a replica has of its own but the
// tombstone, or what is remembered alone.
void AddSpans(const std::set<RangeId>& replicas,
              const std::map<RangeId, storage::v1::AbsorbedRange>& absorbed,
              std::vector<kv::KeySpan>* spans) {
  for (const auto& [range, row] : absorbed) {
    const std::string begin = kv::AbsorbedKey(range.value());
    const bool whole = replicas.count(range) != 0;
    spans->push_back({begin, whole ? kv::RangeRowsEnd(range.value()) : begin + '\0'});
  }
  std::sort(spans->begin(), spans->end(),
            [](const kv::KeySpan& a, const kv::KeySpan& b) { return a.begin < b.begin; });
}

}  // namespace

Message Store::Impl::Reply(const Message& to, consensus::MessageBody body) const {
  Message message;
  message.range = to.range;
  message.generation = to.generation;
  message.from = to.to;
  message.to = to.from;
  message.from_store = id_;
  message.to_store = to.from_store;
  message.term = to.term;
  message.body = std::move(body);
  return message;
}

// ---- Sending.

absl::Status Store::Impl::RunTransfers(const ClockReading& now) {
  if (!turn_stalled_) BeginTransfers(now);
  return PumpTransfers(now);
}

void Store::Impl::BeginTransfers(const ClockReading& now) {
  for (auto it = snapshots_wanted_.begin();
       it != snapshots_wanted_.end() && outgoing_snapshots_.size() < options_.snapshots_max;) {
    const Transfer transfer = *it;
    it = snapshots_wanted_.erase(it);
    if (outgoing_snapshots_.count(transfer) == 0) BeginTransfer(now, transfer);
  }
}

void Store::Impl::BeginTransfer(const ClockReading& now, const Transfer& transfer) {
  Replica* replica = Find(transfer.first);
  if (replica == nullptr || !replica->started()) return;
  const consensus::Member* member = replica->group().core().configuration().Find(transfer.second);
  if (member == nullptr) return;
  // Nothing is applied that is not written: the rows are as of this very position.
  CHECK(turn_.Empty());
  SnapshotSenderOptions options;
  options.snapshot_id = next_snapshot_id_++;
  options.position = replica->applied_position();
  options.retry_interval = options_.lease_duration / 4;
  options.patience = kPatienceLeases * options_.lease_duration;
  storage::v1::SnapshotHeader header;
  header.set_format(kSnapshotFormat);
  *header.mutable_range() = replica->descriptor();
  TellAbsorbed(replica->descriptor(), &header);
  auto reader = std::make_shared<kv::RangeSnapshotReader>(
      *ports_.engine, BoundsOf(replica->descriptor()), ChunkBytesMax(options_));
  Outgoing outgoing;
  outgoing.to_store = member->store;
  outgoing.sender = std::make_unique<SnapshotSender>(
      options, absl::Cord(header.SerializeAsString()), [reader] { return reader->Next(); },
      now.boot);
  outgoing_snapshots_.emplace(transfer, std::move(outgoing));
  ++counters_.snapshots_begun;
}

// In turn, beginning behind the one that sent last: else a small snapshot that its range cannot
// elect a leader without waits for all of a large one.
absl::Status Store::Impl::PumpTransfers(const ClockReading& now) {
  std::vector<Transfer> in_turn;
  for (const auto& [transfer, outgoing] : outgoing_snapshots_) in_turn.push_back(transfer);
  std::rotate(in_turn.begin(), std::upper_bound(in_turn.begin(), in_turn.end(), sent_last_),
              in_turn.end());
  for (const Transfer& transfer : in_turn) {
    absl::Status pumped = PumpTransfer(now, transfer);
    if (!pumped.ok()) return pumped;
  }
  return absl::OkStatus();
}

absl::Status Store::Impl::PumpTransfer(const ClockReading& now, const Transfer& transfer) {
  const auto [range, member] = transfer;
  const auto found = outgoing_snapshots_.find(transfer);
  SnapshotSender& sender = *found->second.sender;
  Replica* replica = Find(range);
  Message message;
  message.range = range;
  message.from = replica->self();
  message.to = member;
  message.from_store = id_;
  message.to_store = found->second.to_store;
  message.term = replica->group().core().term();
  // Nobody has begun to take it, and the log does not go on from there any more: a newer one.
  if (!sender.wanted() && sender.position().index < log_->Start(range).index) sender.GiveUp();
  for (SnapshotChunk& chunk : sender.Pump(now.boot, &snapshot_bucket_)) {
    counters_.snapshot_bytes_sent += chunk.data.size();
    message.body = std::move(chunk);
    effects_.messages.push_back(message);
    sent_last_ = transfer;
  }
  if (sender.state() == SnapshotSender::State::kSending) return absl::OkStatus();
  if (sender.state() == SnapshotSender::State::kFailed) return sender.failure();
  const bool installed = sender.state() == SnapshotSender::State::kInstalled;
  if (installed) ++counters_.snapshots_sent;
  replica->group().core().OnSnapshotSent(now, member, installed);
  Wake(replica);
  outgoing_snapshots_.erase(found);
  return absl::OkStatus();
}

void Store::Impl::OnSnapshotAck(const ClockReading& now, const Message& message) {
  const auto found = outgoing_snapshots_.find({message.range, message.from});
  if (found == outgoing_snapshots_.end()) return;
  found->second.sender->OnAck(now.boot, std::get<SnapshotAck>(message.body));
}

// ---- Receiving.

void Store::Impl::OnSnapshotChunk(const ClockReading& now, const Message& message) {
  effects_.messages.push_back(Reply(message, TakeChunk(now, message)));
}

SnapshotAck Store::Impl::TakeChunk(const ClockReading& now, const Message& message) {
  const auto& chunk = std::get<SnapshotChunk>(message.body);
  const auto answer = [&chunk](SnapshotStatus status) {
    return SnapshotAck{chunk.snapshot_id, 0, status};
  };
  auto found = incoming_snapshots_.find(message.range);
  const bool known = found != incoming_snapshots_.end() &&
                     found->second.receiver->snapshot_id() == chunk.snapshot_id &&
                     found->second.envelope.from == message.from;
  if (!known) {
    const Replica* replica = Find(message.range);
    if (replica != nullptr && replica->self() == message.to &&
        replica->applied() >= chunk.position.index) {
      if (!replica->started()) return answer(SnapshotStatus::kReceiving);
      return answer(replica->installed_snapshot == chunk.snapshot_id ? SnapshotStatus::kInstalled
                                                                     : SnapshotStatus::kRefused);
    }
    if (chunk.sequence != 0) return answer(SnapshotStatus::kLost);
    const std::optional<SnapshotStatus> refusal = BeginReceiving(now, message);
    if (refusal.has_value()) return answer(*refusal);
    found = incoming_snapshots_.find(message.range);
  }
  const absl::Status taken = TakePieces(now, chunk, &found->second);
  if (taken.ok()) return found->second.receiver->Ack();
  incoming_snapshots_.erase(found);
  return answer(absl::IsDataLoss(taken) ? SnapshotStatus::kLost : SnapshotStatus::kBusy);
}

// Its sender may be gone: another one may take over.
bool Store::Impl::IsSilent(const ClockReading& now, const Incoming& incoming) const {
  return now.boot >= incoming.receiver->heard_at() + 2 * options_.lease_duration;
}

std::optional<SnapshotStatus> Store::Impl::BeginReceiving(const ClockReading& now,
                                                          const Message& message) {
  const auto& chunk = std::get<SnapshotChunk>(message.body);
  storage::v1::SnapshotHeader header;
  if (!header.ParseFromString(std::string(chunk.data)) || header.format() != kSnapshotFormat ||
      header.range().range_id() != message.range.value() ||
      header.range().start_key().size() < CollectionPrefix(0).size()) {
    return SnapshotStatus::kRefused;
  }
  Incoming incoming;
  std::optional<SnapshotStatus> refusal =
      JudgeSnapshot(now, message, header, chunk.position, &incoming.giving_way);
  if (refusal.has_value()) return refusal;
  auto found = incoming_snapshots_.find(message.range);
  if (found != incoming_snapshots_.end()) {
    const bool anew = found->second.envelope.from == message.from &&
                      found->second.receiver->snapshot_id() < chunk.snapshot_id;
    if (!anew && !IsSilent(now, found->second)) return SnapshotStatus::kBusy;
    incoming_snapshots_.erase(found);
  }
  if (incoming_snapshots_.size() >= options_.snapshots_max) return SnapshotStatus::kBusy;
  incoming.replaced = ReplacedBy(header.range(), incoming.giving_way);
  std::vector<kv::KeySpan> spans = kv::SpansOf(BoundsOf(incoming.replaced));
  AddSpans(incoming.giving_way.replicas, incoming.giving_way.absorbed, &spans);
  std::map<std::string, std::string> remembered;
  for (const auto& [range, absorbed] : incoming.giving_way.absorbed) {
    remembered[kv::AbsorbedKey(range.value())] = absorbed.SerializeAsString();
  }
  absl::StatusOr<std::unique_ptr<kv::RangeSnapshotWriter>> writer = kv::RangeSnapshotWriter::Begin(
      BoundsOf(header.range()), std::move(spans), std::move(remembered), ports_.engine);
  if (!writer.ok()) return SnapshotStatus::kBusy;
  incoming.envelope = message;
  incoming.envelope.body = SnapshotAck{chunk.snapshot_id, 0, SnapshotStatus::kInstalled};
  incoming.header = std::move(header);
  incoming.receiver = std::make_unique<SnapshotReceiver>(chunk, now.boot);
  incoming.writer = *std::move(writer);
  incoming_snapshots_.emplace(message.range, std::move(incoming));
  return std::nullopt;
}

absl::Status Store::Impl::TakePieces(const ClockReading& now, const SnapshotChunk& chunk,
                                     Incoming* incoming) {
  std::vector<absl::Cord> pieces;
  absl::Status status = incoming->receiver->Take(now.boot, chunk, &pieces);
  if (!status.ok()) return status;
  // The header is the first piece, and was read when the transfer began.
  const size_t first = chunk.sequence == 0 && !pieces.empty() ? 1 : 0;
  for (size_t i = first; i < pieces.size(); ++i) {
    status = incoming->writer->Add(std::string(pieces[i]));
    if (!status.ok()) return status;
  }
  if (!incoming->receiver->complete()) return absl::OkStatus();
  const absl::StatusOr<kv::AppliedState> applied =
      kv::DecodeAppliedState(incoming->writer->applied_row());
  const consensus::LogPosition& position = incoming->receiver->position();
  if (!applied.ok() || applied->index != position.index.value() ||
      applied->term != position.term.value() ||
      incoming->writer->descriptor_row() != incoming->header.range().SerializeAsString()) {
    return absl::DataLossError("a snapshot is not of the position and the range that it names");
  }
  incoming->applied = *applied;
  return incoming->writer->Finish();
}

// Whoever takes a snapshot needs the entries behind it.
consensus::Index Store::Impl::NeededAfterTransfers(RangeId range) const {
  consensus::Index needed(~uint64_t{0});
  for (auto it = outgoing_snapshots_.lower_bound({range, ReplicaId()});
       it != outgoing_snapshots_.end() && it->first.first == range; ++it) {
    const SnapshotSender& sender = *it->second.sender;
    if (sender.wanted()) needed = std::min(needed, sender.position().index);
  }
  return needed;
}

Instant Store::Impl::TransferDeadline() const {
  Instant at = Instant::max();
  for (const auto& [transfer, outgoing] : outgoing_snapshots_) {
    at = std::min(at, outgoing.sender->NextDeadline(snapshot_bucket_));
  }
  return at;
}

consensus::Duration Store::Impl::IncomingPatience() const {
  return kPatienceLeases * options_.lease_duration;
}

}  // namespace rasputin::range
