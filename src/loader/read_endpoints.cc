#include "loader/read_endpoints.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "discovery/reachability.h"
#include "loader/reading.h"

namespace sluice::loader {
namespace {

constexpr std::string_view kEndpointForm = "an address with a port, like \"198.18.1.101:50051\"";

// Where the mistakes and warnings of a list are added.
struct Notes {
  discovery::Reachability reach;
  Mistakes& mistakes;
  Mistakes& warnings;
};

discovery::EndpointSet read_list(std::vector<Table> tables, const Notes& notes) {
  discovery::EndpointSet out;
  std::set<std::pair<Endpoint, std::string>> seen;
  for (Table& t : tables) {
    discovery::Endpoint endpoint;
    const auto e = read_endpoint(t, "address");
    t.string("id", endpoint.id);
    t.integer("weight", endpoint.weight, 1, 1000);
    t.finish();
    if (!e) continue;
    if (e->address.unspecified()) {
      t.mistake("address", "address is unspecified; a pod needs one of its own");
      continue;
    }
    endpoint.address = *e;
    if (!seen.insert({endpoint.address, endpoint.id}).second) {
      t.mistake("address",
                fmt::format("the pod {} {} is given twice; address, port and id together "
                            "must differ",
                            endpoint.address.str(), endpoint.id));
      continue;
    }
    if (notes.warnings.size() < kMostAlike && !notes.reach.reaches(endpoint.address.address))
      notes.warnings.push_back(
          t.place("address",
                  fmt::format("no port has a network or a route for the pod {}; it gets no calls",
                              endpoint.address.str())));
    out.push_back(std::move(endpoint));
  }
  return out;
}

discovery::EndpointSet read_file(const Document& document, const Notes& notes) {
  Table file(document, document.root(), "an endpoints file", notes.mistakes);
  // A file that was cut short must not empty a service; an empty list has to be explicit.
  if (!file.has("endpoints")) {
    file.mistake(
        "the file has no endpoints; for a service without pods it must say endpoints = []");
  }
  auto out = read_list(file.tables("endpoints"), notes);
  file.finish();
  return out;
}

void read_kubernetes_reference(Table& t, const Reading& reading, ServiceEndpoints& out) {
  std::string text;
  if (!t.string("kubernetes", text)) return;
  const auto port = discovery::kubernetes::ServicePort::parse(text);
  if (!port) {
    t.mistake("kubernetes", fmt::format("kubernetes = \"{}\" is not a service with a port, like "
                                        "\"default/greeter:grpc\"",
                                        text));
    return;
  }
  out.kubernetes = port;
  if (!reading.kubernetes) {
    t.mistake("kubernetes",
              "there is no table [kubernetes]; in a pod of the cluster an empty one is enough");
    return;
  }
  const auto& watched = reading.kubernetes->namespaces;
  const std::string& name_space = port->service.name_space;
  if (!watched.empty() && std::find(watched.begin(), watched.end(), name_space) == watched.end())
    t.mistake("kubernetes", fmt::format("namespaces of [kubernetes] has no \"{}\"; it has: {}",
                                        name_space, fmt::join(watched, ", ")));
}

void read_dns_target(Table& t, ServiceEndpoints& out) {
  std::string text;
  if (!t.string("dns", text)) return;
  out.dns = discovery::dns::Target::parse(text);
  if (!out.dns)
    t.mistake("dns", fmt::format("dns = \"{}\" is not a name with a port, like "
                                 "\"greeter.default.svc.cluster.local:8080\"",
                                 text));
}

std::vector<std::string> lines(const Mistakes& all) {
  std::vector<std::string> out;
  for (const Mistake& m : all) out.push_back(m.str());
  return out;
}

}  // namespace

std::string_view unusable(const Address& a) {
  if (a.unspecified()) return "unspecified";
  if (a.is_v4()) {
    const uint32_t host = a.v4_host();
    if (host == 0xffffffff) return "broadcast";
    if (host >> 28 == 14) return "multicast";
    return host >> 24 == 127 ? "loopback" : "";
  }
  if (a.bytes[0] == 0xff) return "multicast";
  Address loopback;
  loopback.bytes[15] = 1;
  return a == loopback ? "loopback" : "";
}

std::optional<Endpoint> read_endpoint(Table& t, std::string_view key) {
  std::string text;
  if (!t.string(key, text, true)) return std::nullopt;
  const auto e = Endpoint::parse(text);
  if (!e || e->port == 0) {
    t.mistake(key, fmt::format("{} = \"{}\" is not {}", key, text, kEndpointForm));
    return std::nullopt;
  }
  return e;
}

void read_endpoints(Table& t, Reading& reading, ServiceEndpoints& out) {
  const Notes notes{discovery::Reachability(reading.snapshot.startup), reading.mistakes,
                    reading.warnings};
  constexpr std::string_view kForms =
      "{ file = \"endpoints.toml\" }, { kubernetes = \"namespace/service:port\" }, "
      "{ dns = \"name:port\" } or "
      "[{ address = \"198.18.1.101:50051\", id = \"pod1\" }]";
  if (!t.has("endpoints")) {
    t.mistake(fmt::format("[[service]] lacks endpoints: {}", kForms));
    return;
  }
  if (!t.is_table("endpoints")) {
    out.endpoints = read_list(t.tables("endpoints"), notes);
    return;
  }
  auto reference = t.table("endpoints");
  if (reference->has("kubernetes")) {
    read_kubernetes_reference(*reference, reading, out);
    reference->finish();
    return;
  }
  if (reference->has("dns")) {
    read_dns_target(*reference, out);
    reference->finish();
    return;
  }
  std::string path;
  const bool named = reference->string("file", path, true);
  reference->finish();
  if (!named) return;
  out.file = reference->document().resolve(path);
  if (const auto document = reading.open(*reference, "file", path))
    out.endpoints = read_file(*document, notes);
}

discovery::Update read_endpoints_file(const std::filesystem::path& file,
                                      const config::Startup& startup) {
  Mistakes mistakes, warnings;
  discovery::Update update;
  const auto document = Document::open(file, nullptr, mistakes);
  if (document) {
    auto endpoints = read_file(*document, {discovery::Reachability(startup), mistakes, warnings});
    if (mistakes.empty()) update.endpoints = std::move(endpoints);
  }
  update.errors = lines(mistakes);
  if (update.endpoints) update.warnings = lines(warnings);
  return update;
}

}  // namespace sluice::loader
