#pragma once
// Reads a configuration: the main file and every file that it refers to.

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "config/admin_http.h"
#include "config/snapshot.h"
#include "discovery/dns/settings.h"
#include "discovery/kubernetes/settings.h"
#include "discovery/learned_route.h"
#include "loader/endpoints.h"
#include "loader/mistakes.h"

namespace sluice::loader {

struct Loaded {
  // Complete except for generation and slots; nullptr when there are mistakes.
  std::unique_ptr<config::Snapshot> snapshot;
  // In the order of files and lines.
  Mistakes mistakes;
  // Settings that are valid and probably not meant: a pod that no route reaches, a service that
  // nobody uses. In the same order; empty when there are mistakes.
  Mistakes warnings;
  // The files that were read, and those that could not be read: all are worth watching.
  std::vector<std::filesystem::path> files;
  // One for each service, in the snapshot's order.
  std::vector<ServiceEndpoints> endpoints;
  std::optional<discovery::kubernetes::Settings> kubernetes;  // nullopt: no [kubernetes]
  discovery::dns::Settings dns;
  discovery::RouteSettings routes;
  std::filesystem::path state_directory;  // empty: there is none
  config::AdminHttp admin_http;

  // The files except those that have only endpoints.
  std::vector<std::filesystem::path> configuration_files() const;
};

// `file` is also the file's name in mistakes. Does file I/O, nothing else. Never throws for a
// mistake.
Loaded load(const std::filesystem::path& file);

}  // namespace sluice::loader
