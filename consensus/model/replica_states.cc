// Execution and storage of single replicas' states; see replica_states.h.

#include "consensus/model/replica_states.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "consensus/core/core_invariants.h"
#include "consensus/core/core_script.h"

namespace rasputin::consensus::model {
namespace {

using Timer = CoreAccess::Timer;

ClockReading TheInstant() {
  const Instant instant(std::chrono::hours(1000));
  return {instant, instant, 0};
}

// Nonces of the model: unique per voter, its life, candidate and campaign, in whatever order
// campaigns come.
uint64_t NonceFor(uint64_t life, uint64_t attempt) { return life * 256 + attempt + 1; }
// Attempts of one life of a process are no attempts of another.
constexpr uint64_t kAttemptsPerLife = 16;

bool Binds(const HardState& state, uint32_t lease_view, size_t self) {
  return state.bound_leader.IsSet() && state.bound_term > state.released_term &&
         state.bound_epoch.value() >=
             LowestInView(lease_view, self, state.bound_leader.value() - 1);
}

std::string BytesOf(const Message& message, const StateBytes::Names& names) {
  StateBytes bytes(names);
  MessageTable::Encode(message, &bytes);
  return bytes.bytes();
}

// What waits for the disk is a set, like what is on its way.
void AddAnswers(std::vector<Message> more, std::vector<Message>* waiting) {
  for (Message& message : more) {
    const std::string bytes = BytesOf(message, kNames[0]);
    const bool known = std::any_of(waiting->begin(), waiting->end(), [&](const Message& other) {
      return BytesOf(other, kNames[0]) == bytes;
    });
    if (!known) waiting->push_back(std::move(message));
  }
}

bool SameBinding(const HardState& a, const HardState& b) {
  return a.bound_leader == b.bound_leader && a.bound_term == b.bound_term &&
         a.bound_epoch == b.bound_epoch;
}

}  // namespace

ReplicaStates::ReplicaStates(const ReplicaOptions& options, MessageTable* messages)
    : options_(options), messages_(messages) {
  for (size_t i = 0; i < kReplicas; ++i) {
    benches_[i] = std::make_unique<Bench>(i);
    benches_[i]->leases.SetView(PairLeases().ViewOf(i));
    Body empty;
    empty.self = i;
    Start(benches_[i].get(), empty);
  }
}

ReplicaStates::~ReplicaStates() = default;

CoreOptions ReplicaStates::OptionsFor(size_t self) const {
  CoreOptions options;
  options.range = RangeId(7);
  options.self = ReplicaId(self + 1);
  options.self_store = StoreId(self + 101);
  options.max_append_bytes = options_.append_bytes_max;
  options.mutants = options_.mutants;
  return options;
}

// A process that starts with what is durable; its engine has lost what it had applied.
void ReplicaStates::Start(Bench* bench, const Body& body) {
  InitialState initial;
  initial.hard_state = body.durable;
  for (size_t i = 0; i < kReplicas; ++i) {
    initial.configuration.voters.push_back({ReplicaId(i + 1), StoreId(i + 101)});
  }
  bench->log = VectorLog(body.durable_log);
  bench->core = std::make_unique<Core>(OptionsFor(body.self), initial, &bench->log, &bench->leases,
                                       TheInstant());
}

ReplicaStates::Id ReplicaStates::Initial(size_t self) {
  Run run;
  run.body.self = self;
  Bench* bench = benches_[self].get();
  bench->leases.SetView(PairLeases().ViewOf(self));
  Start(bench, run.body);
  Settle(bench, &run);
  CoreAccess::Normalise(bench->core.get(), &run.body.attempt);
  run.body.core = CoreAccess::Save(*bench->core);
  return Intern(std::move(run.body));
}

void ReplicaStates::Load(const Body& body, uint32_t lease_view) {
  Bench* bench = benches_[body.self].get();
  bench->leases.SetView(lease_view);
  bench->log = VectorLog(body.log);
  CoreAccess::Restore(body.core, bench->core.get());
}

// ---- Execution.

ReplicaStates::Run ReplicaStates::Execute(const Body& from, uint32_t lease_view, Input input) {
  Run run;
  run.body = from;
  Bench* bench = benches_[from.self].get();
  if (input.kind == InputKind::kRestart) {
    run.body.writing.clear();
    run.body.attempt = run.body.life * kAttemptsPerLife;
    ++run.body.life;
    bench->leases.SetView(lease_view);
    Start(bench, run.body);
    run.body.log = run.body.durable_log;
    run.events.push_back("  ! restarted");
    Settle(bench, &run);
  } else {
    Load(from, lease_view);
    CoreInvariants invariants(bench->core.get(), &run.violations);
    Feed(bench, &run, input);
    Settle(bench, &run);
    invariants.Check();
  }
  if (!options_.core_invariants) run.violations.clear();
  CheckPromises(from, lease_view, input, &run);
  CoreAccess::RenumberRounds(input.kind == InputKind::kRestart ? nullptr : from.core,
                             bench->core.get(), &run.sent);
  CoreAccess::Normalise(bench->core.get(), &run.body.attempt);
  run.body.core = CoreAccess::Save(*bench->core);
  return run;
}

void ReplicaStates::Feed(Bench* bench, Run* run, Input input) {
  const ClockReading now = TheInstant();
  Core* core = bench->core.get();
  switch (input.kind) {
    case InputKind::kMessage: {
      const Message& message = messages_->message(input.argument);
      if (const auto* probe = std::get_if<ProbeRequest>(&message.body)) {
        CoreAccess::SetNextNonce(core, NonceFor(run->body.life, probe->attempt));
      }
      core->Step(now, message);
      CoreAccess::SetNextNonce(core, 1);
      return;
    }
    case InputKind::kElectionTimer:
    case InputKind::kAttemptTimer:
    case InputKind::kTransferTimer:
      CoreAccess::MakeDue(core, input.kind == InputKind::kElectionTimer  ? Timer::kElection
                                : input.kind == InputKind::kAttemptTimer ? Timer::kAttempt
                                                                         : Timer::kTransfer);
      return core->Tick(now);
    case InputKind::kTick:
      return core->Tick(now);
    case InputKind::kPersisted:
      return FinishWrites(bench, run);
    case InputKind::kPropose:
      core->Propose(now, absl::Cord("x"));
      return;
    case InputKind::kTransfer:
      core->TransferLeadership(now, ReplicaId(input.argument + 1));
      return;
    case InputKind::kAbdicate:
      return core->Abdicate(now);
    case InputKind::kQuery:
      return core->QueryBinding(now);
    case InputKind::kRestart:
      LOG(FATAL) << "not an input of a running core";
  }
}

void ReplicaStates::FinishWrites(Bench* bench, Run* run) {
  uint64_t last = 0;
  for (Write& write : run->body.writing) {
    if (write.hard_state.has_value()) run->body.durable = *write.hard_state;
    VectorLog::Continue(&run->body.durable_log, LogPosition(), write.entries);
    for (Message& message : write.send_after) run->sent.push_back(std::move(message));
    last = write.sequence;
  }
  run->body.writing.clear();
  bench->core->OnPersisted(TheInstant(), last);
}

void ReplicaStates::Settle(Bench* bench, Run* run) {
  CoreInvariants invariants(bench->core.get(), &run->violations);
  invariants.Check();
  while (bench->core->HasReady()) {
    Ready ready = bench->core->TakeReady();
    invariants.CheckReady(ready);
    CarryOut(bench, run, std::move(ready));
    invariants.Check();
  }
  run->body.log = bench->log.entries();
}

void ReplicaStates::CarryOut(Bench* bench, Run* run, Ready ready) {
  for (Event& event : ready.events) {
    event.range = RangeId();
    run->events.push_back(absl::StrCat("  ! ", ToString(event)));
  }
  const bool sends_early = !ready.send_now.empty();
  for (Message& message : ready.send_now) run->sent.push_back(std::move(message));
  std::vector<Write>& writing = run->body.writing;
  if (ready.persist_sequence != 0) {
    bench->log.Append(ready.entries);
    writing.push_back({ready.hard_state, std::move(ready.entries), ready.persist_sequence,
                       std::move(ready.send_after_persist)});
    // If nothing left before, a death before the end of the write is the same as the loss of what
    // caused it, and a late end the same as a late message.
    if (!options_.slow_disk || (!sends_early && writing.size() == 1)) FinishWrites(bench, run);
  } else if (!writing.empty()) {
    AddAnswers(std::move(ready.send_after_persist), &writing.back().send_after);
  } else {
    for (Message& message : ready.send_after_persist) run->sent.push_back(std::move(message));
  }
  if (!ready.committed.empty()) bench->core->OnApplied(ready.committed.back().index);
}

// Promise Durability: a binding ends by a withdrawal, a release or a leader of a higher term only,
// also across a restart; a released term never binds.
void ReplicaStates::CheckPromises(const Body& from, uint32_t lease_view, Input input, Run* run) {
  const bool restarted = input.kind == InputKind::kRestart;
  const HardState& before = restarted ? from.durable : from.hard_state;
  const HardState& after = benches_[from.self]->core->hard_state();
  run->body.hard_state = after;
  if (!SameBinding(before, after) && after.bound_leader.IsSet() &&
      after.bound_term <= before.released_term) {
    run->violations.push_back("Promise Durability: a released term binds again");
  }
  if (!Binds(before, lease_view, from.self)) return;
  const bool kept = after.bound_leader == before.bound_leader &&
                    after.bound_term == before.bound_term &&
                    after.bound_epoch >= before.bound_epoch;
  const bool released = after.released_term >= before.bound_term;
  const bool follows_another =
      input.kind == InputKind::kMessage && after.term > before.bound_term &&
      messages_->facts(input.argument).kind == MessageFacts::Kind::kAppendRequest;
  if (!kept && !released && after.bound_term <= before.bound_term && !follows_another) {
    run->violations.push_back("Promise Durability: a binding was lost");
  }
}

// ---- Storage.

Outcome ReplicaStates::Conclude(Run run) {
  Outcome outcome;
  for (Message& message : run.sent) {
    const auto id = messages_->Intern(std::move(message));
    if (!id.has_value()) continue;
    if (std::find(outcome.sent.begin(), outcome.sent.end(), *id) == outcome.sent.end()) {
      outcome.sent.push_back(*id);
    }
  }
  std::sort(outcome.sent.begin(), outcome.sent.end());
  if (!run.violations.empty()) outcome.violation = run.violations.front();
  outcome.state = Intern(std::move(run.body));
  return outcome;
}

const Outcome& ReplicaStates::Apply(Id state, uint32_t lease_view, Input input) {
  const std::pair<uint64_t, uint64_t> key{
      (uint64_t{state} << 8) | static_cast<uint64_t>(input.kind),
      (uint64_t{lease_view} << 32) | input.argument};
  const auto found = known_.find(key);
  if (found != known_.end()) return *outcomes_[found->second];
  ++executed_;
  const size_t before = states_.size();
  Outcome outcome = Conclude(Execute(states_[state].body, lease_view, input));
  if (options_.audit && before == states_.size()) Audit(state, lease_view, input, outcome);
  known_.emplace(key, static_cast<uint32_t>(outcomes_.size()));
  outcomes_.push_back(std::make_unique<Outcome>(std::move(outcome)));
  return *outcomes_.back();
}

// What was left out of the encoding must not matter: the same state, reached by another way, makes
// the same of the same input.
void ReplicaStates::Audit(Id state, uint32_t lease_view, Input input, const Outcome& expected) {
  const Body* other = states_[state].other_way.get();
  if (other == nullptr) return;
  ++audited_;
  const Outcome outcome = Conclude(Execute(*other, lease_view, input));
  CHECK(outcome.state == expected.state && outcome.sent == expected.sent &&
        outcome.violation == expected.violation)
      << "the same state behaves in two ways: a field is missing in CoreAccess::Encode; input "
      << static_cast<int>(input.kind) << " " << input.argument << " of state " << state;
}

std::vector<std::string> ReplicaStates::Describe(Id state, uint32_t lease_view, Input input) {
  Run run = Execute(states_[state].body, lease_view, input);
  std::vector<std::string> lines = run.events;
  for (const Message& message : run.sent) lines.push_back(ToString(message));
  if (!run.body.writing.empty()) lines.push_back("  (not durable yet)");
  for (const std::string& violation : run.violations) lines.push_back("  * " + violation);
  return lines;
}

std::string ReplicaStates::EncodeBody(const Body& body, const StateBytes::Names& names) {
  StateBytes bytes(names);
  CoreAccess::Encode(*benches_[body.self]->core, &bytes);
  bytes.Entries(body.log);
  bytes.Number(body.attempt);
  bytes.Number(body.life);
  bytes.Number(body.writing.size());
  if (!body.writing.empty() || options_.mutants.Has(7)) {
    bytes.State(body.durable);
    bytes.Entries(body.durable_log);
  }
  std::string waiting;
  for (const Write& write : body.writing) {
    bytes.Number(write.hard_state.has_value() ? 1 : 0);
    if (write.hard_state.has_value()) bytes.State(*write.hard_state);
    bytes.Entries(write.entries);
    bytes.Number(write.send_after.size());
    std::vector<std::string> answers;
    for (const Message& message : write.send_after) answers.push_back(BytesOf(message, names));
    std::sort(answers.begin(), answers.end());
    for (const std::string& answer : answers) waiting += answer;
  }
  return bytes.bytes() + waiting;
}

// The body's core is on its bench.
ReplicaStates::Id ReplicaStates::Intern(Body body) {
  std::string plain = EncodeBody(body, kNames[0]);
  const auto [found, inserted] = ids_.emplace(std::move(plain), static_cast<Id>(states_.size()));
  if (!inserted) {
    State& known = states_[found->second];
    if (options_.audit && known.other_way == nullptr) {
      known.other_way = std::make_unique<Body>(std::move(body));
    }
    return found->second;
  }
  State state;
  for (size_t naming = 0; naming < kNamings; ++naming) {
    state.hashes[naming] = HashBytes(EncodeBody(body, kNames[naming]));
  }
  state.facts = FactsOf(body);
  state.body = std::move(body);
  states_.push_back(std::move(state));
  return found->second;
}

ReplicaFacts ReplicaStates::FactsOf(const Body& body) {
  const Core& core = *benches_[body.self]->core;
  const HardState& state = core.hard_state();
  ReplicaFacts facts;
  facts.role = core.role();
  facts.term = state.term.value();
  facts.vote = state.vote.value();
  facts.released_term = state.released_term.value();
  facts.bound_leader = state.bound_leader.value();
  facts.bound_term = state.bound_term.value();
  facts.bound_epoch = state.bound_epoch.value();
  facts.led_term = CoreAccess::LedTerm(core).value();
  facts.stands = CoreAccess::StandsForVotes(core);
  facts.attempt_timer = CoreAccess::IsArmed(core, Timer::kAttempt);
  facts.attempt = facts.attempt_timer ? body.attempt : body.attempt + 1;
  facts.commit = core.commit_index().value();
  facts.applied = core.applied_index().value();
  facts.rounds_max = CoreAccess::HighestRound(core);
  facts.writing = !body.writing.empty();
  facts.handing_over = CoreAccess::IsArmed(core, Timer::kTransfer);
  facts.election_timer = CoreAccess::IsArmed(core, Timer::kElection);
  for (const Entry& entry : body.log) facts.log.push_back(entry.term.value());
  return facts;
}

ReplicaStates::Claims ReplicaStates::ClaimsOf(Id id, uint32_t lease_view) {
  const uint64_t key = (uint64_t{id} << 32) | lease_view;
  const auto [found, inserted] = claims_.emplace(key, uint8_t{0});
  if (inserted && states_[id].facts.role == Role::kLeader) {
    const Body& body = states_[id].body;
    Load(body, lease_view);
    const Core& core = *benches_[body.self]->core;
    const ClockReading now = TheInstant();
    found->second = static_cast<uint8_t>(
        (core.LeaseEnd().EndedForHolder(now) ? 0 : 1) |
        (core.MayServeRead(now) && core.applied_index() >= core.commit_index() ? 2 : 0) |
        (core.IsServingLeader(now) ? 4 : 0));
  }
  return {(found->second & 1) != 0, (found->second & 2) != 0, (found->second & 4) != 0};
}

}  // namespace rasputin::consensus::model
