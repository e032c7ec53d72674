#pragma once
// The lines that DPDK, libbpf and libxdp print by themselves. A start that succeeds makes a dozen
// of them, and some read like failures ("No free 1048576 kB hugepages reported"). So they go to the
// program's own log, and to the operator only when they matter.

#include <string>

namespace sluice::nic {

enum class DriverLine {
  kDetail,  // debug and information, and all lines of libbpf and libxdp
  kWarning,
  kError,
};

// From now on, for the rest of the process, `sink` gets each line instead of stderr: without its
// newline, from any thread. Call it before the EAL starts. DPDK's own level (`log_level` of the
// DPDK configuration) decides before that which of its lines exist.
void capture_driver_lines(void (*sink)(DriverLine kind, const std::string& line));

}  // namespace sluice::nic
