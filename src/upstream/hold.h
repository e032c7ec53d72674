#pragma once
// Why a call waits though its pods have room: for its own client's sake. Such calls wait in a queue
// of their own, so that nobody else does.

#include <cstdint>

namespace sluice::upstream {

enum class Hold : uint8_t {
  kNot,
  kResets,   // the client cancels more than its share (pool_isolation.cc)
  kWindow,   // no window for a body (pool_windows.cc)
  kShare,    // the client has its share of what others wait for (relay/service_shares.cc)
  kSuspect,  // a pod ended a connection under the call: it waits for one of its own
};

}  // namespace sluice::upstream
