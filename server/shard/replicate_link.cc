// Queues and frames; see the header.

#include "server/shard/replicate_link.h"

#include <glog/logging.h>

#include <utility>

#include "server/front/forward_frame.h"

namespace rasputin::server {

namespace wire = consensus::wire;

namespace {

// Moves elements out of `queue` until `bytes` reaches `bytes_max`.
template <typename T>
std::vector<T> Take(std::deque<T>* queue, size_t bytes_max, size_t* bytes) {
  std::vector<T> taken;
  while (!queue->empty() && *bytes < bytes_max) {
    *bytes += wire::EncodedBytes(queue->front());
    taken.push_back(std::move(queue->front()));
    queue->pop_front();
  }
  return taken;
}

}  // namespace

ReplicateLink::ReplicateLink(const wire::Hello& hello, std::function<void()> on_down)
    : hello_(hello), on_down_(std::move(on_down)) {}

void ReplicateLink::SetStream(std::unique_ptr<OutboundStream> stream) {
  stream_ = std::move(stream);
}

void ReplicateLink::Send(std::vector<consensus::Message> messages) {
  for (consensus::Message& message : messages) {
    message_bytes_ += wire::EncodedBytes(message);
    messages_.push_back(std::move(message));
  }
  DropOldest();
}

void ReplicateLink::DropOldest() {
  while (message_bytes_ > kQueuedBytesMax && messages_.size() > 1) {
    message_bytes_ -= wire::EncodedBytes(messages_.front());
    messages_.pop_front();
    ++messages_dropped_;
  }
}

bool ReplicateLink::Send(const ForwardRequest& request) {
  if (!stream_->Up()) return false;
  requests_.push_back(ToFrame(request));
  return true;
}

// A reply may be ready before the stream to the asking store is up for the first time, and nobody
// would tell that store that its answer is lost: the reply waits.
void ReplicateLink::Send(const ForwardReply& reply) {
  replies_.push_back(ToFrame(reply));
  reply_bytes_ += wire::EncodedBytes(replies_.back());
  while (reply_bytes_ > kQueuedBytesMax && replies_.size() > 1) {
    reply_bytes_ -= wire::EncodedBytes(replies_.front());
    replies_.pop_front();
  }
}

void ReplicateLink::Flush() {
  if (!Empty()) stream_->Wake();
}

absl::Cord ReplicateLink::NextFrame(bool first) {
  absl::Cord frame;
  // Two encoded messages of a kind, one behind the other, are one with the fields of both.
  if (first) frame = wire::EncodeHelloFrame(hello_);
  if (Empty()) return frame;
  size_t bytes = 0;
  const std::vector<consensus::Message> messages = Take(&messages_, kFrameBytes, &bytes);
  message_bytes_ -= bytes;
  size_t bytes_of_replies = 0;
  const std::vector<wire::ForwardReply> replies = Take(&replies_, kFrameBytes, &bytes_of_replies);
  reply_bytes_ -= bytes_of_replies;
  const std::vector<wire::ForwardRequest> requests = Take(&requests_, kFrameBytes, &bytes);
  frame.Append(wire::EncodeFrame(messages, requests, replies));
  return frame;
}

void ReplicateLink::OnUp() {
  was_up_ = true;
  reported_down_ = false;
  LOG(INFO) << "stream to store " << hello_.to_store << " is up";
}

void ReplicateLink::OnDown(const std::string& reason) {
  if (!reported_down_) LOG(WARNING) << "no stream to store " << hello_.to_store << ": " << reason;
  reported_down_ = true;
  messages_dropped_ += messages_.size();
  messages_.clear();
  message_bytes_ = 0;
  requests_.clear();
  if (was_up_) {
    // The other side has seen the end, too, and waits for no reply from before it.
    replies_.clear();
    reply_bytes_ = 0;
    on_down_();
  }
  was_up_ = false;
}

}  // namespace rasputin::server
