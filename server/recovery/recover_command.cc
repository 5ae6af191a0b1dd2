// Flags, words and order of the surgery; see recover_command.h.

#include "server/recovery/recover_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"
#include "kv/rocks_engine.h"
#include "range/offline_store.h"
#include "range/recovery_plan.h"
#include "server/clock/clock.h"
#include "server/disk/posix_directory.h"
#include "server/node/quarantine.h"
#include "server/node/storage_dir.h"
#include "server/recovery/audit_file.h"

namespace rasputin::server {
namespace {

using consensus::RangeId;
using consensus::StoreId;
using range::RangeVerdict;
using storage::v1::ReplicaReport;
using storage::v1::StoreReport;

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kRefused = 4;

constexpr char kHelp[] =
    R"(rasputind recover COMMAND --storage-dir=DIR ...

For a cluster that has lost the majority of some ranges FOR GOOD. The store's rasputind must be
stopped.

  inspect        Shows what the store holds; changes nothing in any range.
      --report=FILE        also writes it to FILE, for `lost-majority` at other survivors
      --lost-stores=2,3    also says which ranges have lost their majority
  lost-majority  Makes each range that has lost its majority live again with ONE replica: that of
                 the survivor whose log holds most. WRITES THAT WERE ACKNOWLEDGED AND ARE ONLY ON
                 THE LOST STORES ARE LOST. Shows what it would do, unless the loss is accepted.
      --lost-stores=2,3    the stores that are gone for good; they must never run again
      --reports=F1,F2      reports of all other survivors (the same files at each of them)
      --accept-loss-of-acknowledged-writes    does it
)";

struct Options {
  std::string command;
  std::string storage_dir;
  std::vector<StoreId> lost;
  std::vector<std::string> reports;
  std::string report;
  bool accepts_loss = false;
};

absl::StatusOr<std::vector<StoreId>> ParseStores(const std::string& text) {
  std::set<StoreId> stores;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    uint64_t id = 0;
    if (!absl::SimpleAtoi(part, &id) || id == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--lost-stores must be a list of store ids like 2,3, not '", text, "'"));
    }
    stores.insert(StoreId(id));
  }
  return std::vector<StoreId>(stores.begin(), stores.end());
}

absl::StatusOr<Options> Parse(const std::vector<std::string>& arguments) {
  Options options;
  for (const std::string& argument : arguments) {
    const std::pair<std::string, std::string> flag =
        absl::StrSplit(argument, absl::MaxSplits('=', 1));
    const auto& [name, value] = flag;
    if (name == "--storage-dir") {
      options.storage_dir = value;
    } else if (name == "--lost-stores") {
      absl::StatusOr<std::vector<StoreId>> lost = ParseStores(value);
      if (!lost.ok()) return lost.status();
      options.lost = *std::move(lost);
    } else if (name == "--reports") {
      options.reports = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else if (name == "--report") {
      options.report = value;
    } else if (argument == "--accept-loss-of-acknowledged-writes") {
      options.accepts_loss = true;
    } else if (options.command.empty() && (argument == "inspect" || argument == "lost-majority")) {
      options.command = argument;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("'", argument, "' is not understood"));
    }
  }
  if (options.command.empty()) return absl::InvalidArgumentError("say inspect or lost-majority");
  if (options.storage_dir.empty()) {
    return absl::InvalidArgumentError("--storage-dir=DIR is missing");
  }
  if (options.command == "lost-majority" && options.lost.empty()) {
    return absl::InvalidArgumentError("--lost-stores=LIST is missing");
  }
  return options;
}

absl::StatusOr<StoreReport> ReadReport(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  StoreReport report;
  if (!file || !google::protobuf::util::JsonStringToMessage(text.str(), &report).ok() ||
      report.store_id() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--reports: ", path, " is not a report of `rasputind recover inspect`"));
  }
  return report;
}

absl::Status WriteReport(const StoreReport& report, const std::string& path) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(report, &text, options).ok()) {
    return absl::InternalError("the report cannot be written as JSON");
  }
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--report: ", path, " cannot be written"));
}

std::string Names(const std::vector<StoreId>& stores) {
  std::vector<uint64_t> ids;
  for (const StoreId store : stores) ids.push_back(store.value());
  return absl::StrJoin(ids, ",");
}

std::string KeyText(const std::string& full_key) {
  if (full_key.size() < 8) return "end of the keys";
  uint64_t collection = 0;
  for (size_t i = 0; i < 8; ++i) collection = collection << 8 | static_cast<uint8_t>(full_key[i]);
  return absl::StrCat("collection ", collection, " '", absl::CHexEscape(full_key.substr(8)), "'");
}

// A stopped store, opened; what is opened later ends first.
struct Opened {
  std::unique_ptr<StorageDir> directory;
  std::unique_ptr<PosixDirectory> log;
  std::unique_ptr<kv::Engine> engine;
  std::unique_ptr<range::OfflineStore> store;
  StoreReport report;
  storage::v1::StoreBook book;
};

absl::StatusOr<Opened> Open(const std::string& path) {
  // A wrong name must not become a directory.
  if (access((path + "/log/MANIFEST").c_str(), R_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("--storage-dir ", path, " is not the directory of a store that can be read"));
  }
  Opened opened;
  absl::StatusOr<std::unique_ptr<StorageDir>> directory = StorageDir::Open(path);
  if (!directory.ok()) return directory.status();
  opened.directory = *std::move(directory);
  if (const std::optional<std::string> damage = Quarantine(path).Damage()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--storage-dir ", path, " is of a damaged store, whose word does not count: ", *damage));
  }
  absl::StatusOr<std::unique_ptr<PosixDirectory>> log =
      PosixDirectory::At(opened.directory->log_path());
  if (!log.ok()) return log.status();
  opened.log = *std::move(log);
  // Nothing is made in place of a disk that is not mounted.
  absl::Status there = opened.directory->CheckStateIsThere();
  if (there.ok()) there = opened.directory->PrepareState();
  if (!there.ok()) return there;
  kv::RocksOptions rocks;
  rocks.path = opened.directory->state_path();
  absl::StatusOr<std::unique_ptr<kv::Engine>> engine = kv::OpenRocksEngine(rocks);
  if (!engine.ok()) return engine.status();
  opened.engine = *std::move(engine);
  range::StoreOptions options;
  // Of leases that are never held: shorter than any that the directory knows.
  options.lease_duration = std::chrono::milliseconds(1);
  absl::StatusOr<std::unique_ptr<range::OfflineStore>> store =
      range::OfflineStore::Open(options, opened.log.get(), opened.engine.get(), ReadClocks());
  if (!store.ok()) return store.status();
  opened.store = *std::move(store);
  absl::StatusOr<StoreReport> report = opened.store->Inspect();
  if (!report.ok()) return report.status();
  opened.report = *std::move(report);
  if (!opened.book.ParseFromString(opened.directory->ReadStores())) opened.book.Clear();
  return opened;
}

absl::StatusOr<std::vector<RangeVerdict>> Plan(const Options& options, const StoreReport& own) {
  std::vector<StoreReport> reports = {own};
  for (const std::string& path : options.reports) {
    absl::StatusOr<StoreReport> report = ReadReport(path);
    if (!report.ok()) return report.status();
    // What the directory says now counts; the same files may be given everywhere.
    if (report->store_id() == own.store_id()) {
      if (report->cluster_id() == own.cluster_id()) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is of cluster ", report->cluster_id(), ", this store of cluster ",
                       own.cluster_id(), ": these are not of one cluster"));
    }
    reports.push_back(*std::move(report));
  }
  return range::PlanRecovery(reports, options.lost);
}

// A mistyped id must not be forgotten in place of the store that is meant.
absl::Status CheckLostAreKnown(const Options& options, const Opened& opened) {
  std::set<uint64_t> known;
  for (const auto& store : opened.book.stores()) known.insert(store.store_id());
  for (const ReplicaReport& replica : opened.report.replicas()) {
    for (const auto& member : replica.members()) known.insert(member.store_id());
  }
  for (const StoreId store : options.lost) {
    if (known.count(store.value()) != 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--lost-stores: store ", store.value(), " is not a store of this cluster as store ",
        opened.report.store_id(), " knows it: ", absl::StrJoin(known, ",")));
  }
  return absl::OkStatus();
}

void Show(const StoreReport& report, const std::vector<RangeVerdict>& verdicts, std::ostream* out) {
  std::map<uint64_t, const RangeVerdict*> by_range;
  for (const RangeVerdict& verdict : verdicts) by_range[verdict.range.value()] = &verdict;
  *out << "store " << report.store_id() << " of cluster " << report.cluster_id() << ", "
       << report.replicas_size() << " ranges\n";
  for (const ReplicaReport& replica : report.replicas()) {
    const range::RangeDescriptor& descriptor = replica.range();
    std::vector<uint64_t> members;
    for (const auto& member : replica.members()) members.push_back(member.store_id());
    *out << "range " << descriptor.range_id() << (descriptor.range_id() == 1 ? " (meta)" : "")
         << ": from " << KeyText(descriptor.start_key()) << " to " << KeyText(descriptor.end_key())
         << ", generation " << descriptor.generation() << "\n  replica " << replica.replica_id()
         << ", members on the stores " << absl::StrJoin(members, ",") << ", term " << replica.term()
         << ", log ends at term " << replica.last_term() << " index " << replica.last_index()
         << ", applied up to " << replica.applied_index() << "\n";
    const auto verdict = by_range.find(descriptor.range_id());
    if (verdict == by_range.end()) continue;
    if (verdict->second->keeps_majority) {
      *out << "  keeps its majority: nothing may be done to it\n";
    } else if (verdict->second->survivor.value() == report.store_id()) {
      *out << "  HAS LOST ITS MAJORITY: goes on from this store's replica alone\n";
    } else {
      *out << "  HAS LOST ITS MAJORITY: goes on from the replica of store "
           << verdict->second->survivor << ", which holds more; the one here is removed\n";
    }
  }
}

int Fail(const absl::Status& status, std::ostream* err) {
  *err << "rasputind recover: " << status.message() << "\n";
  if (absl::IsInvalidArgument(status)) return kUsage;
  const bool refused = absl::IsFailedPrecondition(status) || absl::IsUnavailable(status);
  return refused ? kRefused : kFailed;
}

absl::Status Operate(const Options& options, const std::vector<RangeVerdict>& verdicts,
                     Opened* opened, std::ostream* out) {
  const AuditFile audit(options.storage_dir);
  const auto note = [&audit](const std::string& text) {
    return audit.Append(ReadClocks().wall_us, text);
  };
  const StoreId self(opened->report.store_id());
  absl::Status status =
      note(absl::StrCat(kRecoveryBegun, ": an operator called the stores ", Names(options.lost),
                        " lost for good and accepted the ", "loss of acknowledged writes"));
  if (!status.ok()) return status;
  // First, so that no lost store that comes back is heard by what is recovered.
  status = range::Store::ForgetStores(opened->log.get(), options.lost);
  for (const RangeVerdict& verdict : verdicts) {
    if (!status.ok()) return status;
    const bool here = std::any_of(opened->report.replicas().begin(),
                                  opened->report.replicas().end(), [&verdict](const auto& replica) {
                                    return replica.range().range_id() == verdict.range.value();
                                  });
    if (verdict.keeps_majority || !here) continue;
    const std::string text =
        verdict.survivor == self
            ? absl::StrCat("range ", verdict.range.value(),
                           " goes on from this replica alone, from term ",
                           verdict.position.term.value(), " index ", verdict.position.index.value())
            : absl::StrCat("range ", verdict.range.value(), ": the replica here is removed, store ",
                           verdict.survivor.value(), " holds more");
    status = verdict.survivor == self ? opened->store->MakeLone(verdict.range)
                                      : opened->store->Remove(verdict.range);
    if (status.ok()) status = note(text);
    if (status.ok()) *out << text << "\n";
  }
  if (status.ok()) status = note(kRecoveryFinished);
  return status;
}

int LostMajority(const Options& options, const std::vector<RangeVerdict>& verdicts, Opened* opened,
                 std::ostream* out, std::ostream* err) {
  const bool any = std::any_of(verdicts.begin(), verdicts.end(),
                               [](const RangeVerdict& one) { return !one.keeps_majority; });
  const AuditFile audit(options.storage_dir);
  if (!any) {
    if (options.accepts_loss && audit.RecoveryUnfinished()) {
      const absl::Status status = audit.Append(ReadClocks().wall_us, kRecoveryFinished);
      if (!status.ok()) return Fail(status, err);
      *out << "the recovery that was begun here is complete\n";
      return kDone;
    }
    return Fail(absl::FailedPreconditionError(
                    "no range has lost its majority: nothing was done; start the survivors, and "
                    "replace the lost stores with `rasputin store replace`"),
                err);
  }
  if (!options.accepts_loss) {
    *out
        << "\nNOTHING WAS CHANGED. If it is done, every write that was acknowledged and is only on "
           "the stores "
        << Names(options.lost)
        << " is LOST, and nobody can say which.\nThe lost stores must never run again: if a "
           "majority of them did, they would serve their own, other history.\nTo do it, repeat the "
           "command with --accept-loss-of-acknowledged-writes\n";
    return kDone;
  }
  const absl::Status done = Operate(options, verdicts, opened, out);
  if (!done.ok()) {
    *err << "rasputind recover: broken off, repeat the command: " << done.message() << "\n";
    return kFailed;
  }
  *out << "\nDone; noted in " << options.storage_dir << "/" << kAuditFileName
       << ". Writes that were only on the stores " << Names(options.lost)
       << " are lost.\nNext: the same command at every other survivor; start the survivors; add "
          "stores and replicas\n(`rasputin range replicas RANGE add STORE` for each range); then "
          "`rasputin store forget` for each of "
       << Names(options.lost) << ".\n";
  return kDone;
}

}  // namespace

int RunRecover(const std::vector<std::string>& arguments, std::ostream* out, std::ostream* err) {
  const bool help = arguments.empty() || arguments[0] == "help" ||
                    std::any_of(arguments.begin(), arguments.end(), [](const std::string& word) {
                      return word == "--help" || word == "-h";
                    });
  if (help) {
    *out << kHelp;
    return arguments.empty() ? kUsage : kDone;
  }
  const absl::StatusOr<Options> options = Parse(arguments);
  if (!options.ok()) return Fail(options.status(), err);
  absl::StatusOr<Opened> opened = Open(options->storage_dir);
  if (!opened.ok()) return Fail(opened.status(), err);
  std::vector<RangeVerdict> verdicts;
  if (!options->lost.empty()) {
    const absl::Status known = CheckLostAreKnown(*options, *opened);
    if (!known.ok()) return Fail(known, err);
    absl::StatusOr<std::vector<RangeVerdict>> plan = Plan(*options, opened->report);
    if (!plan.ok()) return Fail(plan.status(), err);
    verdicts = *std::move(plan);
  }
  Show(opened->report, verdicts, out);
  if (options->command == "lost-majority") {
    return LostMajority(*options, verdicts, &*opened, out, err);
  }
  if (options->report.empty()) return kDone;
  const absl::Status written = WriteReport(opened->report, options->report);
  return written.ok() ? kDone : Fail(written, err);
}

}  // namespace rasputin::server
