#pragma once
// Why a call waits although its pods have room: for a reason of its own client. Such calls wait in
// a queue of their own, so that they delay no other call.

#include <cstdint>

namespace sluice::upstream {

enum class Hold : uint8_t {
  kNot,
  kResets,   // the client cancels more than its share (pool_isolation.cc)
  kWindow,   // no flow-control window for a body (pool_windows.cc)
  kShare,    // the client has its share, and others wait (relay/service_shares.cc)
  kSuspect,  // a pod ended a connection under the call: it waits for its own one
};

}  // namespace sluice::upstream
