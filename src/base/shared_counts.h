#pragma once
// Counts by key that all workers of a process keep together, without a lock: how many things with
// this key there are, in any worker.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/pages.h"

namespace sluice {

// A word of the table is a key's fingerprint and its count. The words of a key lie in a region that
// its hash names. A key has more than one word when two workers added it at the same moment, or
// when its first word was given away while it had another; its count is the sum.
class SharedCounts {
 public:
  static constexpr unsigned kCountBits = 24;
  static constexpr uint32_t kMostOfAKey = (1u << kCountBits) - 1;

  // For at most `most` things at once. A region of 32 words of four such tables is full once in
  // 10^11 times.
  explicit SharedCounts(size_t most)
      : mask_(std::bit_ceil(std::max<size_t>(most * 4, kRegion)) - 1),
        pages_((mask_ + 1 + kRegion) * sizeof(Word)),
        words_(static_cast<Word*>(pages_.get())) {}

  // Adds one under the key with this hash, which is secret to clients. False when there are `limit`
  // already (0: no limit), or when there is no place for the key. Never more than `limit` are
  // there, whoever adds at the same time.
  bool add(uint64_t hash, uint32_t limit) {
    if (limit == 0 || limit > kMostOfAKey) limit = kMostOfAKey;
    if (count(hash) >= limit) return false;
    if (!increment(hash)) return false;
    // The last of several that add at the same time sees all of them.
    if (count(hash) <= limit) return true;
    remove(hash);
    return false;
  }
  // One must be there.
  void remove(uint64_t hash) {
    Word* const words = region(hash);
    for (;;)
      for (size_t i = 0; i < kRegion; ++i) {
        uint64_t word = words[i].load();
        while (fingerprint(word) == fingerprint(hash) && (word & kMostOfAKey) > 0)
          if (words[i].compare_exchange_weak(word, word - 1)) return;
      }
  }
  uint32_t count(uint64_t hash) const {
    Word* const words = region(hash);
    uint64_t sum = 0;
    for (size_t i = 0; i < kRegion; ++i)
      if (const uint64_t word = words[i].load(); fingerprint(word) == fingerprint(hash))
        sum += word & kMostOfAKey;
    return static_cast<uint32_t>(sum);
  }

 private:
  using Word = std::atomic<uint64_t>;
  static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);
  static constexpr size_t kRegion = 32;  // words: four cache lines

  static uint64_t fingerprint(uint64_t x) { return x >> kCountBits; }
  // A word is free while its count is 0, whatever its fingerprint.
  bool increment(uint64_t hash) {
    Word* const words = region(hash);
    for (size_t i = 0; i < kRegion; ++i) {
      uint64_t word = words[i].load();
      while (fingerprint(word) == fingerprint(hash) && (word & kMostOfAKey) > 0)
        if (words[i].compare_exchange_weak(word, word + 1)) return true;
    }
    for (size_t i = 0; i < kRegion; ++i) {
      uint64_t word = words[i].load();
      while ((word & kMostOfAKey) == 0)
        if (words[i].compare_exchange_weak(word, (fingerprint(hash) << kCountBits) + 1))
          return true;
    }
    return false;
  }
  // The fingerprint is the upper 40 bits, the place the lower ones.
  Word* region(uint64_t hash) const { return words_ + (hash & mask_ & ~size_t{7}); }

  const size_t mask_;
  Pages pages_;  // zeroed
  Word* const words_;
};

}  // namespace sluice
