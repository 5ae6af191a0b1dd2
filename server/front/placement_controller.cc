// Rounds and moves; see placement_controller.h. Not thread-safe.
//
// A round is a chain of reads, so its steps are in the order in which they stand here. Everything
// that is asked for comes back with the term in which it was asked.

#include "server/front/placement_controller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/route/full_key.h"
#include "range/placement/reasons.h"

namespace rasputin::server {

using range::MoveKind;
using range::Outcome;
using range::PlacementMove;
using type::v1::Decision;

namespace {

constexpr uint32_t kRowsPerRead = 1000;
constexpr Duration kReadDuration = std::chrono::seconds(5);
// While something moves, is to move or is missing, and otherwise.
constexpr Duration kRoundBusy = std::chrono::seconds(1);
constexpr Duration kRoundIdle = std::chrono::seconds(2);
// Moves that end together are followed by one round.
constexpr Duration kRoundAfterMove = std::chrono::milliseconds(100);
constexpr Duration kLoadsBusy = std::chrono::seconds(1);
constexpr Duration kLoadsIdle = std::chrono::seconds(5);
constexpr Duration kLoadDuration = std::chrono::seconds(2);
// Without an answer of every store, a new controller begins all the same after so long.
constexpr Duration kFirstLoadsMax = std::chrono::seconds(3);
// Some rules wait for time to pass.
constexpr Duration kPlanAnyway = std::chrono::seconds(10);
// A large copy takes as long as it takes; what broke off is gone on with.
constexpr Duration kChangeDuration = std::chrono::minutes(10);
constexpr Duration kTransferDuration = std::chrono::seconds(10);
// A range whose move failed rests, twice as long each time.
constexpr Duration kRestMin = std::chrono::seconds(2);
constexpr Duration kRestMax = std::chrono::minutes(2);
constexpr size_t kDoneMax = 100;

constexpr int kMutantRemovesFirst = 80;
constexpr int kMutantAskedIsHeard = 81;
constexpr int kMutantDrainForgotten = 82;
constexpr int kMutantMembersAssumed = 83;

}  // namespace

struct PlacementController::Running final : CallCompletion {
  Running(uint64_t running_id, std::vector<Ended>* sink) : id(running_id), ended(sink) {}

  bool Page(absl::Cord) override { return true; }
  void Done(CallResult result) override { ended->push_back({id, std::move(result)}); }

  const uint64_t id;
  std::vector<Ended>* const ended;
  PlacementMove move;
  Decision decision;
  CallId call = 0;
};

PlacementController::PlacementController(const FrontOptions& options, DecisionsPort* port,
                                         CallTable* calls, Directory* directory,
                                         Dispatcher* dispatcher, RangeCalls* range_calls,
                                         DecisionLog* log, FrontCounters* counters)
    : options_(options),
      port_(port),
      calls_(calls),
      directory_(directory),
      dispatcher_(dispatcher),
      range_calls_(range_calls),
      log_(log),
      counters_(counters) {}

PlacementController::~PlacementController() = default;

void PlacementController::OnLeader(RangeId range, StoreId leader) {
  if (range.value() == client::kMetaRangeId) leads_ = leader == dispatcher_->self();
}

bool PlacementController::HasWork() const {
  return leads_ != in_charge_ || !ended_.empty() || (round_wanted_ && !round_busy_);
}

bool PlacementController::Run(const ClockReading& now) {
  if (!HasWork()) return false;
  if (leads_ != in_charge_) {
    if (leads_) {
      Begin(now);
    } else {
      End();
    }
  }
  for (const Ended& ended : std::exchange(ended_, {})) OnEnded(now, ended);
  if (round_wanted_ && !round_busy_) StartRound(now);
  return true;
}

void PlacementController::Begin(const ClockReading& now) {
  in_charge_ = true;
  ++term_;
  began_ = now.boot;
  view_ = PlacementView();
  change_ = 0;
  plan_ = {};
  loads_asked_ = Instant::min();
  planned_at_ = Instant::min();
  rest_ends_ = now.boot;
  load_awaited_.clear();
  failures_.clear();
  retiring_.clear();
  round_busy_ = false;
  round_wanted_ = options_.placement;
}

// What is under way is left as it is: the next controller finds it in the directory.
void PlacementController::End() {
  in_charge_ = false;
  round_wanted_ = false;
  for (const auto& [id, running] : running_) calls_->Cancel(running->call);
  running_.clear();
  ended_.clear();
}

bool PlacementController::GoesOn(const ClockReading& now, uint64_t term,
                                 const RangeAnswer& answer) {
  if (term != term_ || !in_charge_) return false;
  if (answer.response.outcome == Outcome::kOk) return true;
  EndRound(now);
  return false;
}

void PlacementController::Query(const ClockReading& now, const storage::v1::MetaQuery& query,
                                Read read) {
  directory_->Query(
      now, query, now.boot + kReadDuration,
      [this, term = term_, read = std::move(read)](const ClockReading& when, RangeAnswer answer,
                                                   storage::v1::MetaQueryResult result) {
        if (GoesOn(when, term, answer)) read(when, std::move(result));
      });
}

void PlacementController::StartRound(const ClockReading& now) {
  round_wanted_ = false;
  round_busy_ = true;
  ++rounds_;
  ReadChanges(now);
}

void PlacementController::ReadChanges(const ClockReading& now) {
  storage::v1::MetaQuery query;
  query.set_changes_after(change_);
  query.set_limit(kRowsPerRead);
  Query(now, query, [this](const ClockReading& when, storage::v1::MetaQueryResult result) {
    view_.OnChanges(when, result);
    const std::string next = result.everything() ? Directory::NextKey(result) : "";
    if (!next.empty()) {
      // A part of everything is not to be gone on from: the round may end before the last page.
      change_ = 0;
      return ReadRanges(when, next, result.last_change());
    }
    change_ = result.last_change();
    if (result.more()) return ReadChanges(when);
    ReadStores(when);
  });
}

void PlacementController::ReadRanges(const ClockReading& now, const std::string& from,
                                     uint64_t change) {
  Directory::RangeWalk walk;
  walk.from = from;
  walk.read_duration = kReadDuration;
  walk.page = [this, term = term_](const ClockReading& when,
                                   const storage::v1::MetaQueryResult& page) {
    if (term != term_ || !in_charge_) return false;
    view_.OnRanges(when, page);
    return true;
  };
  walk.done = [this, change, term = term_](const ClockReading& when, const RangeAnswer& answer) {
    if (!GoesOn(when, term, answer)) return;
    change_ = change;
    ReadStores(when);
  };
  directory_->WalkRanges(now, std::move(walk));
}

void PlacementController::ReadStores(const ClockReading& now) {
  directory_->ReadStores(
      now, now.boot + kReadDuration,
      [this, term = term_](const ClockReading& when, const RangeAnswer& answer,
                           const std::vector<type::v1::StoreDescriptor>& stores) {
        if (!GoesOn(when, term, answer)) return;
        view_.OnStores(when, stores);
        ReadCollections(when);
      });
}

// After the ranges: the row of a collection is written before it has a range, so that of the ranges
// that are known only those of a collection that was removed meanwhile lack it. They are empty.
void PlacementController::ReadCollections(const ClockReading& now) {
  directory_->ReadCollections(
      now, now.boot + kReadDuration,
      [this, term = term_](const ClockReading& when, const RangeAnswer& answer,
                           const std::vector<type::v1::Collection>& collections) {
        if (!GoesOn(when, term, answer)) return;
        view_.OnCollections(collections);
        ReadPlacement(when);
      });
}

void PlacementController::ReadPlacement(const ClockReading& now) {
  storage::v1::MetaQuery query;
  query.set_placement(true);
  Query(now, query, [this](const ClockReading& when, storage::v1::MetaQueryResult result) {
    paused_ = result.placement().paused();
    AskLoads(when);
    Plan(when);
    EndRound(when);
  });
}

Duration PlacementController::Quiet(Duration usual) const {
  return std::min(usual, options_.placement_rules.store_suspect_after / 3);
}

bool PlacementController::IsBusy(const ClockReading& now) const {
  if (!running_.empty() || !plan_.moves.empty() || now.boot < rest_ends_ + kRoundBusy) return true;
  return std::any_of(view_.stores().begin(), view_.stores().end(), [&](const auto& store) {
    return view_.Silent(now, store.first) > Quiet(kLoadsIdle) + Quiet(kRoundIdle);
  });
}

void PlacementController::AskLoads(const ClockReading& now) {
  const bool busy = IsBusy(now);
  const Duration pause = busy ? kLoadsBusy : Quiet(kLoadsIdle);
  if (loads_asked_ > Instant::min() && now.boot < loads_asked_ + pause) return;
  loads_asked_ = now.boot;
  for (const auto& [id, store] : view_.stores()) {
    if (load_awaited_.insert(id).second) AskLoad(now, id);
  }
}

void PlacementController::AskLoad(const ClockReading& now, uint64_t store) {
  RangeCall call;
  call.kind = ForwardKind::kStoreLoad;
  call.store = StoreId(store);
  call.repeatable = true;
  call.deadline = now.boot + kLoadDuration;
  dispatcher_->Send(now, std::move(call),
                    [this, store, term = term_](const ClockReading& when, RangeAnswer answer) {
                      if (term != term_ || !in_charge_) return;
                      load_awaited_.erase(store);
                      type::v1::StoreLoad load;
                      const bool answered = answer.response.outcome == Outcome::kOk &&
                                            load.ParseFromString(std::string(answer.response.body));
                      if (!answered && options_.mutants.Has(kMutantAskedIsHeard)) {
                        load.set_store_id(store);
                        view_.OnLoad(when, load);
                      }
                      if (answered && load.store_id() == store) view_.OnLoad(when, load);
                      // The first plan waits for the last of them.
                      const bool first = load_awaited_.empty() && plan_.moves.empty();
                      if (first && running_.empty() && when.boot < began_ + kFirstLoadsMax) {
                        RoundAfter(when, Duration::zero());
                      }
                    });
}

bool PlacementController::Ready(const ClockReading& now) const {
  if (now.boot >= began_ + kFirstLoadsMax) return true;
  return std::all_of(view_.stores().begin(), view_.stores().end(),
                     [this](const auto& store) { return view_.Answered(store.first); });
}

void PlacementController::Plan(const ClockReading& now) {
  if (!Ready(now)) return;
  // A plan looks at every range; without news it would say the same.
  const bool due = planned_at_ == Instant::min() || now.boot >= planned_at_ + kPlanAnyway;
  if (!view_.TakeNews() && !due && !IsBusy(now)) return;
  planned_at_ = now.boot;
  GiveUpOnSilentStores(now);
  range::PlacementSnapshot snapshot = view_.Snapshot(now);
  for (const auto& [id, running] : running_) snapshot.under_way.push_back(running->move);
  if (options_.mutants.Has(kMutantDrainForgotten)) {
    for (range::PlacementStore& store : snapshot.stores) store.state = type::v1::STORE_STATE_ACTIVE;
  }
  plan_ = PlanPlacement(snapshot, options_.placement_rules);
  if (paused_) {
    for (PlacementMove& move : plan_.moves) move.start = false;
    return;
  }
  for (const PlacementMove& move : plan_.moves) {
    if (move.start) Start(now, move);
  }
  std::map<uint64_t, Retiring> retiring;
  for (const StoreId store : plan_.retire) {
    retiring[store.value()] = std::move(retiring_[store.value()]);
  }
  retiring_ = std::move(retiring);
  for (const StoreId store : plan_.retire) Retire(now, store);
}

void PlacementController::EndRound(const ClockReading& now) {
  round_busy_ = false;
  RoundAfter(now, IsBusy(now) ? kRoundBusy : Quiet(kRoundIdle));
}

void PlacementController::RoundAfter(const ClockReading& now, Duration wait) {
  dispatcher_->After(now, wait, [this, term = term_, rounds = rounds_](const ClockReading&) {
    if (term == term_ && in_charge_ && rounds == rounds_) round_wanted_ = true;
  });
}

uint64_t PlacementController::SilentStoreOf(const ClockReading& now,
                                            const PlacementMove& move) const {
  const uint64_t leader = view_.Leader(move.range).value();
  for (const uint64_t store : {move.to.value(), leader}) {
    if (store == 0) continue;
    const bool silent = view_.stores().count(store) == 0 ||
                        view_.Silent(now, store) >= options_.placement_rules.store_suspect_after;
    if (silent) return store;
  }
  return 0;
}

// A copy on a store that went silent would never catch up, a range whose leader did takes no step
// before another one leads it; until then both would hold their places in the limits.
void PlacementController::GiveUpOnSilentStores(const ClockReading& now) {
  std::map<uint64_t, uint64_t> given_up;  // With the store that is silent.
  for (const auto& [id, running] : running_) {
    const uint64_t silent = SilentStoreOf(now, running->move);
    if (silent != 0) given_up[id] = silent;
  }
  for (const auto& [id, silent] : given_up) {
    calls_->Cancel(running_.at(id)->call);
    CallResult result;
    result.code = absl::StatusCode::kUnavailable;
    result.message = absl::StrCat("store ", silent, " does not answer any more");
    OnEnded(now, {id, std::move(result)});
  }
}

Decision PlacementController::DecisionOf(const ClockReading& now, const PlacementMove& move) const {
  Decision decision;
  decision.set_at_ms(static_cast<uint64_t>(now.wall_us / 1000));
  decision.set_kind(move.kind == MoveKind::kTransferLease ? type::v1::DECISION_KIND_LEASE
                                                          : type::v1::DECISION_KIND_REPLICAS);
  decision.set_range_id(move.range.value());
  decision.set_store_id(dispatcher_->self().value());
  decision.set_reason(absl::StrCat(DescribeMove(move), "; ", move.reason));
  return decision;
}

size_t PlacementController::VotersAfter(const PlacementMove& move) const {
  const size_t voters = view_.CountVoters(move.range);
  if (move.kind == MoveKind::kAdd) return voters + 1;
  const bool less = move.kind == MoveKind::kRemove && view_.IsVoter(move.range, move.from);
  return less ? voters - 1 : voters;
}

void PlacementController::Start(const ClockReading& now, const PlacementMove& move) {
  const uint64_t id = next_running_++;
  auto owned = std::make_unique<Running>(id, &ended_);
  Running* running = owned.get();
  running_.emplace(id, std::move(owned));
  running->move = move;
  running->decision = DecisionOf(now, move);
  running->decision.set_outcome(type::v1::DECISION_OUTCOME_BEGUN);
  Tell(running->decision);
  ++counters_->calls_started;
  running->call = calls_->Add(running);
  if (move.kind == MoveKind::kTransferLease) {
    admin::v1::TransferLeaseRequest request;
    request.set_range_id(move.range.value());
    request.set_target_store_id(move.to.value());
    return range_calls_->TransferLease(now, running->call, absl::Cord(request.SerializeAsString()),
                                       now.boot + kTransferDuration);
  }
  admin::v1::ChangeReplicasRequest request;
  request.set_range_id(move.range.value());
  request.set_add_store_id(move.to.value());
  request.set_remove_store_id(move.from.value());
  if (options_.mutants.Has(kMutantRemovesFirst) && move.kind == MoveKind::kReplace) {
    request.clear_add_store_id();
  }
  const bool assumed =
      options_.mutants.Has(kMutantMembersAssumed) || options_.mutants.Has(kMutantRemovesFirst);
  range_calls_->ChangeReplicas(now, running->call, absl::Cord(request.SerializeAsString()),
                               now.boot + kChangeDuration, assumed ? 0 : VotersAfter(move));
}

void PlacementController::OnEnded(const ClockReading& now, const Ended& ended) {
  const auto at = running_.find(ended.running);
  if (at == running_.end()) return;
  const std::unique_ptr<Running> running = std::move(at->second);
  running_.erase(at);
  const PlacementMove& move = running->move;
  Decision decision = std::move(running->decision);
  if (ended.result.code == absl::StatusCode::kOk) {
    decision.set_outcome(type::v1::DECISION_OUTCOME_DONE);
    failures_.erase(move.range.value());
    view_.OnMoved(now, move.range);
    if (move.kind == MoveKind::kTransferLease) view_.OnTransferred(move.range, move.to);
    ++counters_->moves_done;
  } else {
    decision.set_outcome(type::v1::DECISION_OUTCOME_FAILED);
    decision.set_reason(absl::StrCat(decision.reason(), "; failed: ", ended.result.message));
    Duration rest = kRestMin;
    for (uint32_t i = 0; i < failures_[move.range.value()] && rest < kRestMax; ++i) rest *= 2;
    ++failures_[move.range.value()];
    const Instant rest_ends = now.boot + std::min(rest, kRestMax);
    view_.OnFailed(move.range, rest_ends);
    rest_ends_ = std::max(rest_ends_, rest_ends);
    ++counters_->moves_failed;
  }
  Note(std::move(decision));
  RoundAfter(now, kRoundAfterMove);
}

void PlacementController::Retire(const ClockReading& now, StoreId store) {
  Retiring& retiring = retiring_[store.value()];
  if (retiring.asked || now.boot < retiring.again) return;
  retiring.asked = true;
  storage::v1::MetaCommand command;
  command.mutable_retire_store()->set_store_id(store.value());
  directory_->Command(
      now, command, /*repeatable=*/true, now.boot + kReadDuration,
      [this, store, term = term_](const ClockReading& when, RangeAnswer answer,
                                  storage::v1::MetaResult) {
        if (term != term_ || !in_charge_) return;
        if (answer.response.outcome != Outcome::kOk) {
          retiring_[store.value()] = {false, when.boot + kPlanAnyway, answer.response.message};
          return;
        }
        retiring_.erase(store.value());
        Decision decision;
        decision.set_at_ms(static_cast<uint64_t>(when.wall_us / 1000));
        decision.set_kind(type::v1::DECISION_KIND_REPLICAS);
        decision.set_outcome(type::v1::DECISION_OUTCOME_DONE);
        decision.set_store_id(dispatcher_->self().value());
        decision.set_reason(absl::StrCat("store ", store.value(),
                                         " was taken off the list for good; it was being "
                                         "decommissioned and holds nothing any more"));
        Note(std::move(decision));
      });
}

void PlacementController::Tell(const Decision& decision) {
  if (log_->Add(decision) && port_ != nullptr) port_->OnDecision(decision);
}

void PlacementController::Note(Decision decision) {
  Tell(decision);
  done_.push_front(std::move(decision));
  if (done_.size() > kDoneMax) done_.pop_back();
}

std::optional<admin::v1::GetPlanResponse> PlacementController::Describe(
    const ClockReading& now) const {
  if (!leads_) return std::nullopt;
  admin::v1::GetPlanResponse response;
  response.set_controller_store_id(dispatcher_->self().value());
  response.set_paused(paused_);
  for (const PlacementMove& move : plan_.moves) {
    if (!move.start) *response.add_planned() = DecisionOf(now, move);
  }
  for (const auto& [id, running] : running_) *response.add_under_way() = running->decision;
  for (const Decision& decision : done_) *response.add_done() = decision;
  for (auto& status : view_.Statuses(now, options_.placement_rules.store_suspect_after)) {
    *response.add_stores() = std::move(status);
  }
  response.set_off(!options_.placement);
  if (!options_.placement) {
    response.add_obstacles(absl::StrCat(
        "the node of store ", dispatcher_->self().value(),
        ", which leads the meta range, was started with --placement=false: nothing is moved"));
  } else if (!Ready(now)) {
    response.add_obstacles("the controller has just begun and waits for the stores to answer");
  }
  for (const std::string& obstacle : plan_.obstacles) response.add_obstacles(obstacle);
  for (const auto& [store, retiring] : retiring_) {
    if (retiring.refused.empty()) continue;
    response.add_obstacles(
        absl::StrCat("store ", store, " holds nothing and stays on the list: ", retiring.refused));
  }
  response.set_ranges_short(plan_.ranges_short);
  return response;
}

}  // namespace rasputin::server
