// The search for an order of operations that explains a history; see checker.h.

#include "tests/linearizability/checker.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace rasputin::linearizability {
namespace {

constexpr int kAbsent = 0;

// One operation with its values as small numbers.
struct Step {
  Kind kind;
  bool swapped;
  bool required;  // False: outcome unknown, may be left out.
  int written;
  int expected;
  int observed;
  int64_t called_ns;
  int64_t returned_ns;
  const Operation* source;
};

// Effect of a step on the value of the key; false: its answer contradicts the value.
bool Apply(const Step& step, int value, int* next) {
  *next = value;
  switch (step.kind) {
    case Kind::kGet:
      return step.observed == value;
    case Kind::kSet:
      *next = step.written;
      return true;
    case Kind::kDelete:
      *next = kAbsent;
      return !step.required || step.observed == value;
    case Kind::kCas:
      break;
  }
  if (!step.required) {
    if (value == step.expected) *next = step.written;
    return true;
  }
  if (!step.swapped) return step.observed == value && value != step.expected;
  *next = step.written;
  return value == step.expected;
}

// Numbers of values, and what the history says about each.
class Values {
 public:
  int Number(const std::optional<std::string>& value) {
    if (!value.has_value()) return kAbsent;
    return numbers_.emplace(*value, static_cast<int>(numbers_.size()) + 1).first->second;
  }
  size_t size() const { return numbers_.size() + 1; }

 private:
  std::map<std::string, int> numbers_;
};

bool Writes(const Operation& operation) {
  return operation.kind == Kind::kSet || operation.kind == Kind::kCas;
}

std::vector<Step> Translate(const std::vector<const Operation*>& operations, Values* values) {
  std::vector<Step> steps;
  for (const Operation* operation : operations) {
    if (operation->result == Result::kNotExecuted) continue;
    const bool required = operation->result == Result::kOk;
    if (!required && operation->kind == Kind::kGet) continue;
    Step step;
    step.kind = operation->kind;
    step.swapped = operation->swapped;
    step.required = required;
    step.written = Writes(*operation) ? values->Number(operation->value) : kAbsent;
    step.expected = values->Number(operation->expected);
    step.observed = values->Number(operation->observed);
    step.called_ns = operation->called_ns;
    step.returned_ns = required ? operation->returned_ns : kNever;
    step.source = operation;
    steps.push_back(step);
  }
  return steps;
}

// Writes of unknown outcome whose value nobody else writes: if somebody saw it, the write took
// effect before the first of those who did returned; if nobody did, leaving it out explains as much
// as any place for it (unless a cas of unknown outcome, that stays optional itself, may build on
// it).
std::vector<Step> Decide(std::vector<Step> steps, size_t values) {
  std::vector<int> writers(values, 0);
  for (const Step& step : steps) {
    if (Writes(*step.source)) ++writers[step.written];
  }
  std::vector<int64_t> seen_at(values, kNever);
  std::vector<bool> built_on(values, false);
  for (const Step& step : steps) {
    const bool compares = step.kind == Kind::kCas && (step.swapped || !step.required);
    const int saw = compares ? step.expected : step.observed;
    if (step.required) {
      seen_at[saw] = std::min(seen_at[saw], step.returned_ns);
    } else if (compares && writers[step.written] != 1) {
      built_on[saw] = true;
    }
  }
  const auto undecided = [&](const Step& step) {
    return !step.required && Writes(*step.source) && writers[step.written] == 1;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (Step& step : steps) {
      if (!undecided(step) || seen_at[step.written] == kNever) continue;
      changed = true;
      step.required = true;
      step.swapped = true;
      step.returned_ns = seen_at[step.written];
      if (step.kind != Kind::kCas) continue;
      seen_at[step.expected] = std::min(seen_at[step.expected], step.returned_ns);
    }
  }
  std::vector<Step> kept;
  for (const Step& step : steps) {
    if (!undecided(step) || built_on[step.written]) kept.push_back(step);
  }
  std::sort(kept.begin(), kept.end(), [](const Step& a, const Step& b) {
    return std::tie(a.called_ns, a.returned_ns) < std::tie(b.called_ns, b.returned_ns);
  });
  return kept;
}

std::vector<Step> ToSteps(const std::vector<const Operation*>& operations) {
  Values values;
  std::vector<Step> steps = Translate(operations, &values);
  return Decide(std::move(steps), values.size());
}

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Search over one key. A moment is a call or a return, in a doubly linked list in order of time.
class Search {
 public:
  explicit Search(std::vector<Step> steps) : steps_(std::move(steps)) { Link(); }

  Judgement Run(uint64_t steps_max);
  uint64_t taken() const { return taken_; }
  std::string Explanation() const;

 private:
  struct Moment {
    int step = -1;
    bool is_return = false;
    int previous = 0;
    int next = 0;
    int partner = 0;  // The other moment of the step; 0: it never returns.
  };
  struct Choice {
    int moment;
    int value;
  };

  void Link();
  void Lift(int moment);
  void Unlift(int moment);
  bool Remember(int step, int value);
  bool Backtrack(int* moment);
  void NoteStuck();

  std::vector<Step> steps_;
  std::vector<Moment> moments_;  // 0 is the head, and "none" at the end.
  int required_left_ = 0;
  int value_ = kAbsent;
  std::vector<Choice> chosen_;
  uint64_t set_a_ = 0;  // Two independent hashes of the set of steps chosen.
  uint64_t set_b_ = 0;
  absl::flat_hash_set<std::pair<uint64_t, uint64_t>> seen_;
  uint64_t taken_ = 0;
  size_t deepest_ = 0;
  int stuck_step_ = -1;
};

void Search::Link() {
  std::vector<std::tuple<int64_t, bool, int>> order;
  for (size_t i = 0; i < steps_.size(); ++i) {
    order.emplace_back(steps_[i].called_ns, false, static_cast<int>(i));
    if (steps_[i].required) {
      ++required_left_;
      order.emplace_back(steps_[i].returned_ns, true, static_cast<int>(i));
    }
  }
  // Calls sort before returns of the same time: they count as concurrent.
  std::sort(order.begin(), order.end());
  moments_.resize(order.size() + 1);
  std::vector<int> call_of(steps_.size(), 0);
  for (size_t i = 0; i < order.size(); ++i) {
    const int at = static_cast<int>(i) + 1;
    Moment& moment = moments_[at];
    moment.step = std::get<2>(order[i]);
    moment.is_return = std::get<1>(order[i]);
    moment.previous = at - 1;
    moments_[at - 1].next = at;
    if (moment.is_return) {
      moment.partner = call_of[moment.step];
      moments_[moment.partner].partner = at;
    } else {
      call_of[moment.step] = at;
    }
  }
}

void Search::Lift(int at) {
  for (const int moment : {at, moments_[at].partner}) {
    if (moment == 0) continue;
    moments_[moments_[moment].previous].next = moments_[moment].next;
    if (moments_[moment].next != 0) {
      moments_[moments_[moment].next].previous = moments_[moment].previous;
    }
  }
}

void Search::Unlift(int at) {
  for (const int moment : {moments_[at].partner, at}) {
    if (moment == 0) continue;
    moments_[moments_[moment].previous].next = moment;
    if (moments_[moment].next != 0) moments_[moments_[moment].next].previous = moment;
  }
}

bool Search::Remember(int step, int value) {
  const uint64_t a = set_a_ ^ Mix(2 * static_cast<uint64_t>(step) + 1);
  const uint64_t b = set_b_ ^ Mix(~static_cast<uint64_t>(step) * 0x2545f4914f6cdd1d);
  return seen_.emplace(a ^ Mix(static_cast<uint64_t>(value)), b + static_cast<uint64_t>(value))
      .second;
}

bool Search::Backtrack(int* moment) {
  if (chosen_.empty()) return false;
  const Choice last = chosen_.back();
  chosen_.pop_back();
  const int step = moments_[last.moment].step;
  set_a_ ^= Mix(2 * static_cast<uint64_t>(step) + 1);
  set_b_ ^= Mix(~static_cast<uint64_t>(step) * 0x2545f4914f6cdd1d);
  value_ = last.value;
  if (steps_[step].required) ++required_left_;
  Unlift(last.moment);
  *moment = moments_[last.moment].next;
  return true;
}

void Search::NoteStuck() {
  if (stuck_step_ >= 0 && chosen_.size() <= deepest_) return;
  deepest_ = chosen_.size();
  // The step that returns first without a place.
  for (int at = moments_[0].next; at != 0; at = moments_[at].next) {
    if (!moments_[at].is_return) continue;
    stuck_step_ = moments_[at].step;
    return;
  }
}

Judgement Search::Run(uint64_t steps_max) {
  int at = moments_[0].next;
  while (required_left_ > 0) {
    if (++taken_ > steps_max) return Judgement::kUndecided;
    if (at == 0 || moments_[at].is_return) {
      NoteStuck();
      if (!Backtrack(&at)) return Judgement::kViolation;
      continue;
    }
    const int step = moments_[at].step;
    int next_value = kAbsent;
    if (!Apply(steps_[step], value_, &next_value) || !Remember(step, next_value)) {
      at = moments_[at].next;
      continue;
    }
    chosen_.push_back({at, value_});
    set_a_ ^= Mix(2 * static_cast<uint64_t>(step) + 1);
    set_b_ ^= Mix(~static_cast<uint64_t>(step) * 0x2545f4914f6cdd1d);
    value_ = next_value;
    if (steps_[step].required) --required_left_;
    Lift(at);
    at = moments_[0].next;
  }
  return Judgement::kLinearizable;
}

std::string Search::Explanation() const {
  if (stuck_step_ < 0) return "no operation could be placed at all";
  constexpr int kAround = 12;
  const int first = std::max(0, stuck_step_ - kAround);
  const int end = std::min(static_cast<int>(steps_.size()), stuck_step_ + kAround);
  std::string text = "nothing explains the operation marked >\n";
  for (int i = first; i < end; ++i) {
    text += (i == stuck_step_ ? "> " : "  ") + ToString(*steps_[i].source) + "\n";
  }
  return text;
}

std::map<std::string, std::vector<const Operation*>> ByKey(const History& history) {
  std::map<std::string, std::vector<const Operation*>> keys;
  for (const Operation& operation : history) keys[operation.key].push_back(&operation);
  return keys;
}

}  // namespace

Verdict CheckLinearizable(const History& history, const CheckOptions& options) {
  Verdict verdict;
  for (const auto& [key, operations] : ByKey(history)) {
    std::vector<Step> steps = ToSteps(operations);
    verdict.operations += steps.size();
    Search search(std::move(steps));
    const Judgement judgement = search.Run(options.steps_max);
    verdict.steps += search.taken();
    if (judgement == Judgement::kLinearizable) continue;
    if (verdict.judgement == Judgement::kViolation) continue;
    if (judgement == Judgement::kUndecided && verdict.judgement != Judgement::kLinearizable)
      continue;
    verdict.judgement = judgement;
    verdict.key = key;
    verdict.explanation = search.Explanation();
  }
  return verdict;
}

Verdict CheckVersions(const History& history) {
  Verdict verdict;
  for (const auto& [key, operations] : ByKey(history)) {
    std::map<std::string, int> writers;
    std::map<std::string, const Operation*> first_report;
    std::vector<const Operation*> writes;  // With a version, which took effect for certain.
    for (const Operation* operation : operations) {
      if (Writes(*operation)) ++writers[operation->value];
    }
    for (const Operation* operation : operations) {
      if (operation->result != Result::kOk || operation->version == 0) continue;
      ++verdict.operations;
      const bool wrote = operation->kind == Kind::kSet || operation->swapped;
      if (wrote) writes.push_back(operation);
      if (!wrote && !operation->observed.has_value()) continue;
      const std::string& value = wrote ? operation->value : *operation->observed;
      if (writers[value] != 1) continue;
      const Operation* first = first_report.emplace(value, operation).first->second;
      if (first->version == operation->version) continue;
      return {Judgement::kViolation, key,
              "one value with two versions:\n" + ToString(*first) + "\n" + ToString(*operation),
              verdict.operations, 0};
    }
    std::sort(writes.begin(), writes.end(),
              [](const Operation* a, const Operation* b) { return a->called_ns < b->called_ns; });
    std::vector<const Operation*> returned = writes;
    std::sort(returned.begin(), returned.end(), [](const Operation* a, const Operation* b) {
      return a->returned_ns < b->returned_ns;
    });
    size_t done = 0;
    const Operation* highest = nullptr;  // Of those that had returned.
    for (const Operation* write : writes) {
      for (; done < returned.size() && returned[done]->returned_ns < write->called_ns; ++done) {
        if (highest == nullptr || returned[done]->version > highest->version) {
          highest = returned[done];
        }
      }
      if (highest == nullptr || highest->version < write->version) continue;
      return {Judgement::kViolation, key,
              "a version went backwards:\n" + ToString(*highest) + "\n" + ToString(*write),
              verdict.operations, 0};
    }
  }
  return verdict;
}

}  // namespace rasputin::linearizability
