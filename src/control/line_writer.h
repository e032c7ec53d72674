#pragma once
// Writes lines to a file on a thread of its own: a disk or a pipe that is slow holds up nobody.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace sluice::control {

class LineWriter {
 public:
  // Bytes that may wait. Further ones are refused.
  static constexpr size_t kMost = 4'194'304;

  // Appends to the file, which is made if need be (mode 0640); "" is standard error. Throws
  // std::runtime_error.
  explicit LineWriter(std::string file);
  // Writes what waits, as long as the file takes it.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;

  // `lines` ends in a line feed. False: nothing of it was taken.
  bool write(std::string_view lines);
  // Opens the file anew, after somebody has renamed it. Lines that wait go to the new one. Throws
  // std::runtime_error, and the old one stays.
  void reopen();
  // Lines that were taken, and that the file refused: a full disk, a pipe that nobody reads.
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  // Waiting for a pipe is interrupted so often, to see whether the program ends.
  static constexpr int kPollMs = 100;

  int open() const;
  void run();
  // The part that the file did not take: it refuses, or it takes nothing now and the program ends.
  std::string_view put(int fd, std::string_view lines);

  const std::string file_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::string waiting_;
  int fd_;
  int fresh_ = -1;  // of reopen(), which the thread takes
  bool end_ = false;
  std::atomic<uint64_t> lost_{0};
  std::thread thread_;
};

}  // namespace sluice::control
