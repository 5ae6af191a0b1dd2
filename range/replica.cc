// See replica.h: proposing, reading, waiting. Applying is in replica_apply.cc.

#include "range/replica.h"

#include <glog/logging.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/fields.h"
#include "kv/session_table.h"
#include "range/descriptor.h"
#include "range/load/figures.h"
#include "range/load/split_rules.h"
#include "range/merge.h"
#include "range/meta_state.h"
#include "rasputin/storage/v1/storage.pb.h"

namespace rasputin::range {
namespace {

using consensus::Index;
using consensus::Instant;
using consensus::Term;

constexpr int kMutantVersionGoesBackwards = 48;

ReplicaId SelfIn(const RangeDescriptor& descriptor, StoreId store) {
  for (const auto& replica : descriptor.replicas()) {
    if (replica.store_id() == store.value()) return ReplicaId(replica.replica_id());
  }
  LOG(FATAL) << "store " << store << " is no member of range " << descriptor.range_id();
}

Response Refuse(Outcome outcome, std::string message) {
  Response response;
  response.outcome = outcome;
  response.message = std::move(message);
  return response;
}

Response OutcomeUnknown() {
  return Refuse(Outcome::kOutcomeUnknown,
                "the leader lost its leadership before the write was committed: it may or may not "
                "take effect; read, or repeat it with a request id");
}

}  // namespace

Replica::Replica(ReplicaContext* context, RangeDescriptor descriptor,
                 const kv::AppliedState& applied)
    : context_(context),
      descriptor_(std::move(descriptor)),
      self_(SelfIn(descriptor_, context->store)),
      space_{descriptor_.range_id(), descriptor_.collection_id()},
      applied_(applied),
      highest_version_(applied.version_floor) {}

void Replica::Start(const consensus::CoreOptions& options, const consensus::HardState& hard_state,
                    bool leads_first_term, const ClockReading& now, Index committed) {
  CHECK(group_ == nullptr) << "range " << range() << " was started";
  consensus::CoreOptions own = options;
  own.range = range();
  own.self = self_;
  own.self_store = context_->store;
  // Replicas draw different timers from one configured seed.
  own.seed = options.seed * 1000003 + range().value() * 8191 + self_.value();
  consensus::InitialState initial;
  initial.hard_state = hard_state;
  initial.configuration = ToConfiguration(descriptor_);
  initial.applied = applied();
  initial.committed = replays_to_ = committed;
  initial.leads_first_term = leads_first_term;
  group_ = std::make_unique<consensus::Group>(own, initial, context_->log, context_->leases, now);
}

absl::StatusOr<Index> Replica::LastSplitInto(const std::function<bool(RangeId)>& is_wanted) const {
  Index found;
  std::set<RangeId> seen;
  const Index last = context_->log->Last(range()).index;
  for (Index next = applied().Next(); next <= last;) {
    absl::StatusOr<std::vector<consensus::Entry>> entries =
        context_->log->ReadEntries(range(), next, last, 1 << 20);
    if (!entries.ok()) return entries.status();
    for (const consensus::Entry& entry : *entries) {
      next = entry.index.Next();
      if (entry.type != consensus::EntryType::kCommand) continue;
      const absl::StatusOr<kv::Command> command = kv::DecodeCommand(entry.payload);
      if (!command.ok()) return command.status();
      storage::v1::SplitCommand split;
      if (command->operation != kv::Operation::kSplit ||
          !split.ParseFromString(std::string(command->body))) {
        continue;
      }
      // Of several splits into one child the first made it.
      const RangeId child(split.child_range_id());
      if (is_wanted(child) && seen.insert(child).second) found = entry.index;
    }
  }
  return found;
}

StoreId Replica::LeaderStore() const {
  return group_ == nullptr ? StoreId() : group_->core().leader_store_hint();
}

Response Replica::NotLeader() const {
  Response response = Refuse(Outcome::kNotLeader, "this store does not lead the range");
  response.leader_store = LeaderStore();
  return response;
}

void Replica::Submit(const ClockReading& now, Request request, std::vector<Answer>* answers) {
  CHECK(request.completion != nullptr);
  if (group_ == nullptr) {
    answers->push_back({request.completion, NotLeader()});
  } else if (std::optional<Response> closed = RefuseClosed(request); closed.has_value()) {
    answers->push_back({request.completion, *std::move(closed)});
  } else if (request.operation == kv::Operation::kFreeze && IsFrozen(descriptor_)) {
    SubmitFreezeAgain(now, request, answers);
  } else if (now.boot >= request.deadline) {
    answers->push_back(
        {request.completion, Refuse(Outcome::kDeadlineExceeded,
                                    "the deadline passed before the request was taken up")});
  } else if (!kv::IsWrite(request.operation)) {
    SubmitRead(now, std::move(request), answers);
  } else {
    Propose(now, std::move(request), answers);
  }
  AskAfterLeader(now);
}

// [H-11]: a follower that clients come to asks, at most once in D, whether its binding still holds;
// the release of a leader that gave up may have been lost.
void Replica::AskAfterLeader(const ClockReading& now) {
  if (group_ == nullptr || group_->core().role() == consensus::Role::kLeader) return;
  if (now.boot < next_query_) return;
  next_query_ = now.boot + context_->lease_duration;
  group_->core().QueryBinding(now);
}

void Replica::SubmitRead(const ClockReading& now, Request request, std::vector<Answer>* answers) {
  consensus::Core& core = group_->core();
  if (core.role() != consensus::Role::kLeader) {
    answers->push_back({request.completion, NotLeader()});
    return;
  }
  PendingRead read;
  read.needed = core.commit_index();
  read.arrived = now.boot;
  const bool round = request.read_index || !core.MayServeRead(now);
  read.request = std::move(request);
  if (round) {
    read.context = next_read_context_;
    if (!core.RequestReadIndex(now, read.context)) {
      answers->push_back({read.request.completion, NotLeader()});
      return;
    }
    ++next_read_context_;
  }
  reads_.push_back(std::move(read));
}

absl::StatusOr<kv::Command> Replica::MakeCommand(const ClockReading& now, const Request& request) {
  kv::Command command;
  command.generation = descriptor_.generation();
  command.origin = context_->store.value();
  command.origin_sequence = context_->next_origin_sequence++;
  command.session = request.id;
  command.operation = request.operation;
  command.body = request.body;
  if (request.operation == kv::Operation::kSplit) {
    storage::v1::SplitCommand split;
    if (!split.ParseFromString(std::string(request.body))) {
      return absl::InvalidArgumentError("the split request does not parse");
    }
    if (absl::Status status = ValidateSplit(descriptor_, absl::string_view(split.split_key()),
                                            split.child_collection_id());
        !status.ok()) {
      return status;
    }
    if (ToConfiguration(descriptor_).IsJoint()) {
      return absl::FailedPreconditionError(
          "the members of the range are being changed: retry the split when that is done");
    }
    if (split.child_range_id() == 0) return absl::InvalidArgumentError("the child has no id");
    split.set_child_leader_replica_id(self_.value());
    command.body = absl::Cord(split.SerializeAsString());
  }
  if (IsMergeStep(request.operation)) {
    if (absl::Status status = CheckMergeStep(now, request); !status.ok()) return status;
  }
  command.version = context_->versions->Next(
      context_->mutants.Has(kMutantVersionGoesBackwards) ? 0 : highest_version_);
  return command;
}

std::optional<Response> Replica::RefuseByClock(const kv::Command& command) const {
  if (!command.session.has_value()) return std::nullopt;
  const uint64_t issued_ms = command.session->issued_at_ms;
  const uint64_t version_ms = command.version >> 16;
  const int64_t clock_ms = context_->versions->wall_us() / 1000;
  if (issued_ms > version_ms + kv::kClockAheadMaxMs) {
    return Refuse(Outcome::kFailedPrecondition,
                  absl::StrCat("request_id.issued_at_ms is ", issued_ms - version_ms,
                               " ms ahead of the cluster; at most ", kv::kClockAheadMaxMs,
                               " ms are allowed: the client's clock says ", issued_ms,
                               ", that of store ", context_->store.value(), " and its peers ",
                               clock_ms, "; set the one that is wrong; not executed"));
  }
  if (issued_ms + kv::kIssuedAgeMaxMs > version_ms) return std::nullopt;
  // A client that is known may repeat what is older. Only looked at: the turn is not committed.
  kv::Turn looked_at(context_->ports->engine);
  const absl::StatusOr<kv::SessionTable::Admission> admission =
      kv::SessionTable(range().value(), command.version, &looked_at).Admit(*command.session);
  if (!admission.ok() || *admission != kv::SessionTable::Admission::kExpired) return std::nullopt;
  return Refuse(
      Outcome::kSessionExpired,
      absl::StrCat("the request_id is older than what is remembered (", kv::kIssuedAgeMaxMs / 60000,
                   " minutes): it was issued at ", issued_ms, " by the client's clock, now it is ",
                   version_ms, " in the range, ", clock_ms, " by the clock of store ",
                   context_->store.value(),
                   " and its peers; whether it was executed is unknown: read before you repeat it "
                   "under another request_id; if it is new, set the clock that is wrong"));
}

// A new leader's versions lie above every version of its log, committed or not: the next leader
// after a crash would otherwise give a smaller version to a later write.
absl::Status Replica::RaiseVersionFloor() {
  const consensus::Core& core = group_->core();
  if (version_floor_term_ == core.term()) return absl::OkStatus();
  Index next = std::max(applied(), context_->log->Start(range()).index).Next();
  // Behind the log's end there is only this term's own: its first, empty entry, elected in this
  // turn (a candidate accepts no entries), and commands whose versions were given here.
  const Index last = std::min(core.last_index(), context_->log->Last(range()).index);
  while (next <= last) {
    absl::StatusOr<std::vector<consensus::Entry>> entries =
        context_->log->ReadEntries(range(), next, last, 1 << 20);
    if (!entries.ok()) return entries.status();
    for (const consensus::Entry& entry : *entries) {
      if (entry.type != consensus::EntryType::kCommand) continue;
      absl::StatusOr<kv::Command> command = kv::DecodeCommand(entry.payload);
      if (!command.ok()) return command.status();
      highest_version_ = std::max(highest_version_, command->version);
    }
    next = entries->back().index.Next();
  }
  version_floor_term_ = core.term();
  return absl::OkStatus();
}

void Replica::Propose(const ClockReading& now, Request request, std::vector<Answer>* answers) {
  consensus::Core& core = group_->core();
  if (!core.IsServingLeader(now)) {
    answers->push_back({request.completion, NotLeader()});
    return;
  }
  if (context_->log->OutOfSpace() || context_->ports->engine->OutOfSpace()) {
    answers->push_back(
        {request.completion,
         Refuse(Outcome::kOverloaded,
                absl::StrCat("the disk of store ", context_->store.value(),
                             ", which leads the range, is full: writes are refused until space is "
                             "freed there or another store leads; reads go on; not executed"))});
    return;
  }
  if (std::optional<Response> refusal = RefuseBySize(now, request); refusal.has_value()) {
    answers->push_back({request.completion, *std::move(refusal)});
    return;
  }
  if (absl::Status status = RaiseVersionFloor(); !status.ok()) {
    log_failure_ = absl::Status(
        status.code(), absl::StrCat("the log of range ", range().value(),
                                    " could not be read: the store stops: ", status.message()));
    answers->push_back({request.completion, NotLeader()});
    return;
  }
  absl::StatusOr<kv::Command> command = MakeCommand(now, request);
  if (!command.ok()) {
    const Outcome outcome = absl::IsInvalidArgument(command.status())
                                ? Outcome::kInvalidArgument
                                : Outcome::kFailedPrecondition;
    answers->push_back(
        {request.completion, Refuse(outcome, std::string(command.status().message()))});
    return;
  }
  if (std::optional<Response> refusal = RefuseByClock(*command); refusal.has_value()) {
    answers->push_back({request.completion, *std::move(refusal)});
    return;
  }
  const consensus::ProposeResult result = core.Propose(now, kv::EncodeCommand(*command));
  switch (result.status) {
    case consensus::ProposeStatus::kNotLeader:
      answers->push_back({request.completion, NotLeader()});
      return;
    case consensus::ProposeStatus::kOverloaded:
      answers->push_back(
          {request.completion,
           Refuse(Outcome::kOverloaded, "the range has too many uncommitted writes; retry later")});
      return;
    case consensus::ProposeStatus::kChangeUnderWay:
    case consensus::ProposeStatus::kNotReady:
    case consensus::ProposeStatus::kInvalid:
      LOG(FATAL) << "said of configurations only";
    case consensus::ProposeStatus::kAccepted:
      break;
  }
  highest_version_ = command->version;
  leadership_ended_.reset();
  // What an earlier leadership of ours left at or after this index is not in this log any more. It
  // was not committed, but may be yet: another member may hold it, and be elected with it before
  // anything of this term is committed.
  while (waiters_.size() > waiters_head_ && waiters_.back().index >= result.index) {
    answers->push_back({waiters_.back().completion, OutcomeUnknown()});
    waiters_.pop_back();
  }
  waiters_.push_back({result.term, result.index, command->origin_sequence, request.operation,
                      request.completion, FreezePatience(now, request), now.boot,
                      request.body.size()});
  RecordLoad(now, request, request.last_key, request.body.size());
}

void Replica::RecordLoad(const ClockReading& now, const Request& request,
                         absl::string_view last_key, uint64_t bytes) {
  RequestWork work;
  work.operation = request.operation;
  work.writes = kv::IsWrite(request.operation);
  work.bytes = bytes;
  // Those of the meta range are not of keys.
  if (request.operation != kv::Operation::kMeta && request.operation != kv::Operation::kMetaRead) {
    work.first_key = request.first_key;
    work.last_key = last_key;
  }
  if (request.operation == kv::Operation::kBatch) {
    const kv::BatchCount count = kv::CountOperations(request.body);
    work.operations = count.operations;
    work.writes = count.mutations > 0;
  }
  context_->loads->OnRequest(now.boot, range(), work, &load);
}

void Replica::OnReadIndex(const consensus::ReadIndexResult& result) {
  for (PendingRead& read : reads_) {
    if (read.context != result.context || read.context == 0) continue;
    read.context = 0;
    read.refused = result.failed;
    read.confirmed = !result.failed;
    if (read.confirmed) read.needed = std::max(read.needed, result.index);
  }
}

bool Replica::Servable(const ClockReading& now, const PendingRead& read) const {
  // Not applied(): while the engine stalls, that is ahead of what can be read.
  if (group_->core().applied_index() < read.needed) return false;
  if (read.confirmed) return true;
  return !read.request.read_index && group_->core().MayServeRead(now);
}

absl::StatusOr<kv::Outcome> Replica::Execute(const Request& request) const {
  const kv::Engine& engine = *context_->ports->engine;
  switch (request.operation) {
    case kv::Operation::kGet:
      return kv::Get(space_, request.body, engine);
    case kv::Operation::kMetaRead:
      return AnswerMetaQuery(request.body, engine);
    default:
      break;
  }
  const absl::string_view start(descriptor_.start_key());
  const std::string prefix = CollectionPrefix(descriptor_.collection_id() + 1);
  const bool to_end_of_collection =
      descriptor_.end_key().empty() || descriptor_.end_key() >= prefix;
  const absl::string_view end =
      to_end_of_collection ? absl::string_view() : UserKey(descriptor_.end_key());
  return kv::ScanPage(space_, UserKey(start), end, request.body, engine);
}

absl::Status Replica::ExecuteReads(const ClockReading& now, std::vector<ReadAnswer>* done,
                                   std::vector<Answer>* answers) {
  const bool leads = group_->core().role() == consensus::Role::kLeader;
  size_t kept = 0;
  for (PendingRead& read : reads_) {
    if (Servable(now, read)) {
      absl::StatusOr<kv::Outcome> outcome = Execute(read.request);
      if (!outcome.ok()) return outcome.status();
      ReadAnswer answer;
      answer.replica = this;
      answer.generation = read.request.generation;
      answer.by_lease = !read.confirmed;
      answer.answer = {read.request.completion, ToResponse(*outcome)};
      answer.arrived = read.arrived;
      if (read.request.operation == kv::Operation::kScan) {
        answer.last_key = outcome->scanned_to.empty()
                              ? descriptor_.end_key()
                              : CollectionPrefix(descriptor_.collection_id()) + outcome->scanned_to;
      }
      answer.request = std::move(read.request);
      done->push_back(std::move(answer));
    } else if (read.refused || (!leads && !read.confirmed)) {
      answers->push_back({read.request.completion, NotLeader()});
    } else if (now.boot >= read.request.deadline) {
      answers->push_back({read.request.completion,
                          Refuse(Outcome::kDeadlineExceeded,
                                 "the deadline passed while the leader waited for its lease")});
    } else {
      if (&reads_[kept] != &read) reads_[kept] = std::move(read);
      ++kept;
    }
  }
  reads_.resize(kept);
  return absl::OkStatus();
}

void Replica::RequeueRead(ReadAnswer read) {
  PendingRead pending;
  pending.needed = group_->core().commit_index();
  pending.arrived = read.arrived;
  pending.request = std::move(read.request);
  reads_.push_back(std::move(pending));
}

void Replica::RecordRead(const ClockReading& now, const ClockReading& after,
                         const ReadAnswer& read) {
  const uint64_t answer_bytes = read.answer.response.body.size();
  absl::string_view last_key = read.request.last_key;
  if (read.request.operation == kv::Operation::kScan) {
    // Behind the prefix of every collection: the end of the keyspace.
    static constexpr char kBehindAll[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    last_key = read.last_key.empty() ? absl::string_view(kBehindAll) : read.last_key;
  }
  RecordLoad(now, read.request, last_key, answer_bytes);
  context_->loads->OnAnswer(read.request.operation, after.boot - read.arrived,
                            read.request.body.size() + answer_bytes, &load);
}

std::optional<Response> Replica::RefuseBySize(const ClockReading& now, const Request& request) {
  if (load.meter == nullptr || now.boot >= load.meter->full_until) return std::nullopt;
  switch (request.operation) {
    case kv::Operation::kSet:
    case kv::Operation::kCas:
      break;
    case kv::Operation::kBatch: {
      const kv::BatchCount count = kv::CountOperations(request.body);
      if (count.mutations == count.deletes) return std::nullopt;
      break;
    }
    default:
      return std::nullopt;
  }
  // Whoever is refused is no idler: with the meter the limit would go.
  load.meter->last_request = std::max(load.meter->last_request, now.boot);
  const SizeCap& cap = load.meter->cap;
  Response response = Refuse(
      Outcome::kOverloaded,
      absl::StrCat("range ", range().value(), " holds ", FormatBytes(load.size_bytes),
                   ", its limit is ", FormatBytes(cap.bytes()), " (", SizeCap::kFactor, " times ",
                   cap.is_of_size() ? "what it held when that was set" : "its size threshold",
                   "): it takes no more data until it is split, which happens by itself; "
                   "deletions and reads go on; not executed"));
  response.retry_after = std::chrono::seconds(1);
  return response;
}

Instant Replica::WaiterDeadline(consensus::Duration patience) const {
  Instant freezes = Instant::max();
  for (const PendingFreeze& freeze : freezes_) freezes = std::min(freezes, freeze.until);
  if (!HasWaiters() || group_ == nullptr) return freezes;
  if (group_->core().role() == consensus::Role::kLeader) return freezes;
  return leadership_ended_.has_value() ? *leadership_ended_ + patience : Instant::min();
}

void Replica::ExpireWaiters(const ClockReading& now, consensus::Duration patience,
                            std::vector<Answer>* answers) {
  if (!HasWaiters()) return;
  if (group_->core().role() == consensus::Role::kLeader) {
    leadership_ended_.reset();
    return;
  }
  if (!leadership_ended_.has_value()) leadership_ended_ = now.boot;
  if (now.boot < *leadership_ended_ + patience) return;
  AbandonWaiters(answers);
}

void Replica::AbandonWaiters(std::vector<Answer>* answers) {
  for (; waiters_head_ < waiters_.size(); ++waiters_head_) {
    answers->push_back({waiters_[waiters_head_].completion, OutcomeUnknown()});
  }
  waiters_.clear();
  waiters_head_ = 0;
  if (change_.has_value()) answers->push_back({change_->completion, OutcomeUnknown()});
  change_.reset();
}

void Replica::Stop(std::vector<Answer>* answers) {
  AbandonWaiters(answers);
  for (PendingRead& read : reads_) answers->push_back({read.request.completion, NotLeader()});
  for (const PendingFreeze& freeze : freezes_) answers->push_back({freeze.completion, NotLeader()});
  reads_.clear();
  freezes_.clear();
}

Response ToResponse(const kv::Outcome& outcome) {
  Response response;
  response.body = outcome.response;
  response.message = outcome.message;
  switch (outcome.code) {
    case kv::OutcomeCode::kOk:
      response.outcome = Outcome::kOk;
      break;
    case kv::OutcomeCode::kInvalidArgument:
      response.outcome = Outcome::kInvalidArgument;
      break;
    case kv::OutcomeCode::kSessionExpired:
      response.outcome = Outcome::kSessionExpired;
      break;
    case kv::OutcomeCode::kResourceExhausted:
      response.outcome = Outcome::kOverloaded;
      break;
    case kv::OutcomeCode::kFailedPrecondition:
      response.outcome = Outcome::kFailedPrecondition;
      break;
    case kv::OutcomeCode::kNotFound:
      response.outcome = Outcome::kNotFound;
      break;
    case kv::OutcomeCode::kAlreadyExists:
      response.outcome = Outcome::kAlreadyExists;
      break;
  }
  return response;
}

}  // namespace rasputin::range
