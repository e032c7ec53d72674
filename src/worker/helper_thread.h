#pragma once
// The thread of a helper that makes TLS handshakes: its name and its core.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::worker {

// On the helper's own thread, first. cores: of all helpers in turn; empty: the thread stays on the
// core of the thread that began it. A core that the process must not use is ignored.
void begin_helper(size_t helper, const std::vector<uint32_t>& cores);

}  // namespace sluice::worker
