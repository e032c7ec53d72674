#include "l4/mss.h"

#include "base/byte_order.h"
#include "ip/checksum.h"
#include "l4/rewrite.h"

namespace sluice::l4 {

namespace {

constexpr uint32_t kFixedHeader = 20;
// Kinds of options (RFC 9293, 3.1).
constexpr uint8_t kEnd = 0;
constexpr uint8_t kNoOperation = 1;
constexpr uint8_t kMss = 2;
constexpr uint8_t kMssLength = 4;

// Of the value of MSS; 0: there is none, or the options are broken.
uint32_t find_mss(const uint8_t* header, uint32_t size) {
  for (uint32_t i = kFixedHeader; i < size && header[i] != kEnd;) {
    if (header[i] == kNoOperation) {
      ++i;
      continue;
    }
    if (i + 1 >= size) return 0;
    const uint8_t length = header[i + 1];
    if (length < 2 || i + length > size) return 0;
    if (header[i] == kMss) return length == kMssLength ? i + 2 : 0;
    i += length;
  }
  return 0;
}

}  // namespace

void clamp_mss(uint8_t* header, uint32_t size, uint16_t most) {
  const uint32_t at = find_mss(header, size);
  if (at == 0 || load_be16(header + at) <= most) return;
  // The checksum's words that have a byte of the value.
  const buf::View words(header + (at & ~1u), at % 2 == 0 ? 2 : 4);
  const uint16_t before = ip::fold(ip::sum_words(words));
  store_be16(header + at, most);
  uint8_t* checksum = header + kTcpChecksum;
  const auto rest = static_cast<uint16_t>(~load_be16(checksum));
  store_be16(checksum, ip::fold(uint64_t{rest} + before + ip::sum_words(words)));
}

}  // namespace sluice::l4
