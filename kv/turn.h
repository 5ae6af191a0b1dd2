// The edits of one turn: one engine batch over all ranges, readable while it is being built.
//
// A command sees what earlier commands of the same turn wrote (overlay first, then the engine), so
// that its outcome does not depend on where turns begin and end. Commit() writes everything
// atomically, the ranges' applied indexes included. Not thread-safe.

#ifndef RASPUTIN_KV_TURN_H_
#define RASPUTIN_KV_TURN_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/engine.h"

namespace rasputin::kv {

class Turn {
 public:
  // The engine must outlive the turn.
  explicit Turn(Engine* engine);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const;
  // The same for a row that many commands ask for: remembered across turns, so nobody else may
  // write it to the engine while the turn lives.
  absl::StatusOr<std::optional<std::string>> GetOften(absl::string_view key);
  // The engine was written past the turn (Engine::Ingest): forgets what GetOften remembers.
  void ForgetRows() { often_.clear(); }
  void Put(std::string key, std::string value);
  void Delete(std::string key);
  // All keys in [begin, end).
  void DeleteRange(std::string begin, std::string end);
  // All rows of [begin, end), edits of this turn included, in the order of keys. `visit` must not
  // change the turn. The first few times in a turn this walks over all its edits; after that they
  // are kept in order, too.
  absl::Status ForEach(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<void(absl::string_view key, absl::string_view value)> visit) const;
  // The same, until `visit` returns false.
  absl::Status ForEachWhile(
      absl::string_view begin, absl::string_view end,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)> visit) const;

  bool Empty() const { return batch_.Empty(); }
  uint64_t SizeBytes() const { return batch_.SizeBytes(); }
  // Writes the batch; on success the turn is empty again, on failure it is as before. See
  // Engine::Write for errors.
  absl::Status Commit();

 private:
  // The overlay is a set of positions in the batch, found by the key of the edit there: no second
  // copy of keys or values.
  struct EditKey {
    using is_transparent = void;
    const EngineBatch* batch;
    absl::string_view Key(absl::string_view key) const { return key; }
    absl::string_view Key(uint32_t edit) const { return batch->edits()[edit].key; }
  };
  struct EditHash : EditKey {
    template <typename A>
    size_t operator()(const A& a) const {
      return absl::HashOf(Key(a));
    }
  };
  struct EditEqual : EditKey {
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Key(a) == Key(b);
    }
  };
  struct EditLess : EditKey {
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Key(a) < Key(b);
    }
  };

  // The keys of [begin, end) that were put in this turn, in order, each once.
  class OwnKeys;

  void Index();  // Makes the last edit the one that its key is found by.
  // The edit that decides about `key`; null: none, ask the engine.
  const EngineBatch::Edit* Find(absl::string_view key) const;

  Engine* const engine_;
  EngineBatch batch_;
  // Looked up only; never iterated, since its order is not that of keys.
  absl::flat_hash_set<uint32_t, EditHash, EditEqual> latest_;
  std::vector<uint32_t> range_deletions_;  // Positions, ascending.
  // One put of each key, once ForEach was asked often enough (`walks_`): a directory that is
  // applied again asks for each of its thousands of commands, and the turn must end.
  mutable std::set<uint32_t, EditLess> ordered_;
  mutable int walks_ = 0;
  // Rows of the engine that GetOften found; looked up only.
  absl::flat_hash_map<std::string, std::string> often_;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_TURN_H_
