#pragma once
// The parts of load(): each reads some tables into the snapshot and notes mistakes.

#include <filesystem>
#include <optional>
#include <vector>

#include "config/admin_http.h"
#include "config/snapshot.h"
#include "discovery/dns/settings.h"
#include "discovery/kubernetes/settings.h"
#include "discovery/learned_route.h"
#include "loader/document.h"
#include "loader/endpoints.h"

namespace sluice::loader {

// Warnings of one kind, each with its line: finding a line takes time in proportion to the file.
inline constexpr size_t kMostAlike = 100;

inline constexpr int64_t kLargestMtu = 9978;  // jumbo frames of the NICs that DPDK drives

struct Reading {
  config::Snapshot& snapshot;
  Mistakes& mistakes;
  Mistakes& warnings;
  std::vector<std::filesystem::path>& files;
  std::vector<ServiceEndpoints>& endpoints;
  std::optional<discovery::kubernetes::Settings>& kubernetes;
  discovery::dns::Settings& dns;
  discovery::RouteSettings& routes;
  std::filesystem::path& state_directory;
  config::AdminHttp& admin_http;
  // Whether the file of DPDK's devices could be read: if not, every port's device would be missing.
  bool dpdk_known = false;

  // Each thread that makes TLS handshakes has a lane.
  size_t lanes() const {
    const config::Startup& s = snapshot.startup;
    return s.handshake_threads > 0 ? s.handshake_threads : s.workers;
  }

  // The file that `key` of `table` names.
  std::optional<Document> open(Table& table, std::string_view key, const std::string& path) {
    const Mistake place = table.place(key);
    files.push_back(table.document().resolve(path));
    return Document::open(files.back(), &place, mistakes);
  }
};

// [sluice] workers and socket, [memory], dpdk and [[port]].
void read_startup(Table& root, Reading& reading);
// A file of nic_profiles/.
config::NicProfile read_profile(const Document& document, Mistakes& mistakes);
// [timeouts] and [limits].
void read_settings(Table& root, Reading& reading);
// [admin].
void read_admin(Table& root, Reading& reading);
// [tls].
void read_process_tls(Table& root, Reading& reading);
// [access_log].
void read_access_log(Table& root, Reading& reading);
// [kubernetes], and the kubeconfig.
void read_kubernetes(Table& root, Reading& reading);
// [routes], after [kubernetes].
void read_learned_routes(Table& root, Reading& reading);
// [dns].
void read_dns(Table& root, Reading& reading);
// [[service]] and [[listener]], after those above.
void read_services(Table& root, Reading& reading);
// [listener.tls]: certificates and keys included, which become part of the snapshot.
void read_tls(Table& listener, Reading& reading, config::Listener& out);
// [service.tls]: TLS toward pods.
void read_pod_tls(Table& service, Reading& reading, config::Service& out);
// [service.retry], if the service has it.
void read_retry(Table& service, config::Retry& retry);

}  // namespace sluice::loader
