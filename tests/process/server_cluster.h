// A few real rasputind processes on the loopback, with data of their own; stops what it started.
//
// Ports are chosen free at the start. Not thread-safe, except where noted. Failing to start is
// fatal (CHECK): a test without servers means nothing.

#ifndef RASPUTIN_TESTS_PROCESS_SERVER_CLUSTER_H_
#define RASPUTIN_TESTS_PROCESS_SERVER_CLUSTER_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace rasputin::process {

struct ServerClusterOptions {
  int nodes = 3;
  std::string binary;              // Path of rasputind.
  std::string directory;           // Existing; data and logs of node i go to DIRECTORY/i.
  std::vector<std::string> flags;  // For every node, besides ports and directories.
  int seeds = 0;                   // The first so many nodes make the cluster; 0: all.
  bool placement = false;          // Replicas and leaderships are moved by the cluster itself.
};

class ServerCluster {
 public:
  explicit ServerCluster(ServerClusterOptions options);
  ~ServerCluster();  // SIGKILLs what still runs and waits for it.
  ServerCluster(const ServerCluster&) = delete;
  ServerCluster& operator=(const ServerCluster&) = delete;

  // `more`: flags of this start alone.
  void Start(int node, const std::vector<std::string>& more = {});
  // Waits until the process is gone.
  void Kill(int node);
  // SIGTERM; returns the exit status, 128 + signal if it was killed.
  int Stop(int node);
  void Signal(int node, int signal);
  // Waits until the process has ended by itself, at most 60 s (CHECK); returns as Stop.
  int AwaitExit(int node);
  bool Running(int node) const { return pids_.at(static_cast<size_t>(node)) != 0; }
  // The process has ended, and not by Kill or Stop; it counts as not running then.
  bool ExitedByItself(int node);
  pid_t pid(int node) const { return pids_.at(static_cast<size_t>(node)); }

  // Initialises the cluster through node 0; repeats until it answers, at most 30 s (CHECK).
  void Init();
  // The node whose store leads the range that holds `key` of the default collection, by what a
  // reachable node says; -1: nobody knows. Thread-safe.
  int Leader(const std::string& key) const;

  std::string ClientAddress(int node) const;
  std::vector<std::string> ClientAddresses() const;
  std::string PeerAddress(int node) const;
  int ClientPort(int node) const { return ports_.at(static_cast<size_t>(node)).client; }
  int PeerPort(int node) const { return ports_.at(static_cast<size_t>(node)).peer; }
  int HttpPort(int node) const { return ports_.at(static_cast<size_t>(node)).http; }
  std::string LogFile(int node) const;
  // Of a node: data/ (its --storage-dir), log and output (what it writes there).
  std::string Home(int node) const;
  int nodes() const { return options_.nodes; }

 private:
  struct Ports {
    int peer = 0;
    int client = 0;
    int http = 0;
  };

  const ServerClusterOptions options_;
  std::string home_;
  std::vector<Ports> ports_;
  std::vector<pid_t> pids_;
};

}  // namespace rasputin::process

#endif  // RASPUTIN_TESTS_PROCESS_SERVER_CLUSTER_H_
