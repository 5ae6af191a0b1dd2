// One stream of frames to one other store, kept up: reconnects, one write in flight.
//
// Pulls: whenever the last write has ended it asks its source for a frame, so whatever was queued
// meanwhile leaves together. Frames are lost with the stream; nobody is told which. Not
// thread-safe: belongs to the thread that polls its queue, or to the shard that is entered for its
// events.

#ifndef RASPUTIN_SERVER_PEER_OUTBOUND_STREAM_H_
#define RASPUTIN_SERVER_PEER_OUTBOUND_STREAM_H_

#include <memory>
#include <string>

#include "absl/strings/cord.h"
#include "consensus/core/types.h"
#include "server/rpc/event_queue.h"

namespace rasputin::server {

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // The next frame; `first` of a stream carries the greeting and must not be empty. Empty: nothing
  // to send until OutboundStream::Wake.
  virtual absl::Cord NextFrame(bool first) = 0;
  // The other side took the greeting.
  virtual void OnUp() = 0;
  // The stream ended; `reason` is for the log. Called once per stream, whether it was up or not.
  virtual void OnDown(const std::string& reason) = 0;
};

class OutboundStream {
 public:
  // `path`: "/package.Service/Method". Queue and source outlive it.
  static std::unique_ptr<OutboundStream> Make(const std::string& address, const std::string& path,
                                              EventQueue* queue, FrameSource* source);
  virtual ~OutboundStream() = default;  // Only when Ended().

  // Opens the stream when it is due. To be called at NextDeadline or more often.
  virtual void Tick(consensus::Instant now) = 0;
  // When Tick has something to do; Instant::max(): while the stream is open.
  virtual consensus::Instant NextDeadline() const = 0;
  // The source has something to send.
  virtual void Wake() = 0;
  // The other side took the greeting and the stream has not ended.
  virtual bool Up() const = 0;
  // There is a sign that the other side is there: the next Tick opens the stream if it is not open.
  virtual void RetrySoon() = 0;
  // Ends it for good; poll the queue until Ended().
  virtual void Stop() = 0;
  virtual bool Ended() const = 0;
};

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_PEER_OUTBOUND_STREAM_H_
