// Surgery on a stopped store; see offline_store.h.

#include "range/offline_store.h"

#include <glog/logging.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "consensus/core/configuration_codec.h"
#include "kv/range_rows.h"
#include "kv/range_snapshot.h"
#include "range/descriptor.h"

namespace rasputin::range {
namespace {

using consensus::Configuration;
using consensus::Entry;
using consensus::HardState;
using consensus::Index;
using consensus::LogPosition;
using consensus::log::RangeAppend;
using consensus::log::SharedLog;
using storage::v1::ReplicaReport;
using storage::v1::StoreReport;

constexpr uint64_t kReadBytes = 1 << 20;
// Of turns that replay what the log knows to be committed; each makes a child of a split at least.
constexpr int kTurnsMax = 100'000;

// Nobody hears this store and nobody is heard; time stands still, so that it asks for no vote.
class Alone final : public Transport, public Observer, public Clock {
 public:
  explicit Alone(const ClockReading& now) : now_(now) {}
  void Send(StoreId, std::vector<consensus::Message>) override {}
  void OnEvent(const consensus::Event&) override {}
  void OnDescriptor(const RangeDescriptor&, bool) override {}
  void OnLeader(RangeId, StoreId) override {}
  ClockReading Now() override { return now_; }

 private:
  const ClockReading now_;
};

absl::Status WriteNow(SharedLog* log) {
  while (std::unique_ptr<consensus::log::WriteJob> job = log->TakeWrite()) {
    if (absl::Status status = log->Execute(job.get()); !status.ok()) return status;
    log->FinishWrite(std::move(job));
  }
  return absl::OkStatus();
}

bool IsLone(const Configuration& configuration, StoreId self) {
  const std::vector<consensus::Member> members = configuration.AllMembers();
  return members.size() == 1 && members[0].store == self && !configuration.voters.empty();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OfflineStore>> OfflineStore::Open(
    const StoreOptions& options, consensus::log::SegmentDirectory* directory, kv::Engine* engine,
    const ClockReading& now) {
  auto store = std::unique_ptr<OfflineStore>(new OfflineStore(directory, engine));
  absl::StatusOr<storage::v1::StoreManifest> manifest = Store::ReadManifest(directory);
  if (!manifest.ok()) return manifest.status();
  store->manifest_ = *std::move(manifest);
  if (absl::Status status = store->Settle(options, now); !status.ok()) return status;
  consensus::log::LogOptions log;
  log.store = StoreId(store->manifest_.store_id());
  log.segment_bytes = options.log_segment_bytes;
  log.reserve_bytes = options.log_reserve_bytes;
  absl::StatusOr<std::unique_ptr<SharedLog>> opened =
      SharedLog::Open(log, directory, &store->recovered_);
  if (!opened.ok()) return opened.status();
  store->log_ = *std::move(opened);
  return store;
}

// A range that was split off may live in the log alone: a start replays its parent up to the split.
// So this is a start, until nothing is left to be done without others.
absl::Status OfflineStore::Settle(const StoreOptions& options, const ClockReading& now) {
  Alone alone(now);
  absl::StatusOr<std::unique_ptr<Store>> opened =
      Store::Open(options, Ports{directory_, engine_, &alone, &alone, &alone}, now);
  if (!opened.ok()) return opened.status();
  Store* store = opened->get();
  for (int turn = 0; turn < kTurnsMax; ++turn) {
    if (absl::Status status = store->RunTurn(now); !status.ok()) return status;
    const bool written = store->log()->HasPending();
    if (absl::Status status = WriteNow(store->log()); !status.ok()) return status;
    store->OnLogDurable(now, store->log()->durable());
    if (!written && store->NextDeadline() > now.boot) return absl::OkStatus();
  }
  return absl::InternalError("replaying the log does not come to an end");
}

absl::StatusOr<std::vector<RangeDescriptor>> OfflineStore::Descriptors() const {
  absl::StatusOr<std::vector<std::string>> rows = kv::ListDescriptors(*engine_);
  if (!rows.ok()) return rows.status();
  std::vector<RangeDescriptor> descriptors;
  for (const std::string& row : *rows) {
    RangeDescriptor descriptor;
    if (!descriptor.ParseFromString(row)) {
      return absl::DataLossError("a range descriptor in the engine does not parse");
    }
    if (FindStore(descriptor, StoreId(manifest_.store_id())) == nullptr) continue;
    descriptors.push_back(std::move(descriptor));
  }
  return descriptors;
}

absl::StatusOr<Configuration> OfflineStore::InForce(const RangeDescriptor& descriptor,
                                                    Index applied) const {
  const RangeId range(descriptor.range_id());
  Configuration configuration = ToConfiguration(descriptor);
  const Index last = log_->Last(range).index;
  for (Index next = applied.Next(); next <= last;) {
    absl::StatusOr<std::vector<Entry>> entries = log_->ReadEntries(range, next, last, kReadBytes);
    if (!entries.ok()) return entries.status();
    for (const Entry& entry : *entries) {
      if (entry.type != consensus::EntryType::kConfig) continue;
      absl::StatusOr<Configuration> decoded = consensus::DecodeConfiguration(entry.payload);
      if (!decoded.ok()) return decoded.status();
      configuration = *std::move(decoded);
    }
    next = entries->back().index.Next();
  }
  return configuration;
}

absl::StatusOr<ReplicaReport> OfflineStore::Report(const RangeDescriptor& descriptor) const {
  const RangeId range(descriptor.range_id());
  const auto applied = kv::ReadAppliedState(range.value(), *engine_);
  if (!applied.ok()) return applied.status();
  const auto known = recovered_.ranges.find(range);
  if (!applied->has_value() || known == recovered_.ranges.end()) {
    return absl::DataLossError(absl::StrCat("range ", range.value(), " is not in the log"));
  }
  const Index applied_index((*applied)->index);
  const absl::StatusOr<Configuration> in_force = InForce(descriptor, applied_index);
  if (!in_force.ok()) return in_force.status();
  const LogPosition last = log_->Last(range);
  ReplicaReport report;
  *report.mutable_range() = descriptor;
  report.set_replica_id(FindStore(descriptor, StoreId(manifest_.store_id()))->replica_id());
  report.set_term(std::max(known->second.hard_state.term, last.term).value());
  report.set_applied_index(applied_index.value());
  report.set_last_term(last.term.value());
  report.set_last_index(last.index.value());
  RangeDescriptor members;
  SetMembers(*in_force, &members);
  *report.mutable_members() = members.replicas();
  return report;
}

absl::StatusOr<StoreReport> OfflineStore::Inspect() const {
  StoreReport report;
  report.set_cluster_id(manifest_.cluster_id());
  report.set_store_id(manifest_.store_id());
  *report.mutable_forgotten_store_ids() = manifest_.forgotten_store_ids();
  const absl::StatusOr<std::vector<RangeDescriptor>> descriptors = Descriptors();
  if (!descriptors.ok()) return descriptors.status();
  for (const RangeDescriptor& descriptor : *descriptors) {
    absl::StatusOr<ReplicaReport> replica = Report(descriptor);
    if (!replica.ok()) return replica.status();
    *report.add_replicas() = *std::move(replica);
  }
  return report;
}

absl::Status OfflineStore::MakeLone(RangeId range) {
  const StoreId self(manifest_.store_id());
  const absl::StatusOr<std::vector<RangeDescriptor>> descriptors = Descriptors();
  if (!descriptors.ok()) return descriptors.status();
  for (const RangeDescriptor& descriptor : *descriptors) {
    if (descriptor.range_id() != range.value()) continue;
    const absl::StatusOr<ReplicaReport> report = Report(descriptor);
    if (!report.ok()) return report.status();
    const auto in_force = InForce(descriptor, Index(report->applied_index()));
    if (!in_force.ok()) return in_force.status();
    if (IsLone(*in_force, self)) return absl::OkStatus();
    Configuration lone;
    lone.voters = {{ReplicaId(report->replica_id()), self}};
    RangeAppend append;
    append.range = range;
    HardState hard_state;
    hard_state.term = consensus::Term(report->term()).Next();
    hard_state.released_term = recovered_.ranges.at(range).hard_state.released_term;
    append.hard_state = hard_state;
    append.entries.push_back({hard_state.term, Index(report->last_index()).Next(),
                              consensus::EntryType::kConfig,
                              consensus::EncodeForcedConfiguration(lone)});
    recovered_.ranges.at(range).hard_state = hard_state;
    log_->Append({std::move(append)});
    return WriteNow(log_.get());
  }
  return absl::NotFoundError(absl::StrCat("no replica of range ", range.value(), " is here"));
}

// The engine first, durably, as Store does: what the log has left after a crash, the next start
// removes.
absl::Status OfflineStore::Remove(RangeId range) {
  const absl::StatusOr<std::vector<RangeDescriptor>> descriptors = Descriptors();
  if (!descriptors.ok()) return descriptors.status();
  for (const RangeDescriptor& descriptor : *descriptors) {
    if (descriptor.range_id() != range.value()) continue;
    const uint64_t replica = FindStore(descriptor, StoreId(manifest_.store_id()))->replica_id();
    std::vector<kv::KeySpan> spans =
        kv::SpansOf({range.value(), descriptor.start_key(), descriptor.end_key()});
    const std::string tombstone = kv::TombstoneKey(range.value());
    spans.back().begin = tombstone;
    absl::StatusOr<std::unique_ptr<kv::EngineIngest>> staged = engine_->NewIngest(std::move(spans));
    if (!staged.ok()) return staged.status();
    absl::Status status = (*staged)->Put(tombstone, kv::EncodeTombstone(replica));
    if (status.ok()) status = engine_->Ingest(staged->get());
    if (!status.ok()) return status;
    RangeAppend append;
    append.range = range;
    append.removed = true;
    log_->Append({std::move(append)});
    recovered_.ranges.erase(range);
    return WriteNow(log_.get());
  }
  return absl::OkStatus();
}

}  // namespace rasputin::range
