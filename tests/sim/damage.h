// Damage to the disks of one store at a time: bits that flip, files that end early, writes that
// were acknowledged and are not there, blocks of the engine and identities that cannot be read.
//
// Makes damage, follows it until it was found, overwritten or shown to be harmless, and judges what
// a start makes of a damaged log: it must be detected or change nothing. A second store is not
// damaged before the first one is whole: only a minority of any range is ever hit. What follows
// from a finding is quarantine.h's business. Not thread-safe.

#ifndef RASPUTIN_TESTS_SIM_DAMAGE_H_
#define RASPUTIN_TESTS_SIM_DAMAGE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/cluster.h"
#include "tests/sim/quarantine.h"
#include "tests/sim/random.h"

namespace rasputin::sim {

enum class DamageKind : uint8_t {
  kFlip = 0,              // One bit of the log.
  kGarble = 1,            // Up to a sector of the log holds anything.
  kTruncate = 2,          // A file of the log ends early.
  kLostWrite = 3,         // Of the log: acknowledged, synced, and not there.
  kMisdirectedWrite = 4,  // The same, and it stands elsewhere in the file.
  kIdentity = 5,          // Of the store's manifest: a bit, or its end.
  kEngine = 6,            // Rows of the engine that follow each other.
};
inline constexpr size_t kDamageKinds = 7;
const char* ToString(DamageKind kind);

// What became of it: `made` is the sum of the others once all is over.
struct DamageFate {
  uint64_t made = 0;
  uint64_t found_at_start = 0;
  uint64_t found_running = 0;
  uint64_t found_by_look = 0;  // Only when the simulator had everything read at last.
  uint64_t harmless = 0;       // Overwritten, or where nothing is read.
  // The last frame of all was gone or garbled when the store started: nothing tells that from a
  // write that was torn. It was put right, as if the disk had been honest.
  uint64_t undetectable = 0;

  void Add(const DamageFate& other);
};

struct DamageReport {
  std::array<DamageFate, kDamageKinds> fates;
  uint64_t marks_lost = 0;  // See quarantine.h.
  std::vector<RealTime> repairs;

  DamageFate Sum() const;
  void Add(const DamageReport& other);
};

class Damage {
 public:
  // Installs itself as the cluster's start listener.
  Damage(Cluster* cluster, Quarantine* quarantine, const Random& random);

  void Start();
  // Makes no more.
  void Stop() { stopped_ = true; }
  // Nothing is damaged nor being replaced.
  bool Whole() const { return victim_ < 0 && !quarantine_->Busy(); }
  DamageReport report() const;
  // Every member of every range lives on a store that was not found damaged, and no range has fewer
  // voters than `voters_min`; else why not.
  std::string CheckMembers(size_t voters_min) const;

 private:
  void MakeLater();
  void Make();
  bool MayHit(int node) const;
  // False: there was nothing to damage.
  bool MakeNow(DamageKind kind);
  bool DamageLog(DamageKind kind);
  bool DamageIdentity();
  void Watch();
  void WatchArmed();
  void Look();
  void ReadEverything();
  void JudgeLog(int node);
  bool LooksLikeATear(consensus::log::MemoryDirectory* told) const;
  void Restart(RealTime after);
  void OnFound();
  void Over() { victim_ = -1; }
  DamageFate& fate() { return report_.fates[static_cast<size_t>(kind_)]; }

  Cluster* cluster_;
  Quarantine* quarantine_;
  Random random_;
  RealTime interval_mean_;
  bool stopped_ = false;
  int victim_ = -1;
  DamageKind kind_ = DamageKind::kFlip;
  std::string file_;  // Of the log, and where in it.
  uint64_t offset_ = 0;
  bool armed_ = false;          // The next write will go astray.
  uint64_t astray_before_ = 0;  // Writes that had.
  bool in_repair_ = false;
  bool looked_ = false;
  uint64_t starts_ = 0;   // Of the victim, when it was damaged.
  RealTime look_at_ = 0;  // Or, while armed, when it is given up.
  DamageReport report_;
};

}  // namespace rasputin::sim

#endif  // RASPUTIN_TESTS_SIM_DAMAGE_H_
