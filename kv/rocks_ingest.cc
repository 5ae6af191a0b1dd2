// See rocks_ingest.h.

#include "kv/rocks_ingest.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kv/rocks_status.h"

namespace rasputin::kv {
namespace {

// How much is staged between two looks at the free space.
constexpr uint64_t kSpaceCheckBytes = 1 << 20;

rocksdb::Slice ToSlice(absl::string_view view) { return {view.data(), view.size()}; }

}  // namespace

rocksdb::Status PrepareStaging(const std::string& directory, rocksdb::Env* env) {
  rocksdb::Status status = env->CreateDirIfMissing(directory);
  if (!status.ok()) return status;
  std::vector<std::string> names;
  status = env->GetChildren(directory, &names);
  for (const std::string& name : names) {
    if (!status.ok()) return status;
    if (name == "." || name == "..") continue;
    status = env->DeleteFile(absl::StrCat(directory, "/", name));
  }
  return status;
}

RocksIngest::RocksIngest(const rocksdb::Options& options, std::string prefix,
                         uint64_t leave_free_bytes, std::vector<KeySpan> spans)
    : options_(options),
      prefix_(std::move(prefix)),
      leave_free_bytes_(leave_free_bytes),
      spans_(std::move(spans)) {
  CheckSpans(spans_);
}

RocksIngest::~RocksIngest() {
  writer_.reset();
  // Those in place are gone from here.
  for (const std::string& file : files_) options_.env->DeleteFile(file).PermitUncheckedError();
}

absl::Status RocksIngest::CheckSpace(uint64_t bytes) {
  unchecked_bytes_ += bytes;
  if (!files_.empty() && unchecked_bytes_ < kSpaceCheckBytes) return absl::OkStatus();
  uint64_t free = 0;
  if (!options_.env->GetFreeSpace(prefix_.substr(0, prefix_.rfind('/')), &free).ok()) {
    return absl::OkStatus();
  }
  if (free < leave_free_bytes_ || free - leave_free_bytes_ < unchecked_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat("the disk of the engine has ", free,
                                                     " bytes free; state that is received may "
                                                     "take all but ",
                                                     leave_free_bytes_,
                                                     ": free space, it is sent again"));
  }
  unchecked_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status RocksIngest::OpenSpan() {
  if (absl::Status status = CheckSpace(0); !status.ok()) return status;
  const KeySpan& span = spans_[files_.size()];
  writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(options_), options_);
  files_.push_back(absl::StrCat(prefix_, files_.size(), ".sst"));
  rocksdb::Status status = writer_->Open(files_.back());
  if (status.ok()) status = writer_->DeleteRange(ToSlice(span.begin), ToSlice(span.end));
  return ToStatus(status, "staging rows");
}

absl::Status RocksIngest::CloseSpan() {
  if (writer_ == nullptr) return absl::OkStatus();
  const rocksdb::Status status = writer_->Finish();
  writer_.reset();
  return ToStatus(status, "completing a staged file");
}

absl::Status RocksIngest::Put(absl::string_view key, absl::string_view value) {
  CHECK(last_key_.empty() || absl::string_view(last_key_) < key) << "keys do not ascend";
  last_key_ = std::string(key);
  while (files_.empty() || absl::string_view(spans_[files_.size() - 1].end) <= key) {
    CHECK_LT(files_.size(), spans_.size()) << "a key outside of the spans";
    absl::Status status = CloseSpan();
    if (status.ok()) status = OpenSpan();
    if (!status.ok()) return status;
  }
  CHECK(absl::string_view(spans_[files_.size() - 1].begin) <= key) << "a key outside of the spans";
  if (absl::Status status = CheckSpace(key.size() + value.size()); !status.ok()) return status;
  return ToStatus(writer_->Put(ToSlice(key), ToSlice(value)), "staging a row");
}

absl::Status RocksIngest::Finish() {
  absl::Status status = CloseSpan();
  while (status.ok() && files_.size() < spans_.size()) {
    status = OpenSpan();
    if (status.ok()) status = CloseSpan();
  }
  return status;
}

}  // namespace rasputin::kv
