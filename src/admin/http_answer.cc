#include "admin/http_answer.h"

#include "admin/health.h"
#include "admin/metrics.h"

namespace sluice::admin {

HttpAnswer http_answer(std::string_view path, const View& view, MetricsText& text) {
  if (path == "/metrics")
    return {200, "text/plain; version=0.0.4; charset=utf-8", {}, text.get([&] {
              return metrics(view).take();
            })};
  if (path == "/healthz") return healthz(view);
  if (path == "/readyz") return readyz(view);
  return {404, "text/plain; charset=utf-8", "there are /metrics, /healthz and /readyz\n"};
}

}  // namespace sluice::admin
