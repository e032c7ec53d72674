#include "loader/read_listeners.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "loader/read_endpoints.h"

namespace sluice::loader {
namespace {

void read_forwarding(Table& t, config::Forwarding& forwarding) {
  constexpr size_t kLongestName = 64;  // bytes; the name travels with every request
  if (t.string("via", forwarding.via)) {
    const auto allowed = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
    };
    if (forwarding.via.empty() || forwarding.via.size() > kLongestName ||
        !std::all_of(forwarding.via.begin(), forwarding.via.end(), allowed))
      t.mistake("via", fmt::format("via = \"{}\" is not a name; it must be 1 to {} letters, "
                                   "digits, \"-\", \".\" or \"_\"",
                                   forwarding.via, kLongestName));
  }
  t.boolean("x_forwarded_for", forwarding.x_forwarded_for);
  t.boolean("x_forwarded_proto", forwarding.x_forwarded_proto);
  t.boolean("forwarded", forwarding.forwarded);
}

// Pods of the one-way modes get packets with the port of the listener.
void warn_of_port(const config::Listener& listener, const config::Service& service,
                  const Table& service_table, Reading& reading) {
  if (!config::is_one_way(listener.l4.mode)) return;
  for (const config::Pod& pod : service.pods)
    if (pod.endpoint.port != listener.address.port) {
      reading.warnings.push_back(service_table.place(
          "endpoints",
          fmt::format("the pod {} gets packets at port {} of {}, since the listener {} leaves "
                      "packets as they are",
                      pod.endpoint.str(), listener.address.port, listener.address.address.str(),
                      listener.name)));
      return;
    }
}

// IPv6 promises that packets of 1,280 bytes pass (RFC 8200, 5), and clients make none shorter.
void warn_of_mtu(const Table& t, const config::Listener& listener, Reading& reading) {
  if (!listener.forwards_packets() || listener.address.address.is_v4()) return;
  const bool tunnel = listener.l4.mode == config::Forward::kIpip;
  if (!tunnel && listener.l4.mode != config::Forward::kNat) return;
  const uint32_t least = tunnel ? 1'300 : 1'260;
  for (const config::Port& port : reading.snapshot.startup.ports)
    if (port.mtu < least) {
      reading.warnings.push_back(t.place(
          "address", fmt::format("the port {} has mtu = {}: packets of 1,280 bytes of IPv6 clients "
                                 "do not reach pods of the listener {} behind it; it takes {} with "
                                 "pods of IPv4{}",
                                 port.name, port.mtu, listener.name, least,
                                 tunnel ? ", and 1320 with pods of IPv6" : "")));
      return;
    }
}

void read_l4(Table& t, config::Listener& listener) {
  using config::Protocol;
  const bool packets = listener.protocol == Protocol::kTcp || listener.protocol == Protocol::kUdp;
  if (!packets)
    for (const char* key : {"mode", "leaving_pods", "new_flows", "new_flows_per_source"})
      if (t.has(key))
        t.mistake(key, fmt::format("{} is of listeners with protocol = \"tcp\" or \"udp\"", key));
  if (!config::is_l4(listener.protocol)) return;
  for (const char* key : {"connect", "via", "x_forwarded_for", "x_forwarded_proto", "forwarded",
                          "health_path", "half_closed_timeout"})
    if (t.has(key))
      t.mistake(key, fmt::format("{} is not of listeners with protocol = \"tcp\", \"udp\" or "
                                 "\"tls\", which forward packets or relay bytes, and see no "
                                 "requests",
                                 key));
  if (!packets) return;
  std::string mode;
  if (t.string("mode", mode)) {
    if (mode == "relay" && listener.protocol == Protocol::kTcp) {
      listener.l4.mode = config::Forward::kRelay;
    } else if (mode == "relay") {
      t.mistake("mode", "mode = \"relay\" is of listeners with protocol = \"tcp\"");
    } else if (mode == "dsr" || mode == "ipip") {
      listener.l4.mode = mode == "dsr" ? config::Forward::kDsr : config::Forward::kIpip;
    } else if (mode != "nat") {
      t.mistake("mode",
                fmt::format("mode = \"{}\" is unknown; allowed: nat, relay, dsr, ipip", mode));
    }
  }
  if (listener.relays_bytes())
    for (const char* key : {"leaving_pods", "new_flows", "new_flows_per_source"})
      if (t.has(key))
        t.mistake(key, fmt::format("{} is of listeners that forward packets, not of mode = "
                                   "\"relay\"; see connections_per_address of [limits]",
                                   key));
  if (const auto leaving = t.choice("leaving_pods", {"drain", "flush"}); leaving == 1u)
    listener.l4.leaving_pods = config::Leaving::kFlush;
  constexpr int64_t kMost = 100'000'000;
  t.integer("new_flows", listener.l4.new_flows, 0, kMost);
  t.integer("new_flows_per_source", listener.l4.new_flows_per_source, 0, kMost);
}

// A DNS name, perhaps behind "*.", in lower case. False: it is none.
bool read_route_name(std::string& name) {
  std::string_view rest = name;
  if (rest.starts_with("*.")) rest.remove_prefix(2);
  constexpr size_t kLongest = 253;
  if (rest.empty() || rest.size() > kLongest || rest.front() == '.' || rest.back() == '.' ||
      rest.find("..") != std::string_view::npos)
    return false;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '.' || c == '_';
  });
}

// The services of a listener: its own, and those of server names.
template <class ReadServiceName>
void read_routes(Table& t, config::Listener& listener, ReadServiceName&& read_service_name) {
  if (listener.protocol != config::Protocol::kTls) {
    for (const char* key : {"routes", "unknown_name"})
      if (t.has(key))
        t.mistake(key, fmt::format("{} is of listeners with protocol = \"tls\"", key));
    if (const auto index = read_service_name(t, true)) listener.service = *index;
    return;
  }
  std::set<std::string> names;
  for (Table& r : t.tables("routes")) {
    config::NameRoute route;
    r.string_or_strings("names", route.names, true);
    for (std::string& name : route.names) {
      if (!read_route_name(name))
        r.mistake("names", fmt::format("\"{}\" is no DNS name, and no wildcard like "
                                       "\"*.example.com\"",
                                       name));
      if (!names.insert(name).second)
        r.mistake("names", fmt::format("a second route for {}; names must differ", name));
    }
    if (const auto index = read_service_name(r, true)) route.service = *index;
    r.finish();
    listener.routes.push_back(std::move(route));
  }
  if (const auto c = t.choice("unknown_name", {"default", "refuse"}))
    listener.unknown_name = *c == 0 ? config::UnknownName::kDefault : config::UnknownName::kRefuse;
  const bool has_own = t.has("service");
  listener.service = config::Listener::kNoService;
  if (const auto index = read_service_name(t, false)) listener.service = *index;
  if (!has_own && listener.routes.empty())
    t.mistake(
        "a listener with protocol = \"tls\" needs a service, or routes = [{ names = "
        "[\"a.example.com\"], service = \"a\" }], or both");
}

void read_half_closed_timeout(Table& t, config::Listener& listener) {
  constexpr const char* kKey = "half_closed_timeout";
  t.duration(kKey, listener.half_closed_timeout, 0s, 12h);
  if (t.has(kKey) && listener.protocol == config::Protocol::kH2c)
    t.mistake(kKey,
              "half_closed_timeout is of listeners with protocol = \"http\" or \"https\": a client "
              "of HTTP/2 that ends its side cancels its calls at once");
}

// RFC 9110, 4.1: an absolute path.
void read_health_path(Table& t, std::string& path) {
  if (!t.string("health_path", path)) return;
  const bool bad = std::any_of(path.begin(), path.end(),
                               [](char c) { return c <= ' ' || c > '~' || c == '?' || c == '#'; });
  if (bad || !path.starts_with('/'))
    t.mistake(
        "health_path",
        fmt::format("health_path = \"{}\" is no path like \"/healthz\", without a query", path));
}

}  // namespace

std::set<std::string> read_listeners(Table& root, std::span<const Table> service_tables,
                                     Reading& reading) {
  config::Snapshot& snapshot = reading.snapshot;
  std::map<std::string, uint32_t> services;
  bool all_named = true;
  for (uint32_t i = 0; i < snapshot.services.size(); ++i) {
    const std::string& name = snapshot.services[i].name;
    all_named = all_named && !name.empty();
    services.emplace(name, i);
  }
  std::set<std::string> names;
  std::set<std::string> used;
  std::set<std::pair<Endpoint, bool>> addresses;  // with whether the listener is of UDP
  for (Table& t : root.tables("listener")) {
    config::Listener listener;
    if (t.string("name", listener.name, true) && !names.insert(listener.name).second)
      t.mistake("name", fmt::format("a second listener {}; names must differ", listener.name));
    if (const auto e = read_endpoint(t, "address")) {
      listener.address = *e;
      if (const auto why = unusable(e->address); !why.empty())
        t.mistake("address", fmt::format("address = \"{}\" is {}; a listener needs an address that "
                                         "Sluice answers for",
                                         e->str(), why));
    }
    if (!t.has("protocol"))
      t.mistake("[[listener]] lacks protocol; allowed: h2c, http, https, tcp, udp, tls");
    constexpr std::array kProtocols{config::Protocol::kH2c,   config::Protocol::kHttp,
                                    config::Protocol::kHttps, config::Protocol::kTcp,
                                    config::Protocol::kUdp,   config::Protocol::kTls};
    if (const auto protocol = t.choice("protocol", {"h2c", "http", "https", "tcp", "udp", "tls"}))
      listener.protocol = kProtocols.at(*protocol);
    if (listener.address != Endpoint{} &&
        !addresses.emplace(listener.address, listener.protocol == config::Protocol::kUdp).second)
      t.mistake("address", fmt::format("a second listener on {}; addresses must differ",
                                       listener.address.str()));
    read_l4(t, listener);
    warn_of_mtu(t, listener, reading);
    read_tls(t, reading, listener);
    if (const auto connect = t.choice("connect", {"refuse", "pass"}))
      listener.connect = *connect == 1 ? config::Connect::kPass : config::Connect::kRefuse;
    read_forwarding(t, listener.forwarding);
    read_health_path(t, listener.health_path);
    read_half_closed_timeout(t, listener);
    // The index of a service; nullopt: there is a mistake, or no such key.
    const auto read_service_name = [&](Table& from, bool required) -> std::optional<uint32_t> {
      std::string service;
      if (!from.string("service", service, required)) return std::nullopt;
      used.insert(service);
      const auto it = services.find(service);
      if (it == services.end()) {
        if (!all_named) return std::nullopt;  // it may be the service whose name is wrong
        std::vector<std::string> known;
        known.reserve(services.size());
        for (const auto& [name, index] : services) known.push_back(name);
        from.mistake(
            "service",
            fmt::format("there is no service {}; known: {}", service,
                        known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
        return std::nullopt;
      }
      const config::Service& found = snapshot.services[it->second];
      if (found.proxy_protocol != config::ProxyProtocol::kNone && !listener.relays_bytes())
        from.mistake("service", fmt::format("the service {} has proxy_protocol, and this listener "
                                            "relays no bytes: pods would get no header",
                                            service));
      if (listener.ends_tls() && listener.relays_bytes() && config::is_secure(found.protocol))
        from.mistake("service", fmt::format("the service {} has TLS toward its pods; listeners "
                                            "that relay bytes do not make it",
                                            service));
      warn_of_port(listener, found, service_tables[it->second], reading);
      return it->second;
    };
    read_routes(t, listener, read_service_name);
    t.finish();
    snapshot.listeners.push_back(std::move(listener));
  }
  return used;
}

}  // namespace sluice::loader
