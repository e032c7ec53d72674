#pragma once
// The access log: fetches the workers' notes and writes a line for each.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "admin/ledger.h"
#include "base/chrono.h"
#include "config/access_log.h"
#include "config/snapshot.h"
#include "control/line_writer.h"
#include "stats/worker.h"

namespace sluice::control {

class AccessLog {
 public:
  static constexpr std::chrono::milliseconds kOften{10};  // between two looks

  // clock: of the workers; empty: times of calls are those of the looks.
  explicit AccessLog(std::function<Time()> clock) : clock_(std::move(clock)) {}

  // Opens another file, if the configuration names another one. Throws std::runtime_error, and the
  // file before stays.
  void adopt(const config::AccessLog& settings);
  // After a log rotation. Throws std::runtime_error, and the old file stays.
  void reopen();
  bool on() const { return writer_ != nullptr; }
  // Writes a line for each note.
  void look(const config::Snapshot& current, const admin::Ledger& ledger);

  uint64_t lines() const { return lines_; }
  // Of the notes that found no room at their worker, and of lines that the file was too slow for.
  uint64_t lost() const {
    return lost_notes_ + lost_lines_ + (writer_ == nullptr ? 0 : writer_->lost());
  }

 private:
  void use(std::unique_ptr<LineWriter> writer);

  std::function<Time()> clock_;
  config::AccessLog settings_;
  std::unique_ptr<LineWriter> writer_;
  uint64_t lines_ = 0;
  uint64_t lost_notes_ = 0;
  uint64_t lost_lines_ = 0;
};

}  // namespace sluice::control
