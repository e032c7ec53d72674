#pragma once
// The paths of the admin HTTP server.

#include <string_view>

#include "admin/answer.h"
#include "admin/http_server.h"

namespace sluice::admin {

// /metrics, /healthz, /readyz; 404 for all others.
HttpAnswer http_answer(std::string_view path, const View& view);

}  // namespace sluice::admin
