#include "control/event_log.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

namespace sluice::control {
namespace {

// Pods with a greatest age of connections say GOAWAY all day.
spdlog::level::level_enum level_of(const stats::Event& e) {
  return e.kind == stats::Event::Kind::kRoutine ? spdlog::level::debug : spdlog::level::warn;
}

void log_event(const stats::Event& e) {
  const char* who = e.pod ? "pod" : "client";
  if (e.guard != nullptr) {
    spdlog::warn("{} {}: guard {}: {}{}", who, e.peer.str(), e.guard, e.what, e.details());
    return;
  }
  spdlog::log(level_of(e), "{} {}: {}{}{}", who, e.peer.str(),
              e.kind == stats::Event::Kind::kEnded ? "connection ended: " : "", e.what,
              e.details());
}

}  // namespace

void EventLog::look(std::span<stats::Worker* const> workers) {
  unsigned logged = 0;
  // A flood that triggers one guard must not hide a single event of another: the first line of each
  // guard is always written. There are a few dozen guards.
  std::vector<std::string_view> named;
  uint64_t lost = 0;
  for (stats::Worker* w : workers) {
    lost += w->events.lost();
    while (const auto e = w->events.pop()) {
      if (!spdlog::should_log(level_of(*e))) continue;
      // Routine notes are bounded by the workers' room for them, and hide no other note.
      if (e->kind == stats::Event::Kind::kRoutine) {
        log_event(*e);
        continue;
      }
      const std::string_view guard = e->guard != nullptr ? e->guard : "";
      const bool first = std::find(named.begin(), named.end(), guard) == named.end();
      if (first) named.push_back(guard);
      if (++logged > kLinesInALook && !first) {
        ++unlogged_;
        continue;
      }
      log_event(*e);
    }
  }
  unlogged_ += lost - std::exchange(lost_, lost);
  if (logged <= kLinesInALook && unlogged_ > 0) {
    spdlog::warn("{} more time(s) something ended for what a peer did; see sluicectl guards",
                 std::exchange(unlogged_, 0));
  }
}

}  // namespace sluice::control
