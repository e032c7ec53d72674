#pragma once
// The lines that DPDK, libbpf and libxdp print by themselves. A start that succeeds makes a dozen
// of them, and some read like failures ("No free 1048576 kB hugepages reported"), so they go where
// the program's own log puts them, and to the operator only when they matter.

#include <string>

namespace sluice::nic {

enum class DriverLine {
  kDetail,  // debug and information, and all that libbpf and libxdp say
  kWarning,
  kError,
};

// Gives each line, without its newline, to `sink` instead of stderr, from any thread, for the rest
// of the process. Call it before the EAL starts. DPDK's own level (`log_level` of the DPDK
// configuration) has already chosen which of its lines exist.
void capture_driver_lines(void (*sink)(DriverLine kind, const std::string& line));

}  // namespace sluice::nic
