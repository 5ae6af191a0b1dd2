// See limits.h. The sentences are those of kv/fields.cc.

#include "client/limits.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/status.h"

namespace rasputin::client {
namespace {

bool IsOver(uint64_t actual, uint64_t limit) { return limit != 0 && actual > limit; }

absl::Status OverLimit(const char* what, uint64_t actual, uint64_t limit) {
  return InvalidRequestError(
      absl::StrCat(what, " has ", actual, " bytes; the limit is ", limit, " bytes"));
}

// Of a request on one key; `value` and `expected_value` are empty where it has none.
template <typename Request>
RequestSizes SizesOfOne(const Request& request, const std::string& value,
                        const std::string& expected_value) {
  RequestSizes sizes;
  sizes.key_bytes = request.key().size();
  sizes.value_bytes = std::max(value.size(), expected_value.size());
  sizes.request_bytes = request.ByteSizeLong();
  return sizes;
}

void AddKeyAndValue(const std::string& key, const std::string& value, RequestSizes* sizes) {
  sizes->key_bytes = std::max<uint64_t>(sizes->key_bytes, key.size());
  sizes->value_bytes = std::max<uint64_t>(sizes->value_bytes, value.size());
}

}  // namespace

RequestSizes SizesOf(const kv::v1::GetRequest& request) { return SizesOfOne(request, "", ""); }

RequestSizes SizesOf(const kv::v1::SetRequest& request) {
  return SizesOfOne(request, request.value(), "");
}

RequestSizes SizesOf(const kv::v1::CasRequest& request) {
  return SizesOfOne(request, request.value(), request.expected_value());
}

RequestSizes SizesOf(const kv::v1::DeleteRequest& request) { return SizesOfOne(request, "", ""); }

RequestSizes SizesOf(const kv::v1::BatchRequest& request) {
  RequestSizes sizes;
  sizes.request_bytes = request.ByteSizeLong();
  sizes.operations = static_cast<uint64_t>(request.operations_size());
  for (const kv::v1::BatchOperation& operation : request.operations()) {
    AddKeyAndValue(operation.get().key(), "", &sizes);
    AddKeyAndValue(operation.set().key(), operation.set().value(), &sizes);
    AddKeyAndValue(operation.cas().key(), operation.cas().value(), &sizes);
    AddKeyAndValue("", operation.cas().expected_value(), &sizes);
    AddKeyAndValue(operation.delete_().key(), "", &sizes);
  }
  return sizes;
}

RequestSizes SizesOf(const kv::v1::ScanRequest& request) {
  RequestSizes sizes;
  sizes.key_bytes = std::max(request.start().size(), request.end().size());
  sizes.request_bytes = request.ByteSizeLong();
  return sizes;
}

absl::Status CheckLimits(const RequestSizes& sizes, const ClientLimits& limits) {
  if (IsOver(sizes.key_bytes, limits.key_bytes_max)) {
    return OverLimit("the key", sizes.key_bytes, limits.key_bytes_max);
  }
  if (IsOver(sizes.value_bytes, limits.value_bytes_max)) {
    return OverLimit("the value", sizes.value_bytes, limits.value_bytes_max);
  }
  if (IsOver(sizes.request_bytes, limits.request_bytes_max)) {
    return OverLimit("the request", sizes.request_bytes, limits.request_bytes_max);
  }
  if (IsOver(sizes.operations, limits.batch_operations_max)) {
    return InvalidRequestError(absl::StrCat("the batch has ", sizes.operations,
                                            " operations; the limit is ",
                                            limits.batch_operations_max));
  }
  return absl::OkStatus();
}

}  // namespace rasputin::client
