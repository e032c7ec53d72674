#pragma once
// The Huffman code of RFC 7541, appendix B, built from its lengths alone. The code is canonical:
// codes of one length follow each other in the order of their symbols.

#include <array>
#include <cstdint>

namespace sluice::http2::hpack {

inline constexpr unsigned kEos = 256;
inline constexpr unsigned kMaxCodeLength = 30;

// clang-format off
inline constexpr std::array<uint8_t, 257> kCodeLength{
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
   6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
   5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
  13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
   7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
  15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
   6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
};
// clang-format on

// The tables of a canonical code for decoding and encoding.
struct HuffmanCode {
  std::array<uint32_t, 257> code{};  // right-aligned
  // By length: the first code, left-aligned to 30 bits; the first code behind; and the index in
  // `symbols` at which the symbols of this length begin.
  std::array<uint32_t, kMaxCodeLength + 1> first{};
  std::array<uint32_t, kMaxCodeLength + 1> limit{};
  std::array<uint16_t, kMaxCodeLength + 1> begin{};
  std::array<uint16_t, 257> symbols{};  // ordered by code
};

constexpr HuffmanCode make_huffman_code() {
  HuffmanCode h;
  uint32_t code = 0;
  uint16_t n = 0;
  for (unsigned length = 1; length <= kMaxCodeLength; ++length) {
    code <<= 1;
    h.begin[length] = n;
    h.first[length] = code << (kMaxCodeLength - length);
    for (unsigned symbol = 0; symbol <= kEos; ++symbol) {
      if (kCodeLength[symbol] != length) continue;
      h.code[symbol] = code++;
      h.symbols[n++] = static_cast<uint16_t>(symbol);
    }
    h.limit[length] = code << (kMaxCodeLength - length);
  }
  return h;
}
inline constexpr HuffmanCode kHuffmanCode = make_huffman_code();
static_assert(kHuffmanCode.code['0'] == 0 && kHuffmanCode.code[kEos] == 0x3fffffff);

}  // namespace sluice::http2::hpack
