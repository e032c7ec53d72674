#pragma once
// The processor's time stamp counter, for rooms that may not include DPDK.

#include <rte_cycles.h>

#include <cstdint>

namespace sluice::nic {

inline uint64_t tsc() {
  return rte_rdtsc();
}

// Cycles a second, as DPDK measured it when the EAL started.
inline uint64_t tsc_hz() {
  return rte_get_tsc_hz();
}

}  // namespace sluice::nic
