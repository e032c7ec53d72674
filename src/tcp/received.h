#pragma once
// A received segment, as the layers below hand it to TCP.

#include <cstdint>

#include "base/address.h"
#include "buf/chain.h"

namespace sluice::tcp {

// TCP header first, in the first buffer; its checksum is verified.
struct Received {
  Address source;
  Address destination;
  uint8_t tos = 0;  // of the IP header
  // > 0: a port merged several segments into this one; payload bytes of each of them but the last.
  uint16_t segment_size = 0;
  buf::Chain segment;
  // How many workers have handed the segment over, since its flow is not theirs.
  uint8_t hand_overs = 0;

  // The number of segments on the wire that `bytes` of payload were.
  uint32_t count(uint32_t bytes) const {
    return segment_size == 0 || bytes <= segment_size ? 1
                                                      : (bytes + segment_size - 1) / segment_size;
  }
};

}  // namespace sluice::tcp
