#pragma once
// The reasons for which Sluice itself ended a call: the enumerator, its name for people and
// programs, and its meaning. An answer of a pod, errors included, is no failure of this kind.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::stats {

// clang-format off
#define SLUICE_FAILURES(X)                                                       \
  X(NoPod,    no_pod,    "the service has no endpoint, or none is reachable")   \
  X(NoRoom,   no_room,   "pods took no more calls, and too many or too long ones waited") \
  X(PodLost,  pod_lost,  "the pod was lost while it had the call")              \
  X(Refused,  refused,   "pods refused the call, as often as it was tried")     \
  X(Answer,   answer,    "the pod's answer could not be passed on")             \
  X(Time,     time,      "a limit of time ended it: grpc-timeout, timeout, ...") \
  X(Memory,   memory,    "no packet memory was free for it")                    \
  X(Ending,   ending,    "the client's connection, or Sluice, ended")           \
  X(Other,    other,     "something else")
// clang-format on

enum class Failure : uint8_t {
#define X(id, name, text) k##id,
  SLUICE_FAILURES(X)
#undef X
      kCount
};

inline constexpr size_t kFailures = static_cast<size_t>(Failure::kCount);

struct FailureInfo {
  std::string_view name;
  std::string_view text;
};

inline constexpr std::array<FailureInfo, kFailures> kFailureInfo{{
#define X(id, name, text) {#name, text},
    SLUICE_FAILURES(X)
#undef X
}};

}  // namespace sluice::stats
