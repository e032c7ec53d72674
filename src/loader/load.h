#pragma once
// Reads a configuration: the main file and everything that it refers to.

#include <filesystem>
#include <memory>
#include <vector>

#include "config/snapshot.h"
#include "loader/endpoints.h"
#include "loader/mistakes.h"

namespace sluice::loader {

struct Loaded {
  // Complete but for generation and slots; nullptr when there are mistakes.
  std::unique_ptr<config::Snapshot> snapshot;
  // In the order of files and lines.
  Mistakes mistakes;
  // Not wrong, and probably not meant: a pod that no route reaches, a service that nobody uses. In
  // the same order; empty when there are mistakes.
  Mistakes warnings;
  // The files that were read, or should have been: worth watching either way.
  std::vector<std::filesystem::path> files;
  // One a service, in the snapshot's order.
  std::vector<ServiceEndpoints> endpoints;

  // The files without those that hold endpoints only.
  std::vector<std::filesystem::path> configuration_files() const;
};

// `file` is how mistakes will name it. Does file I/O, nothing else; never throws for a mistake.
Loaded load(const std::filesystem::path& file);

}  // namespace sluice::loader
