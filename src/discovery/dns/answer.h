#pragma once
// The answer of a DNS server (RFC 1035, 4), with the records that lead to endpoints: A, AAAA (RFC
// 3596) and SRV (RFC 2782).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace sluice::discovery::dns {

enum class Type : uint16_t { kA = 1, kCname = 5, kAaaa = 28, kSrv = 33 };

struct Record {
  Type type = Type::kA;  // kA, kAaaa or kSrv
  uint32_t ttl = 0;      // seconds, not above those of the aliases (CNAME) that lead to the record
  Address address;       // of A and AAAA
  // Of SRV.
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;  // lower case, without a dot at the end

  bool operator==(const Record&) const = default;
};

// The records of a type for a name, aliases followed. Empty: there are none. nullopt: the message
// is not an answer of DNS.
std::optional<std::vector<Record>> read_answer(std::span<const uint8_t> message,
                                               std::string_view name, Type type);

// Lower case, without a dot at the end.
std::string canonical(std::string_view name);

}  // namespace sluice::discovery::dns
