#pragma once
// What sluice-load is asked to do.

#include <string>
#include <vector>

#include "clients.h"

namespace sluice::load {

inline constexpr unsigned kMaxMtu = 9000;
inline constexpr unsigned kMaxPods = 4096;  // addresses of the pods that the load plays

struct Options {
  enum class Mode { kCalls, kEcho, kReflect };
  enum class Nic { kMemif, kVirtio };
  Mode mode = Mode::kCalls;
  Nic nic = Nic::kMemif;
  std::string north;   // socket of the wire towards clients
  std::string south;   // socket of the wire towards pods
  std::string blocks;  // file of recorded requests
  Plan plan;
  unsigned core = 1;
  unsigned mtu = 1500;          // of both wires, kMaxMtu at most
  unsigned pods = 2;            // kMaxPods at most
  unsigned window = 256;        // frames under way in an echo
  unsigned frame_bytes = 1448;  // of payload in an echo
  double seconds = 1.0;         // of the closed loop
  std::vector<double> shares;   // of the closed loop's rate, each an open loop of the same length
};

// Exits with a message when it cannot.
Options read_options(int argc, char** argv);

}  // namespace sluice::load
