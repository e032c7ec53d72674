#pragma once
// The answers to the probes of an orchestrator (Kubernetes' livenessProbe and readinessProbe).

#include <chrono>

#include "admin/answer.h"
#include "admin/http_server.h"

namespace sluice::admin {

// A loop without a turn for so long is dead.
inline constexpr std::chrono::seconds kDead{5};

// 503 when a worker has not turned for kDead. A control thread that stands still answers nothing.
HttpAnswer healthz(const View& view);
// 200 when each source has had its first list, each port has a link, and each worker has bound the
// VIPs. 503 from the first SIGTERM on. A lost API, a service without pods, and a configuration that
// is refused change nothing.
HttpAnswer readyz(const View& view);

}  // namespace sluice::admin
