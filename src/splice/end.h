#pragma once
// Why a relayed connection ended.

#include <cstdint>

#include "stats/splice.h"

namespace sluice::splice {

enum class End : uint8_t {
  kNot,
  kFinished,
  kClientReset,
  kPodReset,
  kClientLost,
  kPodLost,
  kTruncated,
  kIdle,
  kDrain,
  kNoPod,
  kUnreachable,
  kUnknownName,
  kNoHello,
  kHandshake,
  kHelloTimeout,
  kHelloSize,
  kMemory,
};

// For the access log; the string lives as long as the process. Empty: ended in order.
const char* text_of(End end);

// nullptr for kNot.
stats::Counter* counter_of(End end, stats::Splice& stats);

}  // namespace sluice::splice
