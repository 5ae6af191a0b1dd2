// Requests and responses of the admin services as messages: decoding at the edge, encoding the
// answer.
//
// Pure; thread-safe. Requests of KvService are never decoded like this (kv/fields.h).

#ifndef RASPUTIN_SERVER_FRONT_ADMIN_MESSAGE_H_
#define RASPUTIN_SERVER_FRONT_ADMIN_MESSAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "server/front/ports.h"

namespace rasputin::server {

// INVALID_ARGUMENT: not an encoded Message.
template <typename Message>
absl::StatusOr<Message> DecodeRequest(const absl::Cord& request) {
  Message message;
  if (!message.ParseFromString(std::string(request))) {
    return absl::InvalidArgumentError("the request is not an encoded " + message.GetTypeName());
  }
  return message;
}

template <typename Message>
CallResult OkResult(const Message& response) {
  CallResult result;
  result.body = absl::Cord(response.SerializeAsString());
  return result;
}

}  // namespace rasputin::server

#endif  // RASPUTIN_SERVER_FRONT_ADMIN_MESSAGE_H_
