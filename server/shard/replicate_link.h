// What waits to be sent to one other store: group messages, forwarded requests, replies.
//
// Everything queued while a frame was under way leaves together in the next. A peer that is down or
// slow costs bounded queues: the oldest group messages are dropped (the protocol repeats them), the
// oldest replies too (as if the connection had lost them); requests are refused while the stream is
// not up or too much waits, and those that never left are named when it ends. Not thread-safe:
// belongs to a shard.

#ifndef RASPUTIN_SERVER_SHARD_REPLICATE_LINK_H_
#define RASPUTIN_SERVER_SHARD_REPLICATE_LINK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/core/message.h"
#include "consensus/wire/frame.h"
#include "server/front/ports.h"
#include "server/metrics/metrics.h"
#include "server/peer/outbound_stream.h"

namespace rasputin::server {

class ReplicateLink final : public FrameSource {
 public:
  // Bytes that wait at most, of each kind: sixteen full frames, so that a short stall of a loaded
  // peer drops nothing.
  static constexpr size_t kQueuedBytesMax = size_t{64} << 20;
  // Bytes from which a frame takes no further element.
  static constexpr size_t kFrameBytes = size_t{4} << 20;

  // Called when a stream ends that was up, with the ids of the requests that were never written.
  using OnBroken = std::function<void(const std::vector<uint64_t>& not_sent)>;
  // What did not leave for want of room or of a stream; the counters outlive the link.
  struct Dropped {
    Counter* messages = nullptr;
    Counter* requests = nullptr;  // Refused; the caller was told.
    Counter* replies = nullptr;
  };

  ReplicateLink(const consensus::wire::Hello& hello, const Dropped& dropped, OnBroken on_broken);

  // Must be called once before anything is sent.
  void SetStream(std::unique_ptr<OutboundStream> stream);
  OutboundStream* stream() { return stream_.get(); }

  void Send(std::vector<consensus::Message> messages);
  // False: the stream is not up, or kQueuedBytesMax wait; nothing was queued.
  bool Send(const ForwardRequest& request);
  // Waits until a stream is up; the oldest are dropped beyond kQueuedBytesMax.
  void Send(const ForwardReply& reply);
  // Gives what is queued to the stream if it is free.
  void Flush();

  absl::Cord NextFrame(bool first) override;
  void OnUp() override;
  void OnDown(const std::string& reason) override;

 private:
  bool Empty() const { return messages_.empty() && requests_.empty() && replies_.empty(); }

  const consensus::wire::Hello hello_;
  const Dropped dropped_;
  const OnBroken on_broken_;
  std::unique_ptr<OutboundStream> stream_;
  std::deque<consensus::Message> messages_;
  std::deque<consensus::wire::ForwardRequest> requests_;
  std::deque<consensus::wire::ForwardReply> replies_;
  size_t message_bytes_ = 0;
  size_t request_bytes_ = 0;
  size_t reply_bytes_ = 0;
  bool was_up_ = false;
  bool reported_down_ = false;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_REPLICATE_LINK_H_
