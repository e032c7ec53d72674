#pragma once
// The maximum segment size that a SYN announces (RFC 9293, 3.7.1), lowered to what the path through
// Sluice takes.

#include <cstdint>

namespace sluice::l4 {

// `header`: of TCP with its options, of `size` bytes, with SYN. Lowers the option to `most`, and
// adapts the checksum (RFC 1624). An option that is missing stays missing: its default, 536 or
// 1,220 bytes (RFC 9293, 3.7.1), fits everywhere.
void clamp_mss(uint8_t* header, uint32_t size, uint16_t most);

}  // namespace sluice::l4
