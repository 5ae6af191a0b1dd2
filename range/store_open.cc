// See store.h: manifest, recovery, and how ranges come into being.

#include <glog/logging.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/meta_state.h"
#include "range/store_impl.h"

namespace rasputin::range {
namespace {

using consensus::HardState;
using consensus::LogPosition;
using consensus::Term;
using consensus::log::RangeAppend;
using consensus::log::Recovered;
using storage::v1::StoreManifest;

constexpr char kManifestFile[] = "MANIFEST";
constexpr uint32_t kDirectoryFormat = 1;
constexpr size_t kChecksumBytes = 8;

// FNV-1a, 64 bits: the manifest is small and hardly ever written.
std::string Checksum(absl::string_view bytes) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ull;
  return CollectionPrefix(hash);
}

constexpr int kMutantLeadsFirstTermAgain = 54;
constexpr int kMutantChildInTermZero = 55;

// Writes everything that is queued; recovery is the only place that waits for the disk.
absl::Status WriteLogNow(consensus::log::SharedLog* log) {
  while (log->HasPending()) {
    std::unique_ptr<consensus::log::WriteJob> job = log->TakeWrite();
    if (absl::Status status = log->Execute(job.get()); !status.ok()) return status;
    log->FinishWrite(std::move(job));
  }
  return absl::OkStatus();
}

consensus::lease::LeaseOptions ToLeaseOptions(const StoreOptions& options, StoreId self) {
  consensus::lease::LeaseOptions lease;
  lease.self = self;
  lease.lease_duration = options.lease_duration;
  lease.clock_rate_error_max = options.clock_rate_error_max;
  lease.seed = options.seed;
  lease.mutants = options.mutants;
  return lease;
}

absl::Status WriteManifest(const StoreManifest& manifest,
                           consensus::log::SegmentDirectory* directory) {
  const std::string bytes = manifest.SerializeAsString();
  return directory->ReplaceFile(kManifestFile, absl::StrCat(Checksum(bytes), bytes));
}

}  // namespace

absl::StatusOr<StoreManifest> Store::ReadManifest(consensus::log::SegmentDirectory* directory) {
  absl::StatusOr<std::string> content = directory->ReadFile(kManifestFile);
  if (!content.ok()) return content.status();
  StoreManifest manifest;
  const absl::string_view view(*content);
  if (view.size() <= kChecksumBytes ||
      Checksum(view.substr(kChecksumBytes)) != std::string(view.substr(0, kChecksumBytes)) ||
      !manifest.ParseFromString(content->substr(kChecksumBytes)) || manifest.store_id() == 0 ||
      manifest.cluster_id() == 0) {
    return absl::DataLossError(absl::StrCat("log/", kManifestFile, " is damaged"));
  }
  if (manifest.format() > kDirectoryFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("the directory has format ", manifest.format(), "; this version reads up to ",
                     kDirectoryFormat, ": start a newer version"));
  }
  return manifest;
}

absl::Status Store::Bootstrap(consensus::log::SegmentDirectory* directory,
                              const StoreManifest& manifest) {
  CHECK_NE(manifest.store_id(), 0u);
  CHECK_NE(manifest.cluster_id(), 0u);
  absl::StatusOr<StoreManifest> old = ReadManifest(directory);
  if (old.ok()) {
    if (old->cluster_id() == manifest.cluster_id() && old->store_id() == manifest.store_id()) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        absl::StrCat("the directory belongs to store ", old->store_id(), " of cluster ",
                     old->cluster_id(), "; use an empty directory for another cluster"));
  }
  if (!absl::IsNotFound(old.status())) return old.status();
  StoreManifest written = manifest;
  written.set_format(kDirectoryFormat);
  return WriteManifest(written, directory);
}

absl::Status Store::ForgetStores(consensus::log::SegmentDirectory* directory,
                                 const std::vector<StoreId>& stores) {
  absl::StatusOr<StoreManifest> manifest = ReadManifest(directory);
  if (!manifest.ok()) return manifest.status();
  const auto& known = manifest->forgotten_store_ids();
  std::set<uint64_t> forgotten(known.begin(), known.end());
  for (const StoreId store : stores) forgotten.insert(store.value());
  *manifest->mutable_forgotten_store_ids() = {forgotten.begin(), forgotten.end()};
  return WriteManifest(*manifest, directory);
}

Store::Impl::Impl(const StoreOptions& options, const Ports& ports, StoreManifest manifest,
                  const ClockReading& now)
    : options_(options),
      ports_(ports),
      manifest_(std::move(manifest)),
      id_(manifest_.store_id()),
      forgotten_(manifest_.forgotten_store_ids().begin(), manifest_.forgotten_store_ids().end()),
      leases_(id_),
      versions_(now),
      last_reading_(now),
      turn_(ports.engine),
      next_maintenance_(now.boot),
      opened_at_(now.boot),
      // Above the ids of earlier processes.
      next_snapshot_id_(static_cast<uint64_t>(std::max<int64_t>(now.wall_us, 1))),
      snapshot_bucket_(options.snapshot_bytes_per_second, options.snapshot_bytes_per_second / 4,
                       now.boot),
      loads_(now.boot, options.seed) {}

consensus::CoreOptions Store::Impl::GroupOptions() const {
  consensus::CoreOptions core;
  core.lease_duration = options_.lease_duration;
  core.election_delay_min = options_.lease_duration / 8;
  core.election_delay_max = options_.lease_duration / 2;
  core.retry_interval = options_.lease_duration / 10;
  core.max_append_bytes = options_.append_bytes_max;
  core.seed = options_.seed;
  core.watches_lease_end = false;  // See WakeEndedLeases.
  core.mutants = options_.mutants;
  return core;
}

// P is on record before the first promise for it: a later process with shorter leases waits for it.
absl::Status Store::Impl::OpenLeases(const Recovered& recovered, const ClockReading& now) {
  const consensus::lease::LeaseOptions options = ToLeaseOptions(options_, id_);
  consensus::lease::DurableLeases durable = recovered.leases;
  // A store that joined waits even if it never had a replica: its first ones are members of groups
  // that live [H-14].
  durable.was_member = !recovered.ranges.empty() || manifest_.joined();
  durable.longest_promise =
      std::chrono::microseconds(static_cast<int64_t>(manifest_.longest_promise_us()));
  store_leases_ = std::make_unique<consensus::lease::StoreLeases>(options, durable, now);
  const consensus::Duration promise = consensus::lease::PromiseDuration(options);
  if (promise <= durable.longest_promise) return absl::OkStatus();
  // P is of whole milliseconds.
  manifest_.set_longest_promise_us(static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(promise).count()));
  return WriteManifest(manifest_, ports_.directory);
}

absl::Status Store::Impl::Recover(const ClockReading& now) {
  consensus::log::LogOptions log_options;
  log_options.store = id_;
  log_options.segment_bytes = options_.log_segment_bytes;
  log_options.reserve_bytes = options_.log_reserve_bytes;
  log_options.cache_bytes = options_.log_cache_bytes;
  log_options.mutants = options_.mutants;
  Recovered recovered;
  absl::StatusOr<std::unique_ptr<consensus::log::SharedLog>> log =
      consensus::log::SharedLog::Open(log_options, ports_.directory, &recovered);
  if (!log.ok()) return log.status();
  // Promises are put on record after the log was made.
  if (recovered.created && manifest_.longest_promise_us() > 0) {
    return absl::DataLossError(
        "all segments of the log are missing, and with them votes and acknowledged writes");
  }
  log_ = *std::move(log);
  context_.store = id_;
  context_.ports = &ports_;
  context_.log = log_.get();
  context_.leases = &leases_;
  context_.versions = &versions_;
  context_.loads = &loads_;
  context_.lease_duration = options_.lease_duration;
  // Distinct from those of earlier processes, so that a replayed command is never taken for a new
  // one.
  context_.next_origin_sequence = static_cast<uint64_t>(std::max<int64_t>(now.wall_us, 1));
  context_.find = [this](RangeId range) { return Find(range); };
  context_.apply_entries_max = options_.apply_entries_max;
  context_.mutants = options_.mutants;

  if (absl::Status status = OpenLeases(recovered, now); !status.ok()) return status;
  if (absl::Status status = CreateFirstRanges(); !status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> rows = kv::ListDescriptors(*ports_.engine);
  if (!rows.ok()) return rows.status();
  for (const std::string& row : *rows) {
    RangeDescriptor descriptor;
    if (!descriptor.ParseFromString(row)) {
      return absl::DataLossError("a range descriptor in the engine does not parse");
    }
    if (FindStore(descriptor, id_) == nullptr) {
      // Left the range, and ended before its rows were removed.
      removals_[RangeId(descriptor.range_id())] = {
          ReplicaId(descriptor.next_replica_id() - 1), descriptor, now.boot, std::nullopt, {}};
      continue;
    }
    if (absl::Status status = RecoverReplica(descriptor, &recovered); !status.ok()) return status;
  }
  if (absl::Status status = RecoverTombstones(&recovered); !status.ok()) return status;
  if (absl::Status status = RecoverAbsorbed(&recovered); !status.ok()) return status;
  if (absl::Status status = WriteLogNow(log_.get()); !status.ok()) return status;
  return StartRecovered(recovered, now);
}

// What the log holds of replicas that were removed goes.
absl::Status Store::Impl::RecoverTombstones(Recovered* recovered) {
  const auto tombstones = kv::ListTombstones(*ports_.engine);
  if (!tombstones.ok()) return tombstones.status();
  for (const auto& [id, replica] : *tombstones) {
    const RangeId range(id);
    tombstones_[range] = ReplicaId(replica);
    if (Find(range) != nullptr || removals_.count(range) != 0) continue;
    if (recovered->ranges.erase(range) == 0) continue;
    RangeAppend append;
    append.range = range;
    append.removed = true;
    log_->Append({std::move(append)});
  }
  return absl::OkStatus();
}

// Removed from here, or absorbed.
absl::StatusOr<bool> Store::Impl::IsGone(RangeId range) const {
  for (const std::string& key : {kv::TombstoneKey(range.value()), kv::AbsorbedKey(range.value())}) {
    const auto row = ports_.engine->Get(key);
    if (!row.ok()) return row.status();
    if (row->has_value()) return true;
  }
  return false;
}

// The ranges of the bootstrap record, unless the engine has them: at the first start, and after a
// crash before the engine's first flush. Never for a store that joined: there the record says where
// a range is that others have.
absl::Status Store::Impl::CreateFirstRanges() {
  if (manifest_.joined()) return absl::OkStatus();
  for (const RangeDescriptor& descriptor : manifest_.bootstrap().ranges()) {
    const bool member = std::any_of(
        descriptor.replicas().begin(), descriptor.replicas().end(),
        [this](const auto& replica) { return replica.store_id() == manifest_.store_id(); });
    absl::StatusOr<std::optional<kv::AppliedState>> applied =
        kv::ReadAppliedState(descriptor.range_id(), *ports_.engine);
    if (!applied.ok()) return applied.status();
    if (!member || applied->has_value()) continue;
    const absl::StatusOr<bool> gone = IsGone(RangeId(descriptor.range_id()));
    if (!gone.ok()) return gone.status();
    if (*gone) continue;
    kv::AppliedState first;
    first.index = kFirstIndex;
    first.term = kFirstTerm;
    kv::WriteDescriptor(descriptor.range_id(), descriptor.SerializeAsString(), &turn_);
    kv::WriteAppliedState(descriptor.range_id(), first, &turn_);
    if (descriptor.range_id() == kMetaRangeId) {
      if (absl::Status status = WriteFirstMetaState(manifest_.bootstrap(), &turn_); !status.ok()) {
        return status;
      }
    }
  }
  return turn_.Empty() ? absl::OkStatus() : turn_.Commit();
}

Replica* Store::Impl::AddReplica(RangeDescriptor descriptor, const kv::AppliedState& applied) {
  const RangeId range(descriptor.range_id());
  by_start_[descriptor.start_key()] = range;
  strangers_.erase(range);
  auto replica = std::make_unique<Replica>(&context_, std::move(descriptor), applied);
  Replica* raw = replica.get();
  CHECK(replicas_.emplace(range, std::move(replica)).second) << "range " << range << " exists";
  return raw;
}

// Brings what the log says of a range into line with what the engine says.
absl::Status Store::Impl::RecoverReplica(const RangeDescriptor& descriptor, Recovered* recovered) {
  const RangeId range(descriptor.range_id());
  absl::StatusOr<std::optional<kv::AppliedState>> applied =
      kv::ReadAppliedState(range.value(), *ports_.engine);
  if (!applied.ok()) return applied.status();
  if (!applied->has_value()) {
    return absl::DataLossError(absl::StrCat("range ", range.value(), " has no applied index"));
  }
  AddReplica(descriptor, **applied);
  const LogPosition position{Term((*applied)->term), consensus::Index((*applied)->index)};
  auto found = recovered->ranges.find(range);
  RangeAppend append;
  append.range = range;
  if (found == recovered->ranges.end()) {
    if (position.index.value() != kFirstIndex) {
      return absl::DataLossError(absl::StrCat(
          "range ", range.value(), ": the engine holds entries up to index ",
          position.index.value(),
          " but the log knows nothing of the range: segments of the log are missing, and with them "
          "votes and acknowledged writes"));
    }
    // A first start, or a child whose creation did not reach the log before a crash: it has neither
    // voted nor acknowledged anything.
    recovered->ranges[range].hard_state.term = position.term;
    append.hard_state = recovered->ranges[range].hard_state;
    append.log_start = position;
  } else if (found->second.start.index > position.index) {
    return absl::DataLossError(
        absl::StrCat("range ", range.value(), ": the log begins after index ",
                     found->second.start.index.value(), " but the engine holds only index ",
                     position.index.value(), ": files of state/ are missing"));
  } else if (found->second.last.index < position.index ||
             log_->TermAt(range, position.index) != position.term) {
    // The engine is ahead of the log, or elsewhere, and what it holds is committed: the engine
    // wins.
    HardState& hard_state = found->second.hard_state;
    if (hard_state.term < position.term) {
      hard_state.term = position.term;
      hard_state.vote = ReplicaId();
    }
    append.hard_state = hard_state;
    append.log_start = position;
  } else {
    return absl::OkStatus();
  }
  log_->Append({std::move(append)});
  return absl::OkStatus();
}

absl::Status Store::Impl::StartRecovered(const Recovered& recovered, const ClockReading& now) {
  for (const auto& [range, known] : recovered.ranges) {
    if (Find(range) == nullptr && removals_.count(range) == 0) orphans_[range] = known.hard_state;
  }
  for (const auto& [range, known] : recovered.ranges) {
    Replica* replica = Find(range);
    if (replica == nullptr) continue;
    if (absl::Status status = StartAgain(now, replica, known.hard_state); !status.ok()) {
      return status;
    }
    ports_.observer->OnDescriptor(replica->descriptor(), false);
  }
  UpdatePeers();
  SetLeasePeers(lease_peers_);
  lease_peers_changed_ = false;
  return absl::OkStatus();
}

// A child that the log knows and the engine does not was made here by an applied split: its
// parent's log is committed up to that split, whoever else may still hold it. Counter-example
// without it: the engine forgets the split, the others cut their logs behind it, and the parent is
// brought up to date by a snapshot; the child's state is gone then, with the entries that this
// store acknowledged on top of it.
absl::Status Store::Impl::StartAgain(const ClockReading& now, Replica* replica,
                                     const HardState& hard_state) {
  absl::StatusOr<consensus::Index> committed = consensus::Index();
  // Asked again for each child that is made: of 20,000 splits to be replayed a list of all others
  // took ten seconds.
  const auto is_child = [this](RangeId orphan) {
    return log_->Start(orphan).index.value() >= kFirstIndex;
  };
  const bool any = std::any_of(orphans_.begin(), orphans_.end(),
                               [&](const auto& entry) { return is_child(entry.first); });
  if (any) {
    committed = replica->LastSplitInto(
        [&](RangeId child) { return orphans_.count(child) != 0 && is_child(child); });
  }
  if (!committed.ok()) return committed.status();
  const bool leads_first_term = options_.mutants.Has(kMutantLeadsFirstTermAgain) &&
                                hard_state.term == Term(kFirstTerm) &&
                                hard_state.vote == replica->self();
  replica->Start(GroupOptions(), hard_state, leads_first_term, now, *committed);
  Wake(replica);
  WakeAwaiting(replica->range());
  return absl::OkStatus();
}

// [H-15]: term 1, the vote given to the member that the command names; both durable before the
// child acts. A replay finds the child in the log and changes nothing there.
absl::Status Store::Impl::CreateChild(const ClockReading& now, SplitEffect split) {
  const RangeId range(split.right.range_id());
  CHECK(absorbed_.count(range) == 0) << "range " << range << " was absorbed and is created again";
  ports_.observer->OnDescriptor(split.left, LeadsRange(RangeId(split.left.range_id())));
  ports_.observer->OnDescriptor(split.right, false);
  kv::AppliedState applied;
  applied.index = kFirstIndex;
  applied.term = options_.mutants.Has(kMutantChildInTermZero) ? 0 : kFirstTerm;
  applied.version_floor = split.version_floor;
  Replica* child = AddReplica(std::move(split.right), applied);
  Nascent nascent;
  nascent.hard_state.term = Term(kFirstTerm);
  nascent.hard_state.vote = split.child_leader;
  nascent.leads_first_term = split.proposed_here;
  if (options_.mutants.Has(kMutantChildInTermZero) && !split.proposed_here) {
    nascent.hard_state = HardState();
  }
  if (auto orphan = orphans_.find(range); orphan != orphans_.end()) {
    const bool has_start = log_->Start(range).index.value() >= kFirstIndex;
    const HardState hard_state = orphan->second;
    orphans_.erase(orphan);
    if (has_start) {
      absl::Status status = StartAgain(now, child, hard_state);
      if (status.ok()) DeliverEarly(now, range);
      return status;
    }
    // The crash came between the two records of its creation.
    nascent.leads_first_term = false;
    // Or one of a snapshot that was given up: it has no vote, and may not vote in term 1.
    if (hard_state.term > Term(kFirstTerm) || hard_state.vote.IsSet()) {
      nascent.hard_state = hard_state;
    }
  }
  RangeAppend append;
  append.range = range;
  append.hard_state = nascent.hard_state;
  append.log_start = {Term(applied.term), consensus::Index(applied.index)};
  nascent.lsn = log_->Append({std::move(append)});
  nascent_.emplace(range, nascent);
  return absl::OkStatus();
}

void Store::Impl::StartNascent(const ClockReading& now) {
  for (auto it = nascent_.begin(); it != nascent_.end();) {
    const RangeId range = it->first;
    if (it->second.lsn > durable_) {
      ++it;
      continue;
    }
    Replica* child = Find(range);
    child->Start(GroupOptions(), it->second.hard_state, it->second.leads_first_term, now);
    if (it->second.tell.has_value()) effects_.messages.push_back(*std::move(it->second.tell));
    it = nascent_.erase(it);
    Wake(child);
    WakeAwaiting(range);
    DeliverEarly(now, range);
  }
}

void Store::Impl::DeliverEarly(const ClockReading& now, RangeId range) {
  std::vector<consensus::Message> messages;
  std::deque<consensus::Message> others;
  for (consensus::Message& message : early_) {
    if (message.range == range) {
      messages.push_back(std::move(message));
    } else {
      others.push_back(std::move(message));
    }
  }
  early_.clear();
  early_bytes_ = 0;
  for (consensus::Message& message : others) KeepEarly(std::move(message));
  Step(now, std::move(messages));
}

}  // namespace rasputin::range
