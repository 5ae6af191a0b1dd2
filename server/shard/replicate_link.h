// What waits to be sent to one other store: group messages, forwarded requests, replies.
//
// Everything queued while a frame was under way leaves together in the next. Group messages are
// sent again by the protocol, so a peer that is down or slow costs a bounded queue whose oldest
// messages are dropped; requests are taken only while the stream is up. Not thread-safe: belongs to
// a shard.

#ifndef RASPUTIN_SERVER_SHARD_REPLICATE_LINK_H_
#define RASPUTIN_SERVER_SHARD_REPLICATE_LINK_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/core/message.h"
#include "consensus/wire/frame.h"
#include "server/front/ports.h"
#include "server/peer/outbound_stream.h"

namespace rasputin::server {

class ReplicateLink final : public FrameSource {
 public:
  // Bytes that wait at most; beyond, the oldest group messages are dropped.
  static constexpr size_t kQueuedBytesMax = size_t{64} << 20;
  // Bytes from which a frame takes no further element.
  static constexpr size_t kFrameBytes = size_t{4} << 20;

  // `on_down` is called when a stream ends that was up.
  ReplicateLink(const consensus::wire::Hello& hello, std::function<void()> on_down);

  // Must be called once before anything is sent.
  void SetStream(std::unique_ptr<OutboundStream> stream);
  OutboundStream* stream() { return stream_.get(); }

  void Send(std::vector<consensus::Message> messages);
  // False: the stream is not up, nothing was queued.
  bool Send(const ForwardRequest& request);
  // Waits until a stream is up; the oldest are dropped beyond kQueuedBytesMax.
  void Send(const ForwardReply& reply);
  // Gives what is queued to the stream if it is free.
  void Flush();

  uint64_t messages_dropped() const { return messages_dropped_; }

  absl::Cord NextFrame(bool first) override;
  void OnUp() override;
  void OnDown(const std::string& reason) override;

 private:
  bool Empty() const { return messages_.empty() && requests_.empty() && replies_.empty(); }
  void DropOldest();

  const consensus::wire::Hello hello_;
  const std::function<void()> on_down_;
  std::unique_ptr<OutboundStream> stream_;
  std::deque<consensus::Message> messages_;
  std::deque<consensus::wire::ForwardRequest> requests_;
  std::deque<consensus::wire::ForwardReply> replies_;
  size_t message_bytes_ = 0;
  size_t reply_bytes_ = 0;
  uint64_t messages_dropped_ = 0;
  bool was_up_ = false;
  bool reported_down_ = false;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_SHARD_REPLICATE_LINK_H_
