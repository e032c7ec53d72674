#pragma once
// Consistent hashing by lookup table (Eisenbud et al., "Maglev: A Fast and Reliable Software
// Network Load Balancer", NSDI 2016, 3.4), with weights. Equal backends make equal tables in every
// process and in every version of Sluice: nothing here may depend on a secret.

#include <cstdint>
#include <span>
#include <vector>

namespace sluice {

class Maglev {
 public:
  static constexpr uint32_t kEntries = 65'537;  // a prime
  static constexpr uint16_t kNone = 0xffff;

  struct Backend {
    uint64_t identity = 0;  // the same in every table that has the backend
    uint32_t weight = 1;    // its share; 0: no entry
  };

  Maglev() = default;
  // Fewer than kNone backends. The share of a backend depends on the set of backends, not on their
  // order. Takes milliseconds.
  explicit Maglev(std::span<const Backend> backends);

  // The index of the hash's backend; kNone where there is none.
  uint16_t pick(uint64_t hash) const {
    return entries_.empty() ? kNone : entries_[hash % kEntries];
  }

  const std::vector<uint16_t>& entries() const { return entries_; }

 private:
  std::vector<uint16_t> entries_;
};

}  // namespace sluice
