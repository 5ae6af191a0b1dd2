// See range_follow.h.

#include "server/front/range_follow.h"

#include "rasputin/admin/v1/admin.pb.h"
#include "server/front/admin_message.h"
#include "server/front/call_status.h"

namespace rasputin::server {

void RangeFollow::Start(CallId id, const absl::Cord& request) {
  const auto wanted = DecodeRequest<admin::v1::FollowRangesRequest>(request);
  if (!wanted.ok()) return calls_->Finish(id, RefuseInvalid(wanted.status()));
  streams_[id] = Stream();
  woken_ = true;
}

void RangeFollow::Resume(CallId id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  it->second.ready = true;
  woken_ = true;
}

void RangeFollow::Cancel(CallId id) {
  streams_.erase(id);
  if (streams_.empty()) copy_->ForgetSnapshot();
}

bool RangeFollow::HasWork() const {
  if (streams_.empty() || !copy_->loaded()) return false;
  return woken_ || handed_out_ != copy_->version();
}

bool RangeFollow::Run() {
  if (!HasWork()) return false;
  woken_ = false;
  handed_out_ = copy_->version();
  bool worked = false;
  for (auto& [id, stream] : streams_) worked |= Pump(id, &stream);
  return worked;
}

bool RangeFollow::Pump(CallId id, Stream* stream) {
  bool worked = false;
  while (stream->ready) {
    if (!stream->begun) {
      stream->snapshot = copy_->TakeSnapshot();
      stream->next_page = 0;
      stream->begun = true;
    }
    absl::Cord page;
    if (stream->snapshot != nullptr) {
      page = stream->snapshot->pages[stream->next_page++];
      if (stream->next_page == stream->snapshot->pages.size()) {
        stream->version = stream->snapshot->version;
        stream->snapshot.reset();
      }
    } else if (stream->version == copy_->version()) {
      break;
    } else if (const absl::Cord* next = copy_->PageAfter(stream->version); next != nullptr) {
      page = *next;
      ++stream->version;
    } else {
      stream->begun = false;
      continue;
    }
    worked = true;
    stream->ready = calls_->Page(id, std::move(page));
  }
  return worked;
}

}  // namespace rasputin::server
