#include "control/access_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/access_line.h"

namespace sluice::control {
namespace {

template <class List>
std::string_view name_at(const List& list, uint32_t slot) {
  const auto it =
      std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.slot == slot; });
  return it == list.end() ? std::string_view() : it->name;
}

}  // namespace

void AccessLog::use(std::unique_ptr<LineWriter> writer) {
  if (writer_ != nullptr) lost_lines_ += writer_->lost();
  writer_ = std::move(writer);
}

void AccessLog::adopt(const config::AccessLog& settings) {
  if (!settings.on()) {
    use(nullptr);
  } else if (writer_ == nullptr || settings.file != settings_.file) {
    try {
      use(std::make_unique<LineWriter>(
          settings.file == config::AccessLog::kStderr ? std::string() : settings.file));
    } catch (const std::exception& e) {
      throw std::runtime_error(fmt::format("file of [access_log]: {}", e.what()));
    }
  }
  settings_ = settings;
}

void AccessLog::reopen() {
  if (writer_ != nullptr) writer_->reopen();
}

void AccessLog::look(const config::Snapshot& current, const admin::Ledger& ledger) {
  if (writer_ == nullptr) return;
  const auto now = std::chrono::system_clock::now();
  const Time clock = clock_ ? clock_() : Time{};
  std::string lines;
  uint64_t count = 0;
  uint64_t lost = 0;
  for (stats::Worker* w : ledger.workers()) {
    while (const auto a = w->access().pop()) {
      const Duration ago = clock_ ? clock - a->arrived : a->duration;
      const admin::PodEntry* pod = a->pod == stats::Access::kNoPod ? nullptr : ledger.pod(a->pod);
      const std::string address = pod == nullptr ? std::string() : pod->pod.endpoint.str();
      lines += access_line(
          *a,
          {.listener = name_at(current.listeners, a->listener),
           .service = name_at(current.services, a->service),
           .pod = pod == nullptr || pod->pod.id.empty() ? std::string_view(address) : pod->pod.id},
          now - std::chrono::duration_cast<std::chrono::system_clock::duration>(ago));
      ++count;
    }
    lost += w->access().lost();
  }
  lost_notes_ = lost;
  if (count == 0) return;
  if (writer_->write(lines)) {
    lines_ += count;
  } else {
    lost_lines_ += count;
  }
}

}  // namespace sluice::control
