#include "admin/health.h"

#include <fmt/format.h>

namespace sluice::admin {
namespace {

HttpAnswer verdict(const std::string& complaints) {
  return complaints.empty() ? HttpAnswer{200, kPlainText, "ok\n"}
                            : HttpAnswer{503, kPlainText, complaints};
}

}  // namespace

HttpAnswer healthz(const View& view) {
  std::string complaints;
  for (size_t i = 0; i < view.stalls.size(); ++i)
    if (view.stalls[i].standing &&
        view.stalls[i].seconds >= std::chrono::duration<double>(kDead).count())
      complaints += fmt::format("worker {} has stood still for {:.0f} s in {}\n", i,
                                view.stalls[i].seconds, view.stalls[i].stage);
  return verdict(complaints);
}

HttpAnswer readyz(const View& view) {
  std::string complaints;
  if (view.identity.draining()) complaints += "draining\n";
  if (!view.identity.listed) {
    for (size_t i = 0; i < view.sources.size(); ++i)
      if (!view.sources[i]->listed())
        complaints += fmt::format("service {}: {} has not answered yet\n",
                                  view.current.services[i].name, view.sources[i]->name());
    if (complaints.empty()) complaints += "the routes of [routes] have not been read yet\n";
  }
  for (size_t p = 0; p < view.current.startup.ports.size(); ++p)
    if (!view.link_up(p))
      complaints += fmt::format("port {} has no link\n", view.current.startup.ports[p].name);
  for (size_t i = 0; i < view.ledger.workers().size(); ++i)
    if (view.ledger.workers()[i]->generation() == 0)
      complaints += fmt::format("worker {} has not begun\n", i);
  return verdict(complaints);
}

}  // namespace sluice::admin
