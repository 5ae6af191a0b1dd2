// See session_table.h.
//
// Rows (each begins with a format byte; numbers are fixed 64-bit):
//   queue          {front, back, due_ms of the front}: entries front <= n < back exist
//   queue entry n  {client, due_ms}: when to look at the client again
//   client         {remembered_since_ms, last_used_ms}
//   outcome        {kind, sequence, bytes}; key: client, place (2 bytes)

#include "kv/session_table.h"

#include <glog/logging.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kv/key.h"
#include "kv/range_row_kind.h"

namespace rasputin::kv {
namespace {

constexpr char kFormat = 1;
constexpr int kDropsPerCommandMax = 2;
constexpr size_t kOutcomeHeaderBytes = 2 + 8;

uint64_t Before(uint64_t now_ms, uint64_t duration_ms) {
  return now_ms > duration_ms ? now_ms - duration_ms : 0;
}

absl::Status CheckRow(absl::string_view row, size_t size_min, absl::string_view what) {
  if (row.size() >= size_min && row[0] == kFormat) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("a ", what, " row has ", row.size(), " bytes and format ",
                   row.empty() ? 0 : static_cast<uint8_t>(row[0]),
                   "; this program knows format 1: it is older, or the data is damaged"));
}

std::string QueueEntryKey(uint64_t range_id, uint64_t n) {
  std::string key = RangeRowKey(range_id, kSessionQueueEntryRow);
  AppendFixed64(n, &key);
  return key;
}

std::string ClientKey(uint64_t range_id, uint64_t client_id) {
  std::string key = RangeRowKey(range_id, kSessionClientRow);
  AppendFixed64(client_id, &key);
  return key;
}

std::string OutcomesBegin(uint64_t range_id, uint64_t client_id) {
  std::string key = RangeRowKey(range_id, kSessionOutcomeRow);
  AppendFixed64(client_id, &key);
  return key;
}

}  // namespace

// Clients in the order in which they have to be looked at; every client with a row has one entry.
struct SessionTable::Queue {
  uint64_t front = 0;
  uint64_t back = 0;
  uint64_t due_ms = 0;  // Of the front; meaningless if empty.

  absl::Status Read(uint64_t range_id, const Turn& turn) {
    absl::StatusOr<std::optional<std::string>> row =
        turn.Get(RangeRowKey(range_id, kSessionQueueRow));
    if (!row.ok()) return row.status();
    if (!row->has_value()) return absl::OkStatus();
    const absl::string_view bytes = **row;
    absl::Status status = CheckRow(bytes, 25, "session queue");
    if (!status.ok()) return status;
    front = ReadFixed64(bytes.substr(1));
    back = ReadFixed64(bytes.substr(9));
    due_ms = ReadFixed64(bytes.substr(17));
    if (front > back) return absl::DataLossError("the session queue ends before it begins");
    return absl::OkStatus();
  }

  void Write(uint64_t range_id, Turn* turn) const {
    std::string row(1, kFormat);
    AppendFixed64(front, &row);
    AppendFixed64(back, &row);
    AppendFixed64(due_ms, &row);
    turn->Put(RangeRowKey(range_id, kSessionQueueRow), std::move(row));
  }

  void Push(uint64_t range_id, uint64_t client_id, uint64_t due, Turn* turn) {
    std::string row(1, kFormat);
    AppendFixed64(client_id, &row);
    AppendFixed64(due, &row);
    turn->Put(QueueEntryKey(range_id, back), std::move(row));
    if (front == back) due_ms = due;
    ++back;
  }

  // Reads entry `front`; there must be one.
  absl::Status ReadFront(uint64_t range_id, const Turn& turn, uint64_t* client_id, uint64_t* due) {
    CHECK_LT(front, back);
    absl::StatusOr<std::optional<std::string>> row = turn.Get(QueueEntryKey(range_id, front));
    if (!row.ok()) return row.status();
    absl::Status status =
        CheckRow(row->has_value() ? absl::string_view(**row) : "", 17, "session queue entry");
    if (!status.ok()) return status;
    *client_id = ReadFixed64(absl::string_view(**row).substr(1));
    *due = ReadFixed64(absl::string_view(**row).substr(9));
    return absl::OkStatus();
  }

  absl::Status Pop(uint64_t range_id, Turn* turn) {
    turn->Delete(QueueEntryKey(range_id, front));
    ++front;
    if (front == back) return absl::OkStatus();
    uint64_t client_id;
    return ReadFront(range_id, *turn, &client_id, &due_ms);
  }
};

SessionTable::SessionTable(uint64_t range_id, uint64_t version, Turn* turn)
    : range_id_(range_id), now_ms_(version >> 16), turn_(turn) {}

absl::StatusOr<SessionTable::Admission> SessionTable::Admit(const RequestId& id) {
  id_ = id;
  if (id.issued_at_ms > now_ms_ + kClockAheadMaxMs) return Admission::kClockAhead;
  absl::StatusOr<bool> known = ReadClient(id.client_id, &client_);
  if (!known.ok()) return known.status();
  if (*known && now_ms_ < client_.last_used_ms + kLastUsedGrainMs) return Admission::kAdmitted;
  if (!*known) {
    client_.remembered_since_ms = Before(now_ms_, kIssuedAgeMaxMs);
    if (id.issued_at_ms <= client_.remembered_since_ms) return Admission::kExpired;
  }
  client_.last_used_ms = now_ms_;
  WriteClient(id.client_id, client_);
  absl::Status status = Enqueue(/*is_new=*/!*known);
  if (!status.ok()) return status;
  return Admission::kAdmitted;
}

// Adds the client if it is new and drops idle ones: twice as many as can be added.
absl::Status SessionTable::Enqueue(bool is_new) {
  Queue queue;
  absl::Status status = queue.Read(range_id_, *turn_);
  if (!status.ok()) return status;
  const bool is_due = queue.front < queue.back && queue.due_ms <= now_ms_;
  if (is_due) status = DropIdleClients(&queue);
  if (!status.ok()) return status;
  if (is_new) queue.Push(range_id_, id_.client_id, now_ms_ + kIdleDropMs, turn_);
  if (is_due || is_new) queue.Write(range_id_, turn_);
  return absl::OkStatus();
}

absl::Status SessionTable::DropIdleClients(Queue* queue) {
  for (int i = 0; i < kDropsPerCommandMax; ++i) {
    if (queue->front == queue->back || queue->due_ms > now_ms_) break;
    uint64_t client_id;
    uint64_t due;
    absl::Status status = queue->ReadFront(range_id_, *turn_, &client_id, &due);
    if (!status.ok()) return status;
    Client client;
    absl::StatusOr<bool> known = ReadClient(client_id, &client);
    if (!known.ok()) return known.status();
    if (!*known) return absl::DataLossError("a client in the session queue has no row");
    const uint64_t idle_until = client.last_used_ms + kIdleDropMs;
    if (idle_until <= now_ms_) {
      turn_->Delete(ClientKey(range_id_, client_id));
      std::string end = OutcomesBegin(range_id_, client_id);
      end.append("\xff\xff\xff", 3);  // Beyond any place.
      turn_->DeleteRange(OutcomesBegin(range_id_, client_id), std::move(end));
    } else {
      queue->Push(range_id_, client_id, idle_until, turn_);
    }
    status = queue->Pop(range_id_, turn_);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> SessionTable::ReadClient(uint64_t client_id, Client* client) const {
  absl::StatusOr<std::optional<std::string>> row = turn_->GetOften(ClientKey(range_id_, client_id));
  if (!row.ok()) return row.status();
  if (!row->has_value()) return false;
  absl::Status status = CheckRow(**row, 17, "session client");
  if (!status.ok()) return status;
  client->remembered_since_ms = ReadFixed64(absl::string_view(**row).substr(1));
  client->last_used_ms = ReadFixed64(absl::string_view(**row).substr(9));
  return true;
}

void SessionTable::WriteClient(uint64_t client_id, const Client& client) {
  std::string row(1, kFormat);
  AppendFixed64(client.remembered_since_ms, &row);
  AppendFixed64(client.last_used_ms, &row);
  turn_->Put(ClientKey(range_id_, client_id), std::move(row));
}

std::string SessionTable::OutcomeKey(uint64_t client_id, uint64_t sequence) const {
  const uint64_t place = sequence % kSessionPlaces;
  std::string key = OutcomesBegin(range_id_, client_id);
  key.push_back(static_cast<char>(place >> 8));
  key.push_back(static_cast<char>(place));
  return key;
}

absl::StatusOr<SessionTable::Memory> SessionTable::Recall(uint64_t sequence, Operation kind,
                                                          std::string* remembered) {
  absl::StatusOr<std::optional<std::string>> row = turn_->Get(OutcomeKey(id_.client_id, sequence));
  if (!row.ok()) return row.status();
  if (row->has_value()) {
    const absl::string_view bytes = **row;
    absl::Status status = CheckRow(bytes, kOutcomeHeaderBytes, "session outcome");
    if (!status.ok()) return status;
    const uint64_t held = ReadFixed64(bytes.substr(2));
    if (held > sequence) return Memory::kForgotten;
    if (held == sequence) {
      if (static_cast<uint8_t>(bytes[1]) != static_cast<uint8_t>(kind)) return Memory::kMismatch;
      *remembered = std::string(bytes.substr(kOutcomeHeaderBytes));
      return Memory::kRepeat;
    }
  }
  return id_.issued_at_ms <= client_.remembered_since_ms ? Memory::kForgotten : Memory::kNew;
}

void SessionTable::Remember(uint64_t sequence, Operation kind, absl::string_view outcome) {
  std::string row;
  row.reserve(kOutcomeHeaderBytes + outcome.size());
  row.push_back(kFormat);
  row.push_back(static_cast<char>(kind));
  AppendFixed64(sequence, &row);
  row.append(outcome.data(), outcome.size());
  turn_->Put(OutcomeKey(id_.client_id, sequence), std::move(row));
}

// ---- Merging.

absl::StatusOr<SessionTable::Clients> SessionTable::ListClients(uint64_t range_id,
                                                                const Turn& turn) {
  Clients clients;
  absl::Status damage;
  const std::string begin = RangeRowKey(range_id, kSessionClientRow);
  absl::Status status = turn.ForEach(begin, RangeRowKey(range_id, kSessionClientRow + 1),
                                     [&](absl::string_view key, absl::string_view row) {
                                       if (key.size() != begin.size() + 8)
                                         damage = CheckRow("", 1, "session client");
                                       if (damage.ok())
                                         damage = CheckRow(row, 17, "session client");
                                       if (!damage.ok()) return;
                                       clients[ReadFixed64(key.substr(begin.size()))] = {
                                           ReadFixed64(row.substr(1)), ReadFixed64(row.substr(9))};
                                     });
  if (!status.ok()) return status;
  if (!damage.ok()) return damage;
  return clients;
}

// The higher sequence takes the place, as if it had come last: the other one is forgotten.
absl::Status SessionTable::MergeOutcomes(uint64_t from, uint64_t into, Turn* turn) {
  const std::string begin = RangeRowKey(from, kSessionOutcomeRow);
  const std::string own = RangeRowKey(into, kSessionOutcomeRow);
  std::vector<std::pair<std::string, std::string>> rows;
  absl::Status status = turn->ForEach(
      begin, RangeRowKey(from, kSessionOutcomeRow + 1),
      [&](absl::string_view key, absl::string_view row) {
        rows.emplace_back(absl::StrCat(own, key.substr(begin.size())), std::string(row));
      });
  for (auto& [key, row] : rows) {
    if (status.ok()) status = CheckRow(row, kOutcomeHeaderBytes, "session outcome");
    if (!status.ok()) return status;
    const absl::StatusOr<std::optional<std::string>> held = turn->Get(key);
    if (!held.ok()) return held.status();
    if (held->has_value()) {
      status = CheckRow(**held, kOutcomeHeaderBytes, "session outcome");
      if (!status.ok()) return status;
      const uint64_t sequence = ReadFixed64(absl::string_view(**held).substr(2));
      if (sequence >= ReadFixed64(absl::string_view(row).substr(2))) continue;
    }
    turn->Put(std::move(key), std::move(row));
  }
  return status;
}

// Why nothing is executed again. Let one of the two ranges have executed sequence s of client c.
//  - It remembers the outcome: the place holds s afterwards, or a higher sequence, which proves
//    that s was forgotten.
//  - It has c, but not the outcome: then the place holds a higher sequence, or s was issued at or
//    before its `remembered since`, of which the later one counts afterwards.
//  - It has dropped c, at a version V at or below the merge's version M: s was issued at or before
//    V - kIssuedAgeMax (see kIdleDropMs). If the other range has c, `remembered since` is raised to
//    M - kIssuedAgeMax. Counter-example without it: c goes on with the other range for an hour,
//    which remembers it since long before s. If neither has c, it is admitted anew at a version
//    above M, by which s is too old.
absl::Status SessionTable::Merge(uint64_t from, uint64_t into, uint64_t version, Turn* turn) {
  const absl::StatusOr<Clients> theirs = ListClients(from, *turn);
  if (!theirs.ok()) return theirs.status();
  const absl::StatusOr<Clients> ours = ListClients(into, *turn);
  if (!ours.ok()) return ours.status();
  const uint64_t now_ms = version >> 16;
  const uint64_t unknown_since_ms = Before(now_ms, kIssuedAgeMaxMs);
  Queue queue;
  if (absl::Status status = queue.Read(into, *turn); !status.ok()) return status;
  SessionTable table(into, version, turn);
  for (const auto& [id, client] : *ours) {
    Client merged = client;
    const auto other = theirs->find(id);
    merged.remembered_since_ms =
        std::max(client.remembered_since_ms,
                 other == theirs->end() ? unknown_since_ms : other->second.remembered_since_ms);
    if (other != theirs->end()) {
      merged.last_used_ms = std::max(client.last_used_ms, other->second.last_used_ms);
    }
    table.WriteClient(id, merged);
  }
  for (const auto& [id, client] : *theirs) {
    if (ours->count(id) != 0) continue;
    Client merged = client;
    merged.remembered_since_ms = std::max(client.remembered_since_ms, unknown_since_ms);
    table.WriteClient(id, merged);
    // Behind all others, as late as any can be due: the queue stays in order.
    queue.Push(into, id, now_ms + kIdleDropMs, turn);
  }
  if (!theirs->empty()) queue.Write(into, turn);
  return MergeOutcomes(from, into, turn);
}

}  // namespace rasputin::kv
