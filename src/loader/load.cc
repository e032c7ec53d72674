#include "loader/load.h"

#include <algorithm>
#include <map>

#include "loader/reading.h"

namespace sluice::loader {

std::vector<std::filesystem::path> Loaded::configuration_files() const {
  std::vector<std::filesystem::path> out;
  for (const auto& file : files) {
    const auto holds = [&](const ServiceEndpoints& e) { return e.file == file; };
    if (std::none_of(endpoints.begin(), endpoints.end(), holds)) out.push_back(file);
  }
  return out;
}

Loaded load(const std::filesystem::path& file) {
  Loaded out;
  out.files.push_back(file);
  const auto document = Document::open(file, nullptr, out.mistakes);
  if (!document) return out;

  auto snapshot = std::make_unique<config::Snapshot>();
  Reading reading{*snapshot,      out.mistakes, out.warnings, out.files,           out.endpoints,
                  out.kubernetes, out.dns,      out.routes,   out.state_directory, out.admin_http};
  Table root(*document, document->root(), "the file", out.mistakes);
  read_startup(root, reading);
  read_admin(root, reading);
  read_access_log(root, reading);
  read_settings(root, reading);
  read_kubernetes(root, reading);
  read_learned_routes(root, reading);
  read_dns(root, reading);
  read_process_tls(root, reading);
  read_services(root, reading);
  root.finish();

  // TOML tables have no order, and people read from the top. Files are in the order of being read.
  std::map<std::string, size_t> order;
  for (const auto& f : out.files) order.emplace(f.string(), order.size());
  const auto before = [&](const Mistake& a, const Mistake& b) {
    return std::pair(order[a.file], a.line) < std::pair(order[b.file], b.line);
  };
  std::stable_sort(out.mistakes.begin(), out.mistakes.end(), before);
  std::stable_sort(out.warnings.begin(), out.warnings.end(), before);
  // Each mistake in a profile that two ports share was found twice.
  const auto same = [](const Mistake& a, const Mistake& b) { return a.str() == b.str(); };
  out.mistakes.erase(std::unique(out.mistakes.begin(), out.mistakes.end(), same),
                     out.mistakes.end());
  if (out.mistakes.empty()) {
    out.snapshot = std::move(snapshot);
  } else {
    out.warnings.clear();
  }
  return out;
}

}  // namespace sluice::loader
