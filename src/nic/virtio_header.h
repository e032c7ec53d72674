#pragma once
// The header that a TAP device with IFF_VNET_HDR puts in front of each frame, in both directions:
// what is left to do of checksums, and how one large TCP packet is to be cut (VIRTIO 1.2, 5.1.6;
// linux/virtio_net.h, which C++ cannot include).

#include <cstdint>
#include <optional>

#include "buf/slice.h"
#include "ip/in_frame.h"
#include "ip/output.h"

namespace sluice::nic {

// As it lies in memory: little endian, as Sluice's machines are.
struct VirtioHeader {
  static constexpr uint8_t kNeedsChecksum = 1;  // flags: the checksum field has a partial sum
  static constexpr uint8_t kDataValid = 2;      // flags: the checksum has been verified
  static constexpr uint8_t kTcpV4 = 1;          // gso_type
  static constexpr uint8_t kTcpV6 = 4;          // gso_type
  static constexpr uint8_t kEcn = 0x80;         // gso_type, in addition: the packet has CWR

  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;      // bytes of all headers
  uint16_t gso_size = 0;     // payload bytes of a segment
  uint16_t csum_start = 0;   // the transport header's offset in the frame
  uint16_t csum_offset = 0;  // the checksum's offset behind csum_start
};
static_assert(sizeof(VirtioHeader) == 10);

// What the header says of a received frame.
struct VirtioReceived {
  ip::L4Checksum checksum = ip::L4Checksum::kUnknown;
  uint16_t segment_size = 0;  // as in ip::InFrame
};

// `first` is the frame's first buffer, with all headers in it; `size` is the size of the whole
// frame. Nothing when the header contradicts itself or the frame, or asks for a thing that Sluice
// did not offer to the kernel (UDP fragmentation): the frame is to be dropped.
std::optional<VirtioReceived> read_virtio_header(const VirtioHeader& header, buf::View first,
                                                 uint32_t size);

// The header for a frame whose transport checksum the receiver fills (or never needs).
// `large`: the frame has more payload than one segment. The checksum field of TCP or UDP has to
// hold the sum of the pseudo-header with the length of the whole packet (fill_pseudo_checksum), for
// large packets too: the kernel's segmentation corrects that sum for each segment.
VirtioHeader virtio_header_of(const ip::OutFrame& frame, bool large);

}  // namespace sluice::nic
