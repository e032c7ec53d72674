#include "http2/hpack/huffman.h"

#include <bit>
#include <cstring>

#include "base/byte_order.h"
#include "http2/hpack/huffman_code.h"

namespace sluice::http2::hpack {
namespace {

// One look-up decodes a code of up to ten bits, which covers all of plain text, or two codes of
// five bits. The 4 KiB stay in the first-level cache beside everything else that a call touches.
constexpr unsigned kWindow = 10;

struct Step {
  uint8_t symbol[2];
  uint8_t count;  // symbols; 0: the code is longer than the window
  uint8_t bits;   // of all these symbols
};

constexpr std::array<Step, 1 << kWindow> make_steps() {
  std::array<Step, 1 << kWindow> steps{};
  const auto symbol_at = [](uint32_t bits, unsigned have) -> unsigned {
    const uint32_t value = bits << (kMaxCodeLength - have);
    for (unsigned length = 5; length <= have; ++length)
      if (value < kHuffmanCode.limit[length])
        return kHuffmanCode
            .symbols[kHuffmanCode.begin[length] +
                     ((value - kHuffmanCode.first[length]) >> (kMaxCodeLength - length))];
    return kEos;
  };
  for (uint32_t i = 0; i < steps.size(); ++i) {
    const unsigned a = symbol_at(i, kWindow);
    if (a == kEos) continue;
    const unsigned bits = kCodeLength[a];
    steps[i] = {{static_cast<uint8_t>(a), 0}, 1, static_cast<uint8_t>(bits)};
    const unsigned left = kWindow - bits;
    if (left < 5) continue;
    const unsigned b = symbol_at(i & ((1u << left) - 1), left);
    if (b == kEos) continue;
    steps[i].symbol[1] = static_cast<uint8_t>(b);
    steps[i].count = 2;
    steps[i].bits = static_cast<uint8_t>(bits + kCodeLength[b]);
  }
  return steps;
}
constexpr auto kSteps = make_steps();

struct Code {
  uint32_t code;
  uint32_t length;
};
constexpr std::array<Code, 256> make_codes() {
  std::array<Code, 256> codes{};
  for (unsigned i = 0; i < codes.size(); ++i) codes[i] = {kHuffmanCode.code[i], kCodeLength[i]};
  return codes;
}
constexpr auto kCodes = make_codes();

}  // namespace

size_t huffman_decode(const uint8_t* from, size_t n, char* to) {
  const uint8_t* const end = from + n;
  char* const begin = to;
  uint64_t bits = 0;  // left-aligned
  unsigned have = 0;  // real bits in it
  for (;;) {
    if (have <= 32) {
      if (end - from >= 4) {
        bits |= uint64_t{load_be32(from)} << (32 - have);
        from += 4;
        have += 32;
      } else {
        while (from != end) {
          bits |= uint64_t{*from++} << (56 - have);
          have += 8;
        }
        break;
      }
    }
    // At least 33 bits are here: the longest code, or three looks through the window.
    for (int i = 0; i < 3; ++i) {
      const Step step = kSteps[bits >> (64 - kWindow)];
      if (step.count == 0) {
        const auto value = static_cast<uint32_t>(bits >> (64 - kMaxCodeLength));
        unsigned length = kWindow + 1;
        if (have < kMaxCodeLength) break;
        while (value >= kHuffmanCode.limit[length])
          if (++length > kMaxCodeLength) return kHuffmanError;
        const unsigned symbol =
            kHuffmanCode
                .symbols[kHuffmanCode.begin[length] +
                         ((value - kHuffmanCode.first[length]) >> (kMaxCodeLength - length))];
        if (symbol == kEos) return kHuffmanError;
        *to++ = static_cast<char>(symbol);
        bits <<= length;
        have -= length;
        break;
      }
      std::memcpy(to, step.symbol, 2);
      to += step.count;
      bits <<= step.bits;
      have -= step.bits;
    }
  }
  // The last bits. Behind them the decoder assumes ones, as in the padding.
  while (have > 0) {
    const uint64_t padded = bits | (~uint64_t{0} >> have);
    const Step step = kSteps[padded >> (64 - kWindow)];
    if (step.count != 0 && step.bits <= have) {
      std::memcpy(to, step.symbol, 2);
      to += step.count;
      bits <<= step.bits;
      have -= step.bits;
      continue;
    }
    const auto value = static_cast<uint32_t>(padded >> (64 - kMaxCodeLength));
    unsigned length = 5;
    while (length < kMaxCodeLength && value >= kHuffmanCode.limit[length]) ++length;
    if (length > have) {
      const bool ones = padded == ~uint64_t{0};
      if (have > 7 || !ones) return kHuffmanError;
      break;
    }
    const unsigned symbol =
        kHuffmanCode.symbols[kHuffmanCode.begin[length] +
                             ((value - kHuffmanCode.first[length]) >> (kMaxCodeLength - length))];
    if (symbol == kEos) return kHuffmanError;
    *to++ = static_cast<char>(symbol);
    bits <<= length;
    have -= length;
  }
  return static_cast<size_t>(to - begin);
}

size_t huffman_size(std::string_view s) {
  size_t bits = 0;
  for (const char c : s) bits += kCodeLength[static_cast<uint8_t>(c)];
  return (bits + 7) / 8;
}

uint8_t* huffman_encode(std::string_view s, uint8_t* to) {
  uint64_t bits = 0;  // right-aligned, `have` of them
  unsigned have = 0;
  for (const char c : s) {
    const Code code = kCodes[static_cast<uint8_t>(c)];
    bits = bits << code.length | code.code;
    have += code.length;
    if (have >= 32) {
      have -= 32;
      store_be32(to, static_cast<uint32_t>(bits >> have));
      to += 4;
    }
  }
  if (have > 0) {
    const unsigned pad = 32 - have;
    store_be32(to, static_cast<uint32_t>(bits << pad | ((uint64_t{1} << pad) - 1)));
    to += (have + 7) / 8;
  }
  return to;
}

}  // namespace sluice::http2::hpack
