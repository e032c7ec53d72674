#pragma once
// One line of JSON for each thing that happens, on stdout: whoever started sluice-load looks at
// Sluice's own counters when a phase begins and ends.

#include <cstdint>
#include <cstdio>

#include "latencies.h"

namespace sluice::load {

inline void say_begin(const char* phase) {
  std::printf("{\"begin\": \"%s\"}\n", phase);
  std::fflush(stdout);
}

struct Outcome {
  double seconds = 0;
  uint64_t calls = 0;
  uint64_t errors = 0;
  uint64_t decoded = 0;
  uint64_t connections = 0;
  uint64_t body_bytes = 0;
  double busy_share = 0;  // of this process's turns, in time
};

inline void say_end(const char* phase, const Outcome& o, const Latencies& l) {
  std::printf(
      "{\"end\": \"%s\", \"seconds\": %.6f, \"calls\": %lu, \"errors\": %lu, \"decoded\": %lu, "
      "\"connections\": %lu, \"body_bytes\": %lu, \"busy_share\": %.4f, \"p50_us\": %.3f, "
      "\"p99_us\": %.3f, \"p999_us\": %.3f}\n",
      phase, o.seconds, o.calls, o.errors, o.decoded, o.connections, o.body_bytes, o.busy_share,
      l.quantile_us(0.5), l.quantile_us(0.99), l.quantile_us(0.999));
  std::fflush(stdout);
}

}  // namespace sluice::load
