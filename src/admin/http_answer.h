#pragma once
// The paths of the admin HTTP server.

#include <string_view>

#include "admin/answer.h"
#include "admin/http_server.h"
#include "admin/metrics_text.h"

namespace sluice::admin {

// /metrics, /healthz, /readyz; 404 for all others. `text` is that of the last /metrics.
HttpAnswer http_answer(std::string_view path, const View& view, MetricsText& text);

}  // namespace sluice::admin
