// KvService at the front end: single keys, scans and batches.
//
// Reads the few fields that routing needs, checks limits, and sends each request verbatim to its
// range; a scan goes from range to range a page at a time, a batch is divided by range and put
// together again. Not responsible for what operations mean (kv/) nor for retries (dispatcher.h).
// Not thread-safe.

#ifndef RASPUTIN_SERVER_FRONT_KV_CALLS_H_
#define RASPUTIN_SERVER_FRONT_KV_CALLS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "kv/fields.h"
#include "kv/limits.h"
#include "server/front/call_table.h"
#include "server/front/directory.h"
#include "server/front/dispatcher.h"

namespace rasputin::server {

class KvCalls {
 public:
  KvCalls(const kv::Limits& limits, CallTable* calls, Directory* directory, Dispatcher* dispatcher,
          const client::Router* router);
  ~KvCalls();

  // Carries out a call of KvService; `deadline` is finite.
  void Start(const ClockReading& now, CallId id, Method method, absl::Cord request,
             Instant deadline);
  // A scan's completion is ready for the next page.
  void Resume(const ClockReading& now, CallId id);
  void Cancel(CallId id);

 private:
  struct Scan;
  struct Batch;

  void Begin(const ClockReading& now, CallId id, kv::Operation operation, absl::Cord request,
             const kv::RequestFields& fields, uint64_t collection, Instant deadline);
  // A request that may lie in one range.
  void SendWhole(const ClockReading& now, CallId id, kv::Operation operation, absl::Cord request,
                 const kv::RequestFields& fields, uint64_t collection, Instant deadline);

  void BeginScan(const ClockReading& now, CallId id, const absl::Cord& request,
                 const kv::RequestFields& fields, uint64_t collection, Instant deadline);
  void NextPage(const ClockReading& now, CallId id);
  void OnPage(const ClockReading& now, CallId id, RangeAnswer answer);
  void EndScan(CallId id, CallResult result);

  void BeginBatch(const ClockReading& now, CallId id, absl::Cord request,
                  const kv::RequestFields& fields, uint64_t collection, Instant deadline,
                  bool maybe_executed);
  // Sends all operations that have no route yet, grouped by range.
  void DivideBatch(const ClockReading& now, CallId id);
  void SendPart(const ClockReading& now, CallId id, std::vector<uint32_t> indexes);
  void OnPart(const ClockReading& now, CallId id, const std::vector<uint32_t>& indexes,
              RangeAnswer answer);
  void EndBatchIfComplete(CallId id);

  const kv::Limits limits_;
  CallTable* const calls_;
  Directory* const directory_;
  Dispatcher* const dispatcher_;
  const client::Router* const router_;
  std::map<CallId, std::unique_ptr<Scan>> scans_;
  std::map<CallId, std::unique_ptr<Batch>> batches_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_KV_CALLS_H_
