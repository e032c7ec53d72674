#pragma once
// Prefetches memory before it is needed, so that the misses of a burst overlap.

#include <cstddef>

namespace sluice {

inline constexpr size_t kCacheLine = 64;  // bytes

// Prefetches every cache line of [p, p + n). p may be anything: a prefetch never faults.
inline void prefetch(const void* p, size_t n) {
  const auto* bytes = static_cast<const char*>(p);
  for (size_t i = 0; i < n; i += kCacheLine) __builtin_prefetch(bytes + i);
}

}  // namespace sluice
