// The edits of one turn: one engine batch over all ranges, readable while it is being built.
//
// A command sees what earlier commands of the same turn wrote (overlay first, then the engine).
// Commit() writes everything atomically, the ranges' applied indexes included. Not thread-safe.

#ifndef RASPUTIN_KV_TURN_H_
#define RASPUTIN_KV_TURN_H_

#include <map>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv/engine.h"

namespace rasputin::kv {

class Turn {
 public:
  explicit Turn(Engine* engine) : engine_(engine) {}

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key) const;
  void Put(std::string key, std::string value);
  void Delete(std::string key);

  bool Empty() const { return batch_.Empty(); }
  uint64_t SizeBytes() const { return batch_.SizeBytes(); }
  // Writes the batch; on success the turn is empty again. See Engine::Write for errors.
  absl::Status Commit();

 private:
  Engine* engine_;
  EngineBatch batch_;
  // Looked up only, never iterated.
  absl::flat_hash_map<std::string, std::optional<std::string>> overlay_;
};

}  // namespace rasputin::kv

#endif  // RASPUTIN_KV_TURN_H_
