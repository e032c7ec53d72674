#pragma once
// Writes lines to a file on a thread of its own: a disk or a pipe that is slow holds up nobody.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sluice::control {

class LineWriter {
 public:
  // Bytes that may wait. Lines beyond that are refused.
  static constexpr size_t kMost = 4'194'304;
  // For lines that wait when the writer ends.
  static constexpr std::chrono::milliseconds kLast{1'000};
  // Lines that nobody can read. Outlives the writer, since the thread ends later.
  using Lost = std::shared_ptr<std::atomic<uint64_t>>;

  // Appends to the file, which is made if need be (mode 0640); "" is standard error. Throws
  // std::runtime_error.
  explicit LineWriter(std::string file, Lost lost = std::make_shared<std::atomic<uint64_t>>(0));
  // Does not wait: the thread writes the lines that are left, for kLast, and ends by itself.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;

  // `lines` ends in a line feed. Takes as many whole lines as there is room for, and returns their
  // number. The others are lost.
  size_t write(std::string_view lines);
  // Opens the file anew, after somebody has renamed it. Lines that wait go to the new one, the one
  // that the old file has taken a part of included. Throws std::runtime_error, and the old one
  // stays.
  void reopen();
  // Ends the writer, and waits until the lines are in the file, or for a little more than kLast. No
  // write() after that.
  void finish();
  // Lines that were refused for want of room, and lines that the file refused: a full disk, a pipe
  // that nobody reads.
  uint64_t lost() const { return lost_->load(std::memory_order_relaxed); }

 private:
  struct State;  // shared with the thread

  int open() const;

  const std::string file_;
  const Lost lost_;
  const std::shared_ptr<State> state_;
};

}  // namespace sluice::control
