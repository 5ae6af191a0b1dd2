// The end of a gRPC server, awaited with a bound: grpc::Server::Shutdown itself blocks until the
// last call has ended, however long that takes.
//
// For one thread, except that Begin's own thread does the blocking. Not responsible for the calls:
// the queues must be polled meanwhile.

#ifndef RASPUTIN_SERVER_RPC_SERVER_STOP_H_
#define RASPUTIN_SERVER_RPC_SERVER_STOP_H_

#include <condition_variable>
#include <mutex>
#include <thread>

#include "consensus/core/types.h"

namespace grpc {
class Server;
}  // namespace grpc

namespace rasputin::server {

class ServerStop {
 public:
  ServerStop() = default;
  ~ServerStop();  // Waits for the end.

  // Stops listening; calls that still run after `grace` are cancelled by gRPC. At most once;
  // `server` outlives it.
  void Begin(grpc::Server* server, consensus::Duration grace);
  // Waits at most `wait` after Begin. True: every call has ended.
  bool Await(consensus::Duration wait);

 private:
  std::mutex mutex_;  // Guards the next two.
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_RPC_SERVER_STOP_H_
