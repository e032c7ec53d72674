#include "control/access_log.h"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "control/access_line.h"

namespace sluice::control {
namespace {

template <class List>
std::string_view name_at(const List& list, uint32_t slot) {
  const auto it =
      std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.slot == slot; });
  return it == list.end() ? std::string_view() : it->name;
}

std::string_view name_space_at(const std::vector<config::Service>& services, uint32_t slot) {
  const auto it = std::find_if(services.begin(), services.end(),
                               [&](const config::Service& s) { return s.slot == slot; });
  return it == services.end() ? std::string_view() : it->name_space;
}

std::string_view route_at(const std::vector<config::Listener>& listeners, uint32_t slot,
                          std::string_view server_name) {
  const auto it = std::find_if(listeners.begin(), listeners.end(),
                               [&](const config::Listener& l) { return l.slot == slot; });
  return it == listeners.end() ? std::string_view() : route_of(*it, server_name);
}

}  // namespace

std::unique_ptr<LineWriter> AccessLog::writer_for(const config::AccessLog& settings) const {
  return std::make_unique<LineWriter>(
      settings.file == config::AccessLog::kStderr ? std::string() : settings.file, lost_lines_);
}

void AccessLog::adopt(const config::AccessLog& settings) {
  if (!settings.on()) {
    writer_ = nullptr;
  } else if (writer_ == nullptr || settings.file != settings_.file) {
    try {
      writer_ = writer_for(settings);
    } catch (const std::exception& e) {
      if (writer_ == nullptr) {
        settings_ = settings;
        open_again_ = std::chrono::steady_clock::now() + kOpenAgain;
      }
      throw std::runtime_error(fmt::format("file of [access_log]: {}", e.what()));
    }
  }
  settings_ = settings;
}

void AccessLog::try_to_open() {
  const auto now = std::chrono::steady_clock::now();
  if (now < open_again_) return;
  open_again_ = now + kOpenAgain;
  try {
    writer_ = writer_for(settings_);
    spdlog::info("access log: {} is open", settings_.file);
  } catch (const std::exception& e) {
    spdlog::debug("access log: {}", e.what());
  }
}

void AccessLog::reopen() {
  open_again_ = {};
  if (writer_ != nullptr) writer_->reopen();
}

void AccessLog::look(const config::Snapshot& current, const admin::Ledger& ledger) {
  if (!on()) return;
  if (writer_ == nullptr) try_to_open();
  const auto workers = ledger.workers();
  uint64_t lost = 0;
  for (size_t i = 0; i < workers.size(); ++i) {
    stats::Worker& w = *workers[(first_ + i) % workers.size()];
    drain(w, current, ledger);
    lost += w.access().lost();
  }
  ++first_;
  lost_notes_ = lost;
}

void AccessLog::drain(stats::Worker& w, const config::Snapshot& current,
                      const admin::Ledger& ledger) {
  const SystemTime now = std::chrono::system_clock::now();
  const Time clock = clock_ ? clock_() : Time{};
  std::string lines;
  for (int n = 0; n < kNotesAtOnce; ++n) {
    const auto a = w.access().pop();
    if (!a) break;
    if (writer_ == nullptr) {
      ++*lost_lines_;
      continue;
    }
    const Duration ago = clock_ ? clock - a->arrived : a->duration;
    const admin::PodEntry* pod = a->pod == stats::Access::kNoPod ? nullptr : ledger.pod(a->pod);
    const std::string address = pod == nullptr ? std::string() : pod->pod.endpoint.str();
    lines += access_line(
        *a,
        {.listener = name_at(current.listeners, a->listener),
         .service = name_at(current.services, a->service),
         .name_space = name_space_at(current.services, a->service),
         .pod = pod == nullptr || pod->pod.id.empty() ? std::string_view(address) : pod->pod.id,
         .route =
             route_at(current.listeners, a->listener, a->text(stats::Access::Text::kServerName))},
        now - std::chrono::duration_cast<std::chrono::system_clock::duration>(ago));
    if (lines.size() > kBytesAtOnce) write(lines);
  }
  write(lines);
}

void AccessLog::write(std::string& lines) {
  if (lines.empty()) return;
  lines_ += writer_->write(lines);
  lines.clear();
}

void AccessLog::finish(const config::Snapshot& current, const admin::Ledger& ledger) {
  look(current, ledger);
  if (writer_ == nullptr) return;
  writer_->finish();
  writer_ = nullptr;
  settings_ = {};
}

}  // namespace sluice::control
