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

// Drops the oldest until `bytes` is at most `bytes_max`; the newest stays, however large.
template <typename T>
void DropOldest(std::deque<T>* queue, size_t bytes_max, size_t* bytes, Counter* dropped) {
  while (*bytes > bytes_max && queue->size() > 1) {
    *bytes -= wire::EncodedBytes(queue->front());
    queue->pop_front();
    dropped->Increment();
  }
}

}  // namespace

ReplicateLink::ReplicateLink(const wire::Hello& hello, const Dropped& dropped, OnBroken on_broken)
    : hello_(hello), dropped_(dropped), on_broken_(std::move(on_broken)) {}

void ReplicateLink::SetStream(std::unique_ptr<OutboundStream> stream) {
  stream_ = std::move(stream);
}

void ReplicateLink::Send(std::vector<consensus::Message> messages) {
  for (consensus::Message& message : messages) {
    message_bytes_ += wire::EncodedBytes(message);
    messages_.push_back(std::move(message));
  }
  DropOldest(&messages_, kQueuedBytesMax, &message_bytes_, dropped_.messages);
}

bool ReplicateLink::Send(const ForwardRequest& request) {
  if (!stream_->Up()) return false;
  wire::ForwardRequest frame = ToFrame(request);
  const size_t bytes = wire::EncodedBytes(frame);
  if (!requests_.empty() && request_bytes_ + bytes > kQueuedBytesMax) {
    dropped_.requests->Increment();
    return false;
  }
  request_bytes_ += bytes;
  requests_.push_back(std::move(frame));
  return true;
}

// A reply may be ready before the stream to the asking store is up for the first time, and nobody
// would tell that store that its answer is lost: the reply waits.
void ReplicateLink::Send(const ForwardReply& reply) {
  replies_.push_back(ToFrame(reply));
  reply_bytes_ += wire::EncodedBytes(replies_.back());
  DropOldest(&replies_, kQueuedBytesMax, &reply_bytes_, dropped_.replies);
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
  const size_t bytes_of_messages = bytes;
  const std::vector<wire::ForwardRequest> requests = Take(&requests_, kFrameBytes, &bytes);
  request_bytes_ -= bytes - bytes_of_messages;
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
  dropped_.messages->Add(messages_.size());
  messages_.clear();
  message_bytes_ = 0;
  std::vector<uint64_t> not_sent;
  for (const wire::ForwardRequest& request : requests_) not_sent.push_back(request.id);
  requests_.clear();
  request_bytes_ = 0;
  if (was_up_) {
    was_up_ = false;
    // The other side has seen the end, too, and waits for no reply from before it.
    dropped_.replies->Add(replies_.size());
    replies_.clear();
    reply_bytes_ = 0;
    on_broken_(not_sent);
  }
}

}  // namespace rasputin::server
