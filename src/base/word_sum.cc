#include "base/word_sum.h"

#include <cstring>

namespace sluice {
namespace {

// Four lanes of 64 bits. The halves of each word are summed apart, so that no carry is ever lost.
// The compiler uses the registers of the target: one of AVX2 or two of SSE2.
using Lanes = uint64_t __attribute__((vector_size(32)));

[[gnu::always_inline]] inline uint64_t sum_lanes(const uint8_t* p, size_t n) {
  Lanes low{}, high{}, low2{}, high2{};
  for (const uint8_t* const end = p + n; p != end; p += 2 * sizeof(Lanes)) {
    Lanes a, b;
    std::memcpy(&a, p, sizeof a);
    std::memcpy(&b, p + sizeof a, sizeof b);
    low += a & 0xffffffff;
    high += a >> 32;
    low2 += b & 0xffffffff;
    high2 += b >> 32;
  }
  low += low2;
  high += high2;
  low += high;
  return low[0] + low[1] + low[2] + low[3];
}

[[gnu::target("avx2")]] uint64_t sum_avx2(const uint8_t* p, size_t n) {
  return sum_lanes(p, n);
}
uint64_t sum_any(const uint8_t* p, size_t n) {
  return sum_lanes(p, n);
}

const bool kAvx2 = __builtin_cpu_supports("avx2") != 0;

}  // namespace

uint64_t sum_blocks(const uint8_t* p, size_t n) {
  return kAvx2 ? sum_avx2(p, n) : sum_any(p, n);
}

}  // namespace sluice
