// Where a client's call goes: to the front end, to health or reflection, or to initialisation.
//
// Counts and times every call. Inside the shard only, like everything that touches a ServerCall.

#ifndef RASPUTIN_SERVER_NODE_CALL_DISPATCH_H_
#define RASPUTIN_SERVER_NODE_CALL_DISPATCH_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/metrics/metrics.h"
#include "server/node/call_bounds.h"
#include "server/rpc/server_call.h"
#include "server/services/catalog.h"
#include "server/shard/shard.h"

namespace rasputin::server {

class CallDispatch final : public CallSink {
 public:
  // Starts an initialisation; FinishInit must follow, from any thread that is inside the shard.
  // False: it was not started, and nothing follows.
  using StartInit = std::function<bool()>;

  CallDispatch(const Catalog* catalog, MetricsRegistry* registry, Shard* shard,
               StartInit start_init);

  // The node belongs to a cluster and its store is being opened: until it is attached, calls are
  // refused as safe to repeat. Before the executor runs.
  void ExpectStore() { store_expected_ = true; }
  // The node's store is lost, as the text says: what would be answered with the advice to
  // initialise, or to wait for the store, is refused with it. Inside the shard.
  void SetLost(std::string text) { lost_ = std::move(text); }
  // The node's store was taken off the list of stores, as the text says; empty: it was not. Every
  // call but health and reflection is refused with it, for another node to carry out. Inside the
  // shard.
  void SetRetired(std::string text) { retired_ = std::move(text); }
  // Calls that the front end may have at a time, and bytes of their requests: beyond it they are
  // refused unread; so are streams that follow the directory beyond half of the calls. The last
  // line of defence: what one range or collection may take is far less (server/front/fair_queue.h).
  // Before the first call.
  void SetLimits(uint64_t calls_max, uint64_t bytes_max) { bounds_.Set(calls_max, bytes_max); }
  // Carries out a call that awaits other nodes: WithdrawPromises and ListAudit, by their path.
  // FinishSlow with the same number must follow. False: it was not started, and nothing follows.
  using StartSlow =
      std::function<bool(uint64_t number, const std::string& path, const absl::Cord& request)>;
  // Before the first call.
  void SetStartSlow(StartSlow start) { start_slow_ = std::move(start); }
  // Inside the shard.
  void FinishSlow(uint64_t number, const CallResult& result);
  // Answers everybody who waits for an initialisation.
  void FinishInit(const CallResult& result);
  // The node began or ceases to serve: tells those who watch its health.
  void SetServing(bool serving);

  void OnCall(ServerCall* call) override;
  void OnPageWritten(ServerCall* call) override;
  void OnGone(ServerCall* call) override;
  void OnFinished(ServerCall* call, int code) override;

 private:
  static constexpr int kCodes = 17;  // gRPC's, 0 to 16.
  enum class Target { kFront, kInit, kSlow, kHealthCheck, kHealthWatch, kReflection };
  struct Route {
    std::string label;  // "KvService/Get".
    Target target = Target::kFront;
    Method method = Method::kGet;
    Histogram* seconds = nullptr;
    std::array<Counter*, kCodes> outcomes{};
  };

  int RouteOf(const std::string& path);
  // The front end has done with the call, if it had it.
  void LeaveFront(ServerCall* call);
  void ToFront(ServerCall* call, const Route& route);
  // True: there are too many, and it was answered.
  bool RefuseIfTooMany(ServerCall* call);
  // It is a stream that follows the directory.
  bool Follows(const ServerCall* call) const;
  void ToSlow(ServerCall* call);
  void CheckHealth(ServerCall* call);
  void WatchHealth(ServerCall* call);
  bool KnowsService(const std::string& name) const;

  const Catalog* const catalog_;
  MetricsRegistry* const registry_;
  Shard* const shard_;
  const StartInit start_init_;
  CallBounds bounds_;  // Of the calls that the front end has.
  Counter* const refused_calls_;
  Counter* const refused_followers_;
  Counter* const refused_bytes_;
  bool serving_ = false;
  bool store_expected_ = false;
  std::string lost_;
  std::string retired_;
  std::vector<Route> routes_;
  std::map<std::string, int> route_by_path_;
  bool init_running_ = false;  // Even if everybody who waited for it has gone.
  std::set<ServerCall*> init_calls_;
  StartSlow start_slow_;
  uint64_t last_slow_ = 0;
  std::map<uint64_t, ServerCall*> slow_calls_;
  std::set<ServerCall*> watchers_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_NODE_CALL_DISPATCH_H_
