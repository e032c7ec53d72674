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

  // Of one look, so that a busy worker does not keep control at its notes.
  static constexpr int kNotesAtOnce = 512;         // of each worker
  static constexpr size_t kBytesAtOnce = 262'144;  // before they go to the writer

  // clock: of the workers; empty: times of calls are those of the looks.
  explicit AccessLog(std::function<Time()> clock) : clock_(std::move(clock)) {}

  // Opens another file, if the configuration names another one. Throws std::runtime_error, and the
  // file before stays; if there is none, look() tries again each second.
  void adopt(const config::AccessLog& settings);
  // After a log rotation. Throws std::runtime_error, and the old file stays.
  void reopen();
  // The configuration has it.
  bool on() const { return settings_.on(); }
  bool open() const { return writer_ != nullptr; }
  // Writes a line for each note. Without an open file the notes are lost.
  void look(const config::Snapshot& current, const admin::Ledger& ledger);
  // The workers have ended: writes their last notes, and waits for the file (LineWriter::finish).
  void finish(const config::Snapshot& current, const admin::Ledger& ledger);

  uint64_t lines() const { return lines_; }
  // Of the notes that found no room at their worker, and of lines that the file was too slow for.
  uint64_t lost() const { return lost_notes_ + lost_lines_->load(std::memory_order_relaxed); }

 private:
  using SystemTime = std::chrono::system_clock::time_point;
  static constexpr std::chrono::seconds kOpenAgain{1};

  std::unique_ptr<LineWriter> writer_for(const config::AccessLog& settings) const;
  void try_to_open();
  void drain(stats::Worker& w, const config::Snapshot& current, const admin::Ledger& ledger);
  void write(std::string& lines);

  std::function<Time()> clock_;
  config::AccessLog settings_;
  std::unique_ptr<LineWriter> writer_;
  uint64_t lines_ = 0;
  uint64_t lost_notes_ = 0;
  LineWriter::Lost lost_lines_ = std::make_shared<std::atomic<uint64_t>>(0);  // of all writers
  size_t first_ = 0;  // the worker at which the next look begins
  std::chrono::steady_clock::time_point open_again_{};
};

}  // namespace sluice::control
