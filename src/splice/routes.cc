#include "splice/routes.h"

#include <algorithm>

namespace sluice::splice {

Routes::Routes(const config::Listener& listener, std::span<Service* const> services)
    : refuses_unknown_(listener.unknown_name == config::UnknownName::kRefuse) {
  if (listener.service != config::Listener::kNoService) own_ = services[listener.service];
  for (const config::NameRoute& route : listener.routes)
    for (const std::string& name : route.names) {
      if (name.starts_with("*.")) {
        below_.emplace(name.substr(1), services[route.service]);
      } else {
        exact_.emplace(name, services[route.service]);
      }
    }
}

Service* Routes::find(std::string_view name) const {
  if (name.empty()) return own_;
  if (const auto exact = exact_.find(name); exact != exact_.end()) return exact->second;
  if (!below_.empty())
    for (size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1))
      if (const auto below = below_.find(name.substr(dot)); dot > 0 && below != below_.end())
        return below->second;
  return refuses_unknown_ ? nullptr : own_;
}

bool Routes::lead_to(const Service& service) const {
  const auto is = [&](const auto& entry) { return entry.second == &service; };
  return own_ == &service || std::any_of(exact_.begin(), exact_.end(), is) ||
         std::any_of(below_.begin(), below_.end(), is);
}

}  // namespace sluice::splice
