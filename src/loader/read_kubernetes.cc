#include <filesystem>

#include <fmt/format.h>

#include "discovery/kubernetes/kubeconfig.h"
#include "loader/reading.h"

namespace sluice::loader {
namespace {

namespace kubernetes = discovery::kubernetes;

// The server by a kubeconfig, or by the ServiceAccount of Sluice's own pod.
void read_server(Table& t, Reading& reading, kubernetes::ApiServer& server) {
  std::string kubeconfig, context, url;
  std::string directory(kubernetes::kServiceAccount);
  const bool named = t.string("kubeconfig", kubeconfig);
  t.string("context", context);
  t.string("service_account", directory);
  t.string("server", url);
  for (const char* key : {"service_account", "server"})
    if (named && t.has(key))
      t.mistake(key, fmt::format("kubeconfig and {} exclude each other", key));
  if (!named && t.has("context")) t.mistake("context", "context needs a kubeconfig");
  const char* key = named ? "kubeconfig" : t.has("server") ? "server" : "service_account";
  try {
    if (named) {
      reading.files.push_back(t.document().resolve(kubeconfig));
      server = kubernetes::read_kubeconfig(reading.files.back(), context);
    } else {
      server = kubernetes::in_cluster(t.document().resolve(directory), url);
    }
  } catch (const std::exception& e) {
    t.mistake(key, e.what());
  }
}

}  // namespace

void read_kubernetes(Table& root, Reading& reading) {
  auto t = root.table("kubernetes");
  if (!t) return;
  kubernetes::Settings settings;
  read_server(*t, reading, settings.server);
  if (t->strings("namespaces", settings.namespaces) && settings.namespaces.empty())
    t->mistake("namespaces", "namespaces is empty; without the key, all namespaces are watched");
  t->string("zone", settings.zone);
  t->finish();
  reading.kubernetes = std::move(settings);
}

}  // namespace sluice::loader
