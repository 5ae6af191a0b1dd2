// Making damage and following it; see damage.h.

#include "tests/sim/damage.h"

#include <glog/logging.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "consensus/log/shared_log.h"
#include "range/descriptor.h"

namespace rasputin::sim {
namespace {

using consensus::log::MemoryDirectory;
using consensus::log::Recovered;

constexpr RealTime kWatchInterval = 50 * kMillisecond;
constexpr RealTime kUntilLookMean = 6 * kSecond;
constexpr RealTime kRestartDelay = 300 * kMillisecond;
constexpr char kManifest[] = "MANIFEST";
constexpr size_t kVotersMin = 3;
constexpr uint64_t kSector = MemoryDirectory::kSectorBytes;
// Of a frame in a sector: with fewer, a tear at that place is as likely as a bit that flipped.
constexpr uint64_t kTellingBytes = 16;

bool SameState(const Recovered& a, const Recovered& b) {
  const auto same_range = [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.hard_state == y.second.hard_state &&
           x.second.start == y.second.start && x.second.last == y.second.last;
  };
  return std::equal(a.ranges.begin(), a.ranges.end(), b.ranges.begin(), b.ranges.end(),
                    same_range) &&
         a.leases.pairs == b.leases.pairs && a.leases.epoch_counter == b.leases.epoch_counter;
}

// Up to the last byte that is not zero.
uint64_t UsedBytes(const std::string& bytes) {
  const size_t last = bytes.find_last_not_of('\0');
  return last == std::string::npos ? 0 : last + 1;
}

}  // namespace

const char* ToString(DamageKind kind) {
  constexpr const char* kNames[] = {"flipped bits",        "garbled sectors",    "truncated files",
                                    "lost writes",         "misdirected writes", "identities",
                                    "blocks of the engine"};
  return kNames[static_cast<size_t>(kind)];
}

void DamageFate::Add(const DamageFate& other) {
  made += other.made;
  found_at_start += other.found_at_start;
  found_running += other.found_running;
  found_by_look += other.found_by_look;
  harmless += other.harmless;
  undetectable += other.undetectable;
}

DamageFate DamageReport::Sum() const {
  DamageFate sum;
  for (const DamageFate& fate : fates) sum.Add(fate);
  return sum;
}

void DamageReport::Add(const DamageReport& other) {
  for (size_t kind = 0; kind < kDamageKinds; ++kind) fates[kind].Add(other.fates[kind]);
  marks_lost += other.marks_lost;
  repairs.insert(repairs.end(), other.repairs.begin(), other.repairs.end());
}

Damage::Damage(Cluster* cluster, Quarantine* quarantine, const Random& random)
    : cluster_(cluster),
      quarantine_(quarantine),
      random_(random),
      interval_mean_(random_.Between(500, 4000) * kMillisecond) {
  cluster_->set_start_listener([this](int node) { JudgeLog(node); });
}

void Damage::Start() {
  MakeLater();
  Watch();
}

DamageReport Damage::report() const {
  DamageReport report = report_;
  report.marks_lost = quarantine_->counters().marks_lost;
  report.repairs = quarantine_->counters().repairs;
  return report;
}

void Damage::MakeLater() {
  cluster_->scheduler().After(random_.ExponentialNs(interval_mean_), "damage", 0, [this] {
    if (!stopped_ && Whole()) Make();
    MakeLater();
  });
}

// Whoever is left of each of its ranges must be a majority of it.
bool Damage::MayHit(int node) const {
  const ClusterOptions& options = cluster_->options();
  if (cluster_->node(node).retired()) return false;
  if (cluster_->stores() >= options.stores + options.replacements) return false;
  for (const auto& [range, descriptor] : cluster_->KnownRanges()) {
    const auto voters = std::count_if(
        descriptor.replicas().begin(), descriptor.replicas().end(),
        [](const auto& replica) { return replica.role() != type::v1::REPLICA_ROLE_LEARNER; });
    if (static_cast<size_t>(voters) < kVotersMin) return false;
  }
  return true;
}

void Damage::Make() {
  const int node = static_cast<int>(random_.Below(static_cast<uint64_t>(cluster_->stores())));
  if (!MayHit(node)) return;
  const auto kind = static_cast<DamageKind>(random_.Below(kDamageKinds));
  Node& victim = cluster_->node(node);
  const bool astray = kind == DamageKind::kLostWrite || kind == DamageKind::kMisdirectedWrite;
  if (astray && !victim.alive()) return;
  victim_ = node;
  kind_ = kind;
  in_repair_ = armed_ = looked_ = false;
  look_at_ = cluster_->scheduler().now() + random_.ExponentialNs(kUntilLookMean);
  if (astray) {
    astray_before_ = victim.directory()->stats().writes_astray;
    starts_ = victim.counters().starts;
    armed_ = true;
    if (kind == DamageKind::kLostWrite) {
      victim.directory()->LoseNextWrite();
    } else {
      const int64_t sectors = random_.Between(1, 32);
      victim.directory()->MisdirectNextWrite((random_.Chance(0.5) ? 8 : 512) *
                                             (random_.Chance(0.5) ? sectors : -sectors));
    }
    return;
  }
  if (victim.alive() && random_.Chance(0.5)) {
    victim.Kill(random_.Chance(0.5) ? KillKind::kProcess : KillKind::kPowerLoss);
    Restart(random_.ExponentialNs(kSecond));
  }
  starts_ = victim.counters().starts;
  if (!MakeNow(kind)) return Over();
  ++fate().made;
  cluster_->scheduler().Note(absl::StrCat("DAMAGE of store ", node + 1, ": ", ToString(kind)));
}

bool Damage::MakeNow(DamageKind kind) {
  if (kind == DamageKind::kIdentity) return DamageIdentity();
  if (kind != DamageKind::kEngine) return DamageLog(kind);
  const size_t rows = uint64_t{1} << random_.Below(6);
  return cluster_->node(victim_).mutable_engine()->Damage(random_.Next(), rows) > 0;
}

bool Damage::DamageLog(DamageKind kind) {
  MemoryDirectory* directory = cluster_->node(victim_).directory();
  const auto files = directory->List();
  CHECK(files.ok());
  std::vector<std::string> segments;
  for (const std::string& name : *files) {
    if (absl::StartsWith(name, "segment-")) segments.push_back(name);
  }
  if (segments.empty()) return false;
  const std::string name =
      random_.Chance(0.6) ? segments.back() : segments[random_.Below(segments.size())];
  const auto bytes = directory->ReadFile(name);
  CHECK(bytes.ok());
  const uint64_t used = UsedBytes(*bytes);
  if (used == 0) return false;
  // Anywhere in what was written, near its end, or anywhere at all.
  const uint64_t where = random_.Below(10);
  const uint64_t first = where < 4 ? 0 : where < 8 ? used - std::min<uint64_t>(used, 600) : 0;
  const uint64_t offset = first + random_.Below((where < 8 ? used : bytes->size()) - first);
  file_ = name;
  offset_ = offset;
  if (kind == DamageKind::kTruncate) {
    directory->Truncate(name, offset);
  } else if (kind == DamageKind::kFlip) {
    directory->Damage(name, offset, static_cast<uint8_t>(1u << random_.Below(8)));
  } else {
    const uint64_t length = std::min<uint64_t>(1 + random_.Below(512), bytes->size() - offset);
    const bool zeros = random_.Chance(0.5);
    for (uint64_t i = offset; i < offset + length; ++i) {
      const auto old = static_cast<uint8_t>((*bytes)[i]);
      directory->Damage(name, i, zeros ? old : static_cast<uint8_t>(random_.Below(256)));
    }
  }
  return directory->Damaged();
}

bool Damage::DamageIdentity() {
  MemoryDirectory* directory = cluster_->node(victim_).directory();
  const auto bytes = directory->ReadFile(kManifest);
  CHECK(bytes.ok());
  const uint64_t offset = random_.Below(bytes->size());
  if (random_.Chance(0.3)) {
    directory->Truncate(kManifest, offset);
  } else {
    directory->Damage(kManifest, offset, static_cast<uint8_t>(1u << random_.Below(8)));
  }
  return true;
}

void Damage::Restart(RealTime after) {
  const int node = victim_;
  cluster_->scheduler().After(after, "restart", static_cast<uint64_t>(node), [this, node] {
    if (!cluster_->node(node).alive()) cluster_->node(node).Start();
  });
}

void Damage::Watch() {
  cluster_->scheduler().After(kWatchInterval, "damage", 0, [this] { Watch(); });
  if (victim_ < 0) return;
  if (quarantine_->Busy()) {
    if (!in_repair_) OnFound();
    in_repair_ = true;
  } else if (in_repair_) {
    Over();
  } else if (armed_) {
    WatchArmed();
  } else if (!cluster_->node(victim_).Damaged()) {
    ++fate().harmless;
    Over();
  } else if (cluster_->scheduler().now() >= look_at_) {
    Look();
  }
}

void Damage::OnFound() {
  if (cluster_->node(victim_).failed_at_start()) {
    ++fate().found_at_start;
  } else {
    ++(looked_ ? fate().found_by_look : fate().found_running);
  }
}

void Damage::WatchArmed() {
  Node& victim = cluster_->node(victim_);
  if (victim.directory()->stats().writes_astray > astray_before_) {
    armed_ = false;
    starts_ = victim.counters().starts;
    ++fate().made;
    cluster_->scheduler().Note(
        absl::StrCat("DAMAGE of store ", victim_ + 1, ": ", ToString(kind_)));
  } else if (!victim.alive() || victim.counters().starts > starts_) {
    Over();  // The process ended before it wrote.
  } else if (cluster_->scheduler().now() >= look_at_) {
    // A store without replicas writes nothing.
    victim.directory()->LoseNextWrite(false);
    victim.directory()->MisdirectNextWrite(0);
    Over();
  }
}

// What nothing has found for long: a start looks at the whole log, then the engine is read.
void Damage::Look() {
  look_at_ = cluster_->scheduler().now() + kSecond;
  Node& victim = cluster_->node(victim_);
  if (victim.alive() && victim.counters().starts > starts_) return ReadEverything();
  if (victim.alive()) victim.Kill(KillKind::kProcess);
  Restart(kRestartDelay);
}

void Damage::ReadEverything() {
  Node& victim = cluster_->node(victim_);
  if (victim.engine().DamagedRows() > 0) {
    looked_ = true;
    victim.FailWith(absl::DataLossError("simulated: everything was read, and a block is damaged"));
    return;
  }
  // The start judged it: it lies where nothing is read.
  victim.directory()->Mend();
  ++fate().harmless;
  Over();
}

// The limits that consensus/log/README.md names, of the last frame alone. A tear leaves each sector
// as it was or as it was to be; so does a lost write, and garbage may be what was there before.
bool Damage::LooksLikeATear(MemoryDirectory* told) const {
  if (kind_ != DamageKind::kFlip && kind_ != DamageKind::kTruncate) return true;
  const auto bytes = told->ReadFile(file_);
  CHECK(bytes.ok());
  if (kind_ == DamageKind::kTruncate) {
    return bytes->size() > cluster_->options().store.log_segment_bytes;
  }
  const uint64_t sector = offset_ / kSector * kSector;
  const uint64_t used = UsedBytes(*bytes);
  return bytes->substr(offset_ + 1, sector + kSector - offset_ - 1).find_first_not_of('\0') ==
             std::string::npos ||
         used < sector + kTellingBytes || offset_ + kTellingBytes >= sector + kSector;
}

// Both what the disk was told and what it holds are known here: a start must find the difference,
// or there must be none in what it takes from the log.
void Damage::JudgeLog(int node) {
  MemoryDirectory* directory = cluster_->node(node).directory();
  if (node != victim_ || !directory->Damaged()) return;
  const std::unique_ptr<MemoryDirectory> told = directory->Clone();
  told->Mend();
  const std::unique_ptr<MemoryDirectory> held = directory->Clone();
  const consensus::log::LogOptions options = cluster_->node(node).LogOptions();
  Recovered expected;
  Recovered found;
  auto log = consensus::log::SharedLog::Open(options, told.get(), &expected);
  CHECK(log.ok()) << log.status();
  log = consensus::log::SharedLog::Open(options, held.get(), &found);
  if (!log.ok() || SameState(expected, found)) return;
  if (!LooksLikeATear(told.get())) {
    cluster_->checkers().Report(
        "Silent Damage", absl::StrCat("store ", node + 1, " starts with less than it had, after ",
                                      ToString(kind_), " of its log"));
    return;
  }
  directory->Mend();
  ++fate().undetectable;
  Over();
}

std::string Damage::CheckMembers(size_t voters_min) const {
  for (const auto& [range, descriptor] : cluster_->KnownRanges()) {
    size_t voters = 0;
    for (const auto& replica : descriptor.replicas()) {
      if (replica.role() != type::v1::REPLICA_ROLE_LEARNER) ++voters;
      if (cluster_->node(static_cast<int>(replica.store_id()) - 1).retired()) {
        return absl::StrCat("range ", range.value(), " has a replica on store ", replica.store_id(),
                            ", which was found damaged");
      }
    }
    if (voters < voters_min) {
      return absl::StrCat("range ", range.value(), " has ", voters, " voters");
    }
  }
  return "";
}

}  // namespace rasputin::sim
