#pragma once
// The threads of the helpers that make TLS handshakes: their names and cores.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "config/startup.h"

namespace sluice::worker {

// The cores of the helpers, in turn: those of the configuration; or else that of the control
// thread, which the empty list means; or, where that is a worker's, the `present` cores that are no
// worker's. The control thread's own core is left when no other is.
std::vector<uint32_t> helper_cores(const config::Startup& startup, uint32_t present);
// Cores that this machine has.
uint32_t present_cores();

// On the helper's own thread, first. cores: of all helpers in turn; empty: the thread stays on the
// core of the thread that began it. A core that the process must not use is ignored.
void begin_helper(size_t helper, const std::vector<uint32_t>& cores);

}  // namespace sluice::worker
