// See replica.h: applying committed entries.

#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "range/descriptor.h"
#include "range/meta_state.h"
#include "range/replica.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {
namespace {

constexpr int kMutantKeyedByIndexOnly = 16;
constexpr int kMutantAppliedOutsideBatch = 30;
constexpr int kMutantSessionsLostAtSplit = 34;
constexpr int kMutantChildInTermZero = 55;
constexpr int kMutantGenerationUnchecked = 62;
constexpr int kMutantMergeIgnoresAbandonment = 75;

}  // namespace

absl::StatusOr<bool> Replica::ApplyCommitted(kv::Turn* turn, ApplyResults* results) {
  if (absorbed_) return false;
  std::vector<consensus::Entry> entries = std::move(held_);
  held_.clear();
  for (consensus::Entry& entry : group_->TakeApplicable()) entries.push_back(std::move(entry));
  if (entries.empty()) return false;
  if (context_->mutants.Has(kMutantAppliedOutsideBatch)) {
    kv::WriteAppliedState(range().value(), applied_, turn);
  }
  size_t next = 0;
  for (; next < std::min(entries.size(), context_->apply_entries_max); ++next) {
    const consensus::Entry& entry = entries[next];
    CHECK_EQ(entry.index.value(), applied_.index + 1) << "range " << range();
    const absl::StatusOr<bool> applied = ApplyEntry(entry, turn, results);
    if (!applied.ok()) return applied.status();
    if (!*applied) break;
  }
  held_.assign(std::make_move_iterator(entries.begin() + static_cast<ptrdiff_t>(next)),
               std::make_move_iterator(entries.end()));
  if (held_.empty()) awaited_.reset();
  if (next == 0) return false;
  if (!context_->mutants.Has(kMutantAppliedOutsideBatch)) {
    kv::WriteAppliedState(range().value(), applied_, turn);
  }
  return true;
}

absl::StatusOr<bool> Replica::ApplyEntry(const consensus::Entry& entry, kv::Turn* turn,
                                         ApplyResults* results) {
  if (entry.type == consensus::EntryType::kConfig) {
    if (absl::Status status = ApplyConfiguration(entry, turn, results); !status.ok()) return status;
  } else {
    AnswerChange(entry, std::nullopt, &results->answers);
  }
  if (entry.type != consensus::EntryType::kCommand) {
    applied_.index = entry.index.value();
    applied_.term = entry.term.value();
    AnswerWaiters(entry, nullptr, nullptr, false, &results->answers);
    return true;
  }
  absl::StatusOr<kv::Command> command = kv::DecodeCommand(entry.payload);
  if (!command.ok()) return command.status();
  const bool mismatch = command->generation != descriptor_.generation() && !IsUnchecked(*command);
  kv::Outcome outcome;
  if (!mismatch) {
    awaited_ = Awaits(*command);
    if (awaited_.has_value()) return false;
    absl::StatusOr<kv::Outcome> applied = ApplyCommand(*command, entry, turn, results);
    if (!applied.ok()) return applied.status();
    outcome = *std::move(applied);
  }
  applied_.index = entry.index.value();
  applied_.term = entry.term.value();
  applied_.version_floor = std::max(applied_.version_floor, command->version);
  highest_version_ = std::max(highest_version_, command->version);
  AnswerWaiters(entry, &*command, &outcome, mismatch, &results->answers);
  context_->ports->observer->OnApplied(range(), entry.index, entry.term, entry.payload);
  if (group_->core().role() != consensus::Role::kLeader) {
    context_->loads->OnFollowed(entry.payload.size());
  }
  return true;
}

// By a mutant.
bool Replica::IsUnchecked(const kv::Command& command) const {
  return context_->mutants.Has(kMutantGenerationUnchecked) ||
         (context_->mutants.Has(kMutantMergeIgnoresAbandonment) &&
          command.operation == kv::Operation::kMerge);
}

// By term, index and origin, never by index alone [H-17]: another leader's entry may stand there.
bool Replica::IsOf(const Waiter& waiter, const consensus::Entry& entry,
                   const kv::Command& command) const {
  if (context_->mutants.Has(kMutantKeyedByIndexOnly)) return waiter.index == entry.index;
  return waiter.index == entry.index && waiter.term == entry.term &&
         command.origin == context_->store.value() &&
         command.origin_sequence == waiter.origin_sequence;
}

bool Replica::ProposedHere(const consensus::Entry& entry, const kv::Command& command) const {
  return std::any_of(waiters_.begin() + static_cast<ptrdiff_t>(waiters_head_), waiters_.end(),
                     [&](const Waiter& waiter) { return IsOf(waiter, entry, command); });
}

void Replica::OnCommitted() { group_->core().OnApplied(applied()); }

absl::StatusOr<kv::Outcome> Replica::ApplyCommand(const kv::Command& command,
                                                  const consensus::Entry& entry, kv::Turn* turn,
                                                  ApplyResults* results) {
  switch (command.operation) {
    case kv::Operation::kSplit:
      return ApplySplit(command, ProposedHere(entry, command), turn, results);
    case kv::Operation::kMeta:
      CHECK_EQ(range().value(), kMetaRangeId) << "a meta command in another range";
      return ApplyMetaCommand(command.body, turn, context_->mutants);
    case kv::Operation::kMergeBegin:
    case kv::Operation::kFreeze:
    case kv::Operation::kMerge:
    case kv::Operation::kMergeAbandon:
    case kv::Operation::kThaw:
    case kv::Operation::kMergeEnd:
    case kv::Operation::kDropRange:
      return ApplyMergeStep(command, turn, results);
    default:
      return kv::Apply(space_, command, turn);
  }
}

absl::StatusOr<kv::Outcome> Replica::ApplySplit(const kv::Command& command, bool proposed_here,
                                                kv::Turn* turn, ApplyResults* results) {
  storage::v1::SplitCommand split;
  if (!split.ParseFromString(std::string(command.body))) {
    return absl::DataLossError("a committed split does not parse");
  }
  const absl::string_view split_key(split.split_key());
  if (absl::Status status = ValidateSplit(descriptor_, split_key, split.child_collection_id());
      !status.ok()) {
    kv::Outcome refusal;
    refusal.code = kv::OutcomeCode::kFailedPrecondition;
    refusal.message = std::string(status.message());
    return refusal;
  }
  const uint64_t child = split.child_range_id();
  // A split that is repeated after its child was absorbed again: ids are never used twice.
  const absl::StatusOr<uint64_t> absorbed = kv::ReadHighestAbsorbed(range().value(), *turn);
  if (!absorbed.ok()) return absorbed.status();
  if (child <= *absorbed) {
    return kv::Outcome{kv::OutcomeCode::kFailedPrecondition,
                       {},
                       "the id of the new range is older than a merge of this one: the split was "
                       "carried out before, or came too late; ask for it again"};
  }
  if (*absorbed != 0) kv::WriteHighestAbsorbed(child, *absorbed, turn);
  SplitDescriptors halves = Split(descriptor_, split_key, child, split.child_collection_id());
  kv::WriteDescriptor(range().value(), halves.left.SerializeAsString(), turn);
  kv::WriteDescriptor(child, halves.right.SerializeAsString(), turn);
  kv::AppliedState first;
  first.index = kFirstIndex;
  first.term = context_->mutants.Has(kMutantChildInTermZero) ? 0 : kFirstTerm;
  first.version_floor = std::max(applied_.version_floor, command.version);
  kv::WriteAppliedState(child, first, turn);
  if (!context_->mutants.Has(kMutantSessionsLostAtSplit)) {
    const absl::Status status = kv::CopySessions(range().value(), child, turn);
    if (!status.ok()) return status;
  }
  storage::v1::SplitResult result;
  *result.mutable_left() = halves.left;
  *result.mutable_right() = halves.right;
  kv::Outcome outcome;
  outcome.response = absl::Cord(result.SerializeAsString());
  descriptor_ = halves.left;
  results->effects.emplace_back(SplitEffect{
      std::move(halves.left), std::move(halves.right), ReplicaId(split.child_leader_replica_id()),
      first.version_floor, proposed_here && split.child_leader_replica_id() == self_.value()});
  return outcome;
}

void Replica::AnswerWaiters(const consensus::Entry& entry, const kv::Command* command,
                            const kv::Outcome* outcome, bool mismatch,
                            std::vector<Answer>* answers) {
  while (waiters_head_ < waiters_.size() && waiters_[waiters_head_].index <= entry.index) {
    const Waiter& waiter = waiters_[waiters_head_++];
    Response response;
    if (command == nullptr || !IsOf(waiter, entry, *command)) {
      response = NotLeader();
    } else if (mismatch) {
      response.outcome = Outcome::kRangeMismatch;
      response.descriptors.push_back(descriptor_);
    } else if (waiter.operation == kv::Operation::kFreeze &&
               outcome->code == kv::OutcomeCode::kOk) {
      freezes_.push_back({applied_position(), waiter.until, waiter.completion});
      continue;
    } else {
      response = ToResponse(*outcome);
      context_->loads->OnAnswer(waiter.operation, context_->turn_began - waiter.arrived,
                                waiter.request_bytes + response.body.size(), &load);
    }
    answers->push_back({waiter.completion, std::move(response)});
  }
  if (waiters_head_ == waiters_.size()) {
    waiters_.clear();
    waiters_head_ = 0;
  }
}

}  // namespace rasputin::range
