// What a node does about a damaged store [H-18]: marks it, waits until its cluster gives it another
// id, sets the store aside, joins, and replaces the old store's replicas one range after another.
//
// Order is what makes it safe: from the marker on the old identity is never opened again; it is set
// aside durably before the new one speaks; REPLACES names it before it is set aside. That nothing
// is moved before the cluster has given an id keeps a store whose cluster lives by nothing else,
// such as a cluster of one, where an operator finds it.

#include <glog/logging.h>

#include <future>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/rocks_engine.h"
#include "server/clock/clock.h"
#include "server/node/node.h"
#include "server/node/peer_call.h"

namespace rasputin::server {
namespace {

constexpr std::chrono::milliseconds kRejoinPeriod = std::chrono::seconds(1);
// Between two passes over all tables, before the first one, and between two tables at least.
constexpr std::chrono::milliseconds kScrubPause = std::chrono::minutes(10);
constexpr std::chrono::milliseconds kScrubStart = std::chrono::seconds(2);
constexpr std::chrono::milliseconds kScrubWaitMin(100);
constexpr std::chrono::milliseconds kReplacePeriod = std::chrono::seconds(1);
// A change of members goes on by itself and is asked for again; this long it is watched at a time.
constexpr consensus::Duration kReplaceCallTime = std::chrono::seconds(10);

uint64_t RandomToken() {
  std::random_device device;
  const uint64_t random = (uint64_t{device()} << 32) | device();
  return random != 0 ? random : 1;
}

}  // namespace

void Node::OnFatal(const absl::Status& status) {
  if (!absl::IsDataLoss(status) || quarantine_ == nullptr) return end_process_(status);
  const absl::Status marked = quarantine_->MarkDamaged(std::string(status.message()));
  end_process_(absl::DataLossError(absl::StrCat(
      status.message(), marked.ok() ? "; the store is marked as damaged: the next start sets it "
                                      "aside and has it replaced"
                                    : absl::StrCat("; it cannot be marked: ", marked.message()))));
}

void Node::SayWhatIsKept() const {
  for (const std::string& folder : quarantine_->Kept()) {
    LOG(WARNING) << folder << " holds a damaged store that was set aside, "
                 << Quarantine::BytesOf(folder) << " bytes; nothing needs it any more once its "
                 << "replicas are replaced: remove it with rm -r";
  }
}

absl::Status Node::BeginRejoin(const std::string& damage,
                               const std::optional<storage::v1::StoreManifest>& manifest) {
  damage_.reason = damage;
  damage_.cluster_id = manifest.has_value() ? manifest->cluster_id() : 0;
  damage_.store_id =
      manifest.has_value() ? manifest->store_id() : StoreOfSegments(storage_dir_->log_path());
  std::set<std::string> contacts(seeds_.begin(), seeds_.end());
  storage::v1::StoreBook book;
  if (book.ParseFromString(storage_dir_->ReadStores())) {
    if (damage_.cluster_id == 0) damage_.cluster_id = book.cluster_id();
    for (const auto& store : book.stores()) contacts.insert(store.peer_address());
  }
  contacts.erase(peer_address_);
  damage_.contacts.assign(contacts.begin(), contacts.end());
  rejoining_ = true;
  if (!damage.empty()) {
    const absl::Status marked = quarantine_->MarkDamaged(damage);
    if (!marked.ok()) {
      return absl::Status(
          marked.code(), absl::StrCat("--storage-dir ", flags_.storage_dir, " is damaged: ", damage,
                                      "; and it cannot be marked: ", marked.message()));
    }
    LOG(ERROR) << "store "
               << (damage_.store_id == 0 ? std::string("(unknown)")
                                         : absl::StrCat(damage_.store_id))
               << " is damaged and is not opened again: " << damage;
  }
  if (manifest.has_value()) {
    std::lock_guard<std::mutex> lock(manifest_mutex_);
    manifest_ = manifest;
  }
  std::string obstacle;
  if (!flags_.quarantine_rejoin) {
    obstacle = "--quarantine-rejoin is off: start without it to have the store replaced";
  } else if (damage_.contacts.empty()) {
    obstacle = "there is no other node to ask in --seed-peers";
  } else if (!damage.empty() && quarantine_->Kept().size() >= Quarantine::kKeptMax) {
    obstacle = absl::StrCat(quarantine_->Kept().size(),
                            " damaged stores are kept in the directory already: replace the disk, "
                            "or remove them");
  }
  SayDamage(obstacle.empty() ? "asking the cluster" : obstacle);
  if (obstacle.empty()) RejoinLater(std::chrono::milliseconds(0));
  return absl::OkStatus();
}

// For clients, /readyz and, when it changes, the log.
void Node::SayDamage(const std::string& state) {
  std::string text;
  if (!damage_.reason.empty()) {
    text = absl::StrCat(
        "the store in ", flags_.storage_dir, " is damaged and not in service: ", damage_.reason,
        "; as soon as its cluster gives this node another store id, the store is set aside and "
        "replaced; if its cluster cannot live without it, restore the directory from a copy taken ",
        "while the node was stopped; now: ", state);
  } else {
    text =
        absl::StrCat("a damaged store was set aside, this node joins as a new one; now: ", state);
  }
  {
    std::lock_guard<std::mutex> lock(damage_mutex_);
    if (damage_text_ == text) return;
    damage_text_ = text;
  }
  LOG(WARNING) << text;
  RunInShard([this, &text] { dispatch_.SetLost(text); });
}

std::string Node::LostText() const {
  std::lock_guard<std::mutex> lock(damage_mutex_);
  return damage_text_.empty() ? cluster_init_.lost() : damage_text_;
}

void Node::RejoinLater(std::chrono::milliseconds wait) {
  slow_work_.AddAfter(wait, [this] { Rejoin(); });
}

// Notes durably which store is to be replaced, and by whom: before anything is set aside.
absl::Status Node::PrepareReplacement() {
  absl::StatusOr<std::optional<Replacement>> written = quarantine_->ReadReplacement();
  if (!written.ok()) {
    LOG(ERROR) << written.status().message() << ": which stores were to be replaced is not known; "
               << "`rasputin store ls` shows those that are dead, `rasputin store replace` does it";
    written = std::optional<Replacement>();
  }
  Replacement replacement = written->value_or(Replacement());
  // Noted by an earlier attempt: its files have left already, or it is listed.
  const bool noted = written->has_value() && (damage_.reason.empty() || quarantine_->IsSetAside() ||
                                              replacement.Has(damage_.store_id));
  if (!noted) {
    if (damage_.cluster_id != 0) replacement.cluster_id = damage_.cluster_id;
    replacement.stores.push_back(damage_.store_id);
    replacement.join_token = RandomToken();
    if (absl::Status status = quarantine_->WriteReplacement(replacement); !status.ok()) {
      return status;
    }
  }
  if (damage_.store_id == 0) damage_.store_id = replacement.stores.back();
  ClusterJoin::Self self = JoinSelf();
  self.seeds = damage_.contacts;
  self.as_new_store = true;
  self.cluster_id = replacement.cluster_id;
  self.token = replacement.join_token;
  ClusterJoin::Ports ports = JoinPorts();
  ports.has_store = [this] { return !rejoining_; };
  ports.adopt = [this](const storage::v1::StoreManifest& manifest) {
    return AdoptInstead(manifest);
  };
  ports.finish_init = [] {};
  ports.report_lost = [](uint64_t) {};
  rejoin_ = std::make_unique<ClusterJoin>(std::move(self), std::move(ports));
  return absl::OkStatus();
}

void Node::Rejoin() {
  if (stopping_ || !rejoining_) return;
  absl::Status prepared;
  if (rejoin_ == nullptr) prepared = PrepareReplacement();
  std::string state(prepared.message());
  if (prepared.ok()) {
    const ClusterJoin::Result result = rejoin_->Try();
    state = result.outcome == ClusterJoin::Outcome::kNoCluster
                ? "no other node of the cluster answers"
                : result.text;
  }
  if (!rejoining_) {
    if (!ready_) JoinLater(kRejoinPeriod);  // The new store is not open yet.
    return;
  }
  SayDamage(state);
  RejoinLater(kRejoinPeriod);
}

absl::Status Node::AdoptInstead(const storage::v1::StoreManifest& manifest) {
  std::unique_lock<std::mutex> lock(adopt_mutex_);
  if (manifest.store_id() == damage_.store_id) {
    return absl::InternalError("the cluster gave the id of the damaged store again");
  }
  if (quarantine_->Damage().has_value()) {
    log_directory_.reset();
    const absl::StatusOr<std::string> folder = quarantine_->SetAside(damage_.store_id);
    if (!folder.ok()) return folder.status();
    LOG(WARNING) << "the damaged store was set aside: " << *folder << " ("
                 << Quarantine::BytesOf(*folder) << " bytes); this node is store "
                 << manifest.store_id() << " from now on";
  } else if (absl::Status named = quarantine_->FinishSetAside(); !named.ok()) {
    // An attempt before this one could not name the folder; the next store's would mix with it.
    return named;
  }
  absl::StatusOr<std::unique_ptr<PosixDirectory>> log =
      PosixDirectory::At(storage_dir_->log_path());
  if (!log.ok()) return log.status();
  log_directory_ = *std::move(log);
  const absl::Status written = range::Store::Bootstrap(log_directory_.get(), manifest);
  if (!written.ok()) return written;
  // The old identity is out of reach, the new one durable: from here on as any store that joined.
  rejoining_ = false;
  {
    std::lock_guard<std::mutex> text_lock(damage_mutex_);
    damage_text_.clear();
  }
  RunInShard([this] { dispatch_.SetLost(""); });
  lock.unlock();
  return Adopt(manifest);
}

// ---- Looking for damage that nobody reads.

void Node::Scrub() {
  uint64_t bytes = 0;
  bool pass_done = false;
  {
    std::lock_guard<std::mutex> lock(scrub_mutex_);
    if (stopping_ || engine_ == nullptr) return;
    const absl::StatusOr<uint64_t> read = kv::VerifyNextTable(*engine_, &scrubbed_);
    if (absl::IsDataLoss(read.status())) return OnFatal(read.status());
    if (!read.ok()) LOG(ERROR) << read.status().message();
    bytes = read.value_or(0);
    pass_done = scrubbed_.empty();
  }
  scrubbed_bytes_ += bytes;
  const uint64_t wait_ms = bytes * 1000 / flags_.scrub_bytes_per_second;
  slow_work_.AddAfter(pass_done ? kScrubPause : kScrubWaitMin + std::chrono::milliseconds(wait_ms),
                      [this] { Scrub(); });
}

// ---- Replacing, once the new store is open.

CallResult Node::CallFront(Method method, const google::protobuf::MessageLite& request) {
  auto answer = std::make_shared<std::promise<CallResult>>();
  std::future<CallResult> result = answer->get_future();
  RunInShard([&] {
    const ClockReading now = ReadClocks();
    if (!shard_.attached()) {
      CallResult refused;
      refused.code = absl::StatusCode::kUnavailable;
      return answer->set_value(std::move(refused));
    }
    ClientCall call;
    call.method = method;
    call.request = absl::Cord(request.SerializeAsString());
    call.deadline = now.boot + kReplaceCallTime;
    call.completion =
        new PeerCall([answer](CallResult done) { answer->set_value(std::move(done)); });
    shard_.front()->Start(now, std::move(call));
  });
  // At the end of the process calls are dropped.
  if (result.wait_for(2 * kReplaceCallTime) == std::future_status::ready) return result.get();
  CallResult dropped;
  dropped.code = absl::StatusCode::kUnavailable;
  dropped.message = "no answer";
  return dropped;
}

void Node::BeginUpkeep() {
  slow_work_.AddAfter(std::chrono::milliseconds(0), [this] { WatchListing(); });
  if (flags_.scrub_bytes_per_second > 0) slow_work_.AddAfter(kScrubStart, [this] { Scrub(); });
  const absl::StatusOr<std::optional<Replacement>> replacement = quarantine_->ReadReplacement();
  if (!replacement.ok()) LOG(ERROR) << replacement.status().message();
  if (!replacement.ok() || !replacement->has_value() || replacer_ != nullptr) return;
  if ((*replacement)->Has(0)) {
    LOG(ERROR) << "the id of a damaged store could not be found out: `rasputin store ls` shows it "
                  "as dead, `rasputin store replace` and `store forget` replace it";
  }
  replacer_ = std::make_unique<StoreReplacer>(
      Manifest()->store_id(), (*replacement)->stores,
      [this](Method method, const google::protobuf::MessageLite& request) {
        return CallFront(method, request);
      });
  slow_work_.AddAfter(std::chrono::milliseconds(0), [this] { ReplaceNext(); });
}

void Node::ReplaceNext() {
  if (stopping_) return;
  const StoreReplacer::Step step = replacer_->Run();
  ranges_replaced_ = replacer_->ranges_replaced();
  if (step.progress == StoreReplacer::Progress::kRetry) {
    if (step.text != replace_text_) LOG(WARNING) << "replacing goes on soon: " << step.text;
  } else if (!step.text.empty()) {
    LOG(INFO) << step.text;
  }
  replace_text_ = step.text;
  if (step.progress == StoreReplacer::Progress::kDone) {
    const absl::Status removed = quarantine_->RemoveReplacement();
    if (removed.ok()) {
      LOG(INFO) << "the damaged store is replaced: " << ranges_replaced_
                << " ranges by this process";
      return SayWhatIsKept();
    }
    LOG(WARNING) << removed.message();
  }
  const bool wait = step.progress != StoreReplacer::Progress::kMore;
  slow_work_.AddAfter(wait ? kReplacePeriod : std::chrono::milliseconds(0),
                      [this] { ReplaceNext(); });
}

void Node::AddQuarantineMetrics() {
  registry_.AddGauge("rasputin_store_damaged", "1 while a damaged store waits to be replaced.",
                     [this] { return rejoining_ ? 1.0 : 0.0; });
  registry_.AddGauge("rasputin_quarantined_stores",
                     "Damaged stores that were set aside and are kept in --storage-dir.",
                     [this] { return static_cast<double>(quarantine_->Kept().size()); });
  registry_.AddCounterSource("rasputin_ranges_replaced_total",
                             "Replicas of damaged stores that this process has replaced.",
                             [this] { return static_cast<double>(ranges_replaced_.load()); });
  registry_.AddCounterSource("rasputin_scrubbed_bytes_total",
                             "Bytes of the engine's tables that were read to find damage.",
                             [this] { return static_cast<double>(scrubbed_bytes_.load()); });
}

}  // namespace rasputin::server
