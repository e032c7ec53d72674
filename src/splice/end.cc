#include "splice/end.h"

#include <array>

namespace sluice::splice {

namespace {

struct Row {
  const char* text;
  stats::Counter stats::Splice::*counter;
};

using S = stats::Splice;
// In the order of End.
constexpr std::array<Row, 17> kRows{{
    {"", nullptr},
    {"", &S::ended_finished},
    {"the client reset the connection", &S::ended_client_reset},
    {"the pod reset the connection", &S::ended_pod_reset},
    {"the client does not answer", &S::ended_client_lost},
    {"the pod does not answer", &S::ended_pod_lost},
    {"the client ended TCP without close_notify", &S::ended_truncated},
    {"idle for too long", &S::ended_idle},
    {"the load balancer ends", &S::ended_drain},
    {"the service has no endpoint", &S::refused_no_pod},
    {"no endpoint is reachable", &S::refused_unreachable},
    {"no route has the server name", &S::refused_name},
    {"no ClientHello", &S::refused_hello},
    {"the TLS handshake failed", &S::refused_handshake},
    {"the ClientHello did not come in time", &S::guard_hello_timeout},
    {"the ClientHello is too long", &S::guard_hello_size},
    {"memory is short", &S::guard_memory},
}};
static_assert(kRows.size() == static_cast<size_t>(End::kMemory) + 1);

}  // namespace

const char* text_of(End end) {
  return kRows.at(static_cast<size_t>(end)).text;
}

stats::Counter* counter_of(End end, stats::Splice& stats) {
  const auto counter = kRows.at(static_cast<size_t>(end)).counter;
  return counter == nullptr ? nullptr : &(stats.*counter);
}

}  // namespace sluice::splice
