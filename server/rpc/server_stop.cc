// See the header.

#include "server/rpc/server_stop.h"

#include <glog/logging.h>
#include <grpc/support/time.h>
#include <pthread.h>

#include "grpcpp/server.h"

namespace rasputin::server {

ServerStop::~ServerStop() {
  if (thread_.joinable()) thread_.join();
}

void ServerStop::Begin(grpc::Server* server, consensus::Duration grace) {
  CHECK(!thread_.joinable()) << "a server is stopped once";
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(grace.count(), GPR_TIMESPAN));
  thread_ = std::thread([this, server, deadline] {
    pthread_setname_np(pthread_self(), "server-stop");
    server->Shutdown(deadline);
    std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
    changed_.notify_all();
  });
}

bool ServerStop::Await(consensus::Duration wait) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, wait, [this] { return over_; });
}

}  // namespace rasputin::server
