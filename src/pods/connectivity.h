#pragma once
// The connectivity state of a pod, in gRPC's terms (its connectivity-semantics-and-api document).

#include <cstdint>

namespace sluice::pods {

enum class Connectivity : uint8_t {
  kUnused,  // the worker has had no connection to the pod, and wants none; not one of gRPC's
  kIdle,
  kConnecting,
  kReady,
  kTransientFailure,
  kShutdown,
};

constexpr const char* text_of(Connectivity c) {
  constexpr const char* kNames[] = {
      "IDLE", "IDLE", "CONNECTING", "READY", "TRANSIENT_FAILURE", "SHUTDOWN",
  };
  return kNames[static_cast<uint8_t>(c)];
}

}  // namespace sluice::pods
