#include "tcp/isn.h"

#include <cstring>

namespace sluice::tcp {

namespace {
enum Purpose : uint64_t { kSequence = 1, kTimestamp = 2 };
}

uint64_t tuple_hash(const SipKey& key, const Endpoint& local, const Endpoint& remote,
                    uint64_t purpose) {
  uint8_t bytes[44];
  std::memcpy(bytes, local.address.bytes.data(), 16);
  std::memcpy(bytes + 16, remote.address.bytes.data(), 16);
  std::memcpy(bytes + 32, &local.port, 2);
  std::memcpy(bytes + 34, &remote.port, 2);
  std::memcpy(bytes + 36, &purpose, 8);
  return siphash(key, bytes);
}

uint32_t initial_sequence(const SipKey& key, const Endpoint& local, const Endpoint& remote,
                          Time now) {
  const auto clock = static_cast<uint32_t>(now.time_since_epoch() / 4us);
  return clock + static_cast<uint32_t>(tuple_hash(key, local, remote, kSequence));
}

uint32_t timestamp_offset(const SipKey& key, const Endpoint& local, const Endpoint& remote) {
  return static_cast<uint32_t>(tuple_hash(key, local, remote, kTimestamp));
}

}  // namespace sluice::tcp
