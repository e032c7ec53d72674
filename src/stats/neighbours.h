#pragma once
// The bound of a port's neighbour cache (ip/neighbours.h), for the code that reports it.

#include <cstddef>

namespace sluice::stats {

// Neighbours that the configuration does not name, known or asked for: a /20 full of hosts.
inline constexpr size_t kMaxStrangers = 4'096;

}  // namespace sluice::stats
