// Fixed-width big-endian encoding of configurations; see configuration_codec.h.

#include "consensus/core/configuration_codec.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rasputin::consensus {
namespace {

constexpr char kFormat = 1;
constexpr char kForcedFormat = 2;  // The same layout.
constexpr size_t kHeaderBytes = 1 + 3 * sizeof(uint32_t);
constexpr size_t kMemberBytes = 2 * sizeof(uint64_t);

void PutBigEndian(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i > 0; --i) out->push_back(static_cast<char>(value >> (8 * (i - 1))));
}

uint64_t TakeBigEndian(size_t bytes, absl::string_view* in) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>((*in)[i]);
  in->remove_prefix(bytes);
  return value;
}

bool IsSorted(const std::vector<Member>& members) {
  ReplicaId previous;
  for (const Member& member : members) {
    if (!(member.replica > previous) || !member.store.IsSet()) return false;
    previous = member.replica;
  }
  return true;
}

absl::Status Malformed() {
  return absl::DataLossError("a configuration entry of the log is malformed");
}

absl::Cord Encode(char format, const Configuration& configuration) {
  const std::array<const std::vector<Member>*, 3> lists = {
      &configuration.voters, &configuration.outgoing, &configuration.learners};
  std::string out(1, format);
  for (const auto* members : lists) PutBigEndian(members->size(), sizeof(uint32_t), &out);
  for (const auto* members : lists) {
    for (const Member& member : *members) {
      PutBigEndian(member.replica.value(), sizeof(uint64_t), &out);
      PutBigEndian(member.store.value(), sizeof(uint64_t), &out);
    }
  }
  return absl::Cord(std::move(out));
}

}  // namespace

absl::Cord EncodeConfiguration(const Configuration& configuration) {
  return Encode(kFormat, configuration);
}

absl::Cord EncodeForcedConfiguration(const Configuration& configuration) {
  return Encode(kForcedFormat, configuration);
}

bool IsForcedConfiguration(const absl::Cord& bytes) {
  return !bytes.empty() && bytes[0] == kForcedFormat;
}

absl::StatusOr<Configuration> DecodeConfiguration(const absl::Cord& bytes) {
  if (bytes.size() < kHeaderBytes ||
      bytes.size() > kHeaderBytes + 3 * kConfigurationMembersMax * kMemberBytes) {
    return Malformed();
  }
  const std::string flat(bytes);
  absl::string_view left = flat;
  if (left[0] != kFormat && left[0] != kForcedFormat) return Malformed();
  left.remove_prefix(1);
  std::array<uint64_t, 3> counts{};
  uint64_t members = 0;
  for (uint64_t& count : counts) {
    count = TakeBigEndian(sizeof(uint32_t), &left);
    if (count > kConfigurationMembersMax) return Malformed();
    members += count;
  }
  if (counts[0] == 0 || left.size() != members * kMemberBytes) return Malformed();
  Configuration configuration;
  const std::array<std::vector<Member>*, 3> lists = {&configuration.voters, &configuration.outgoing,
                                                     &configuration.learners};
  for (size_t i = 0; i < lists.size(); ++i) {
    for (uint64_t n = 0; n < counts[i]; ++n) {
      const ReplicaId replica(TakeBigEndian(sizeof(uint64_t), &left));
      const StoreId store(TakeBigEndian(sizeof(uint64_t), &left));
      lists[i]->push_back({replica, store});
    }
    if (!IsSorted(*lists[i])) return Malformed();
  }
  return configuration;
}

}  // namespace rasputin::consensus
