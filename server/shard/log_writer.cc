// See the header. Failing is the sink's business, so that a test can watch it.

#include "server/shard/log_writer.h"

#include <glog/logging.h>
#include <pthread.h>

#include <chrono>
#include <memory>
#include <utility>

#include "server/clock/clock.h"

namespace rasputin::server {
namespace {

constexpr std::chrono::seconds kSpaceRetryInterval{1};
constexpr int kLooksPerProbe = 30;

}  // namespace

LogWriter::LogWriter(consensus::log::SharedLog* log, DiskWatch* watch, Sink sink)
    : log_(log), watch_(watch), sink_(std::move(sink)), thread_([this] { Run(); }) {}

LogWriter::~LogWriter() { Stop(); }

void LogWriter::Wake() {
  bool notify = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    notify = !woken_;
    woken_ = true;
  }
  if (notify) wake_.notify_one();
}

void LogWriter::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    woken_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool LogWriter::WaitForWork() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (stopping_ && !log_->HasPending()) return false;
  if (log_->OutOfSpace()) {
    wake_.wait_for(lock, kSpaceRetryInterval, [this] { return woken_; });
  } else {
    wake_.wait(lock, [this] { return woken_; });
  }
  woken_ = stopping_;
  return true;
}

// A probe also gives back segments that have become free; seldom, for it takes from the reserve.
absl::Status LogWriter::LookForSpace() {
  if (!log_->OutOfSpace()) return absl::OkStatus();
  if (++looks_ % kLooksPerProbe == 0) log_->AppendDiskProbe();
  const absl::Status status = log_->CheckSpace();
  ReportSpace();
  return status;
}

void LogWriter::ReportSpace() {
  if (full_reported_ == log_->OutOfSpace()) return;
  full_reported_ = !full_reported_;
  if (full_reported_) {
    LOG(ERROR) << "the disk of --storage-dir is full: writes to ranges that are led here are "
                  "refused, reads go on; free space";
  } else {
    LOG(INFO) << "the disk of --storage-dir has space again: writes go on";
  }
}

bool LogWriter::WaitForSpace() {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait_for(lock, kSpaceRetryInterval, [this] { return stopping_; });
  return !stopping_;
}

absl::Status LogWriter::Execute(consensus::log::WriteJob* job) {
  watch_->Begin(Now());
  const absl::Status status = log_->Execute(job);
  watch_->End(Now());
  return status;
}

void LogWriter::Run() {
  pthread_setname_np(pthread_self(), "log-writer");
  while (true) {
    std::unique_ptr<consensus::log::WriteJob> job = log_->TakeWrite();
    if (job == nullptr) {
      if (!WaitForWork()) return;
      if (const absl::Status status = LookForSpace(); !status.ok()) {
        sink_.failed(status);
        return;
      }
      continue;
    }
    const consensus::DualInstant started = consensus::DualInstant::At(ReadClocks());
    absl::Status status = Execute(job.get());
    if (absl::IsResourceExhausted(status)) LOG(ERROR) << status.message();
    // Disk and reserve are full: nothing is lost, and the same job goes on when there is space.
    while (absl::IsResourceExhausted(status) && WaitForSpace()) status = Execute(job.get());
    if (absl::IsResourceExhausted(status)) return;  // Stopping; nothing of it was acknowledged.
    if (!status.ok()) {
      sink_.failed(status);
      return;
    }
    sink_.durable(started, log_->FinishWrite(std::move(job)));
    ReportSpace();
  }
}

}  // namespace rasputin::server
