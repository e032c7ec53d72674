#pragma once
// ARP for IPv4 over Ethernet (RFC 826).

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "buf/slice.h"
#include "ip/ethernet.h"

namespace sluice::ip {

inline constexpr uint32_t kArpSize = 28;

struct Arp {
  enum class Operation : uint16_t { kRequest = 1, kReply = 2 };
  Operation operation = Operation::kRequest;
  Mac sender_mac{};
  Address sender;
  Mac target_mac{};
  Address target;

  // nullopt for anything but a whole request or reply of IPv4 over Ethernet.
  static std::optional<Arp> parse(buf::View bytes);
  void emit(uint8_t* p) const;  // kArpSize bytes
};

}  // namespace sluice::ip
