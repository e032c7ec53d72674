#include "discovery/kubernetes/cluster.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sluice::discovery::kubernetes {
namespace {

constexpr std::string_view kDiscovery = "/apis/discovery.k8s.io/v1";
constexpr std::string_view kCore = "/api/v1";

std::string path_of(std::string_view group, std::string_view kind, const std::string& name_space) {
  return name_space.empty() ? fmt::format("{}/{}", group, kind)
                            : fmt::format("{}/namespaces/{}/{}", group, name_space, kind);
}

}  // namespace

Cluster::Cluster(boost::asio::io_context& io, Settings settings, Log log)
    : io_(io),
      settings_(std::move(settings)),
      log_(std::move(log)),
      store_(settings_.zone),
      rest_(io) {
  for (const std::string& n : settings_.namespaces) add_scope(n);
  if (scopes_.empty()) add_scope("");
}

Cluster::~Cluster() = default;

Cluster::Scope& Cluster::add_scope(const std::string& name_space) {
  Scope& s = *scopes_.emplace_back(std::make_unique<Scope>());
  s.name_space = name_space;
  s.slices = std::make_unique<EndpointSlices>(
      store_, name_space, [this](const std::string& why) { log_({.good = false, .text = why}); });
  s.reflector = std::make_unique<Reflector>(io_, settings_.server,
                                            path_of(kDiscovery, "endpointslices", name_space),
                                            *s.slices, [this, &s] { on_progress(s); });
  return s;
}

void Cluster::start() {
  for (const auto& s : scopes_) s->reflector->start();
}

const Cluster::Scope* Cluster::scope(const std::string& name_space) const {
  for (const auto& s : scopes_)
    if (s->name_space.empty() || s->name_space == name_space) return s.get();
  return nullptr;
}

void Cluster::watch_services(const std::string& name_space) {
  for (const auto& s : scopes_) {
    if (!s->name_space.empty() && s->name_space != name_space) continue;
    if (s->services) return;
    s->services = std::make_unique<Reflector>(io_, settings_.server,
                                              path_of(kCore, "services", s->name_space), s->names,
                                              [this, scope = s.get()] { on_services(*scope); });
    s->services->start();
    return;
  }
}

std::optional<ExternalNames::Found> Cluster::external_name(const ServicePort& port) const {
  const Scope* s = scope(port.service.name_space);
  return s ? s->names.find(port) : std::nullopt;
}

bool Cluster::services_known(const std::string& name_space) const {
  const Scope* s = scope(name_space);
  return !s || (s->services && (s->services->state().listed() || s->services->state().refused()));
}

std::string Cluster::services_error(const std::string& name_space) const {
  const Scope* s = scope(name_space);
  return s && s->services ? s->services->state().error() : std::string();
}

// Services of other types change nothing.
void Cluster::on_services(Scope& scope) {
  for (const auto& [service, all] : subscribers_) {
    const bool of_scope = scope.name_space.empty() || scope.name_space == service.name_space;
    if (of_scope && !store_.has(service))
      news_.try_emplace(service, News{scope.services->heard().value_or(Clock::now()), {}});
  }
  tell_soon();
}

bool Cluster::listed(const std::string& name_space) const {
  const Scope* s = scope(name_space);
  return s && s->reflector->state().listed();
}

std::optional<Cluster::Clock::time_point> Cluster::heard(const std::string& name_space) const {
  const Scope* s = scope(name_space);
  return s ? s->reflector->heard() : std::nullopt;
}

std::string Cluster::error(const std::string& name_space) const {
  const Scope* s = scope(name_space);
  return s ? s->reflector->state().error()
           : fmt::format("[kubernetes] does not watch the namespace {}", name_space);
}

uint64_t Cluster::unreadable() const {
  uint64_t n = 0;
  for (const auto& s : scopes_) n += s->slices->unreadable();
  return n;
}

void Cluster::on_progress(Scope& scope) {
  log_state(scope);
  const Clock::time_point now = Clock::now();
  const auto changed = store_.take_changed();
  const auto note = [&](const ObjectKey& service) -> News& {
    const auto heard = scope.reflector->heard().value_or(now);
    return news_.try_emplace(service, News{heard, {}}).first->second;
  };
  for (const auto& [service, triggers] : changed) {
    if (!subscribers_.contains(service)) continue;
    News& n = note(service);
    for (const auto t : triggers)
      if (t >= made_) n.triggers.push_back(t);
  }
  const bool first_list =
      !std::exchange(scope.listed, scope.reflector->state().listed()) && scope.listed;
  if (first_list)
    for (const auto& [service, all] : subscribers_)
      if (scope.name_space.empty() || scope.name_space == service.name_space) note(service);
  tell_soon();
}

void Cluster::tell_soon() {
  if (news_.empty()) return;
  if (Clock::now() >= rest_.expiry()) {
    tell();
    return;
  }
  rest_.async_wait([this](const boost::system::error_code& e) {
    if (!e) tell();
  });
}

// A subscriber does not subscribe or unsubscribe meanwhile.
void Cluster::tell() {
  const Clock::time_point began = Clock::now();
  for (const auto& [service, news] : std::exchange(news_, {}))
    if (const auto found = subscribers_.find(service); found != subscribers_.end())
      for (Subscriber* s : found->second) s->on_change(news);
  const Clock::time_point ended = Clock::now();
  rest_.expires_at(ended + std::min<Clock::duration>(kRest * (ended - began), kMostRest));
}

void Cluster::unsubscribe(Subscriber& s) {
  const auto found = subscribers_.find(s.service());
  if (found == subscribers_.end()) return;
  found->second.erase(&s);
  if (found->second.empty()) subscribers_.erase(found);
}

void Cluster::log_state(Scope& scope) {
  const std::string& error = scope.reflector->state().error();
  if (error == scope.logged_error) return;
  // A request that is under way clears no error: only an open watch does.
  const std::string server = settings_.server.str();
  if (error.empty()) {
    log_({.good = true, .text = fmt::format("Kubernetes API {}: watched again", server)});
  } else {
    log_({.good = false,
          .text = fmt::format("Kubernetes API {}: {}; the last endpoints stay", server, error)});
  }
  scope.logged_error = error;
}

}  // namespace sluice::discovery::kubernetes
