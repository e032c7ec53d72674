#pragma once
// Marks recycled memory as unreadable in builds with the address sanitizer. Without the marks, the
// sanitizer misses a use after free inside a slab or a packet pool.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_ASAN 1
#endif
#endif

#ifdef SLUICE_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace sluice {

inline void poison([[maybe_unused]] const void* p, [[maybe_unused]] size_t n) {
#ifdef SLUICE_ASAN
  __asan_poison_memory_region(p, n);
#endif
}

inline void unpoison([[maybe_unused]] const void* p, [[maybe_unused]] size_t n) {
#ifdef SLUICE_ASAN
  __asan_unpoison_memory_region(p, n);
#endif
}

}  // namespace sluice
