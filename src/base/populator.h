#pragma once
// A thread that takes the memory of large tables from the operating system, so that the threads
// which use them need not wait for it. Pages of 2 MiB take it a millisecond or more each.

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

namespace sluice {

class Populator {
 public:
  // The thread begins on the core of the caller. users: threads that may ask.
  explicit Populator(size_t users);
  ~Populator();
  Populator(const Populator&) = delete;
  Populator& operator=(const Populator&) = delete;

  // The memory gets its pages, with their content as it is, while its owner may already use it. A
  // user's next call replaces what has not begun. Does not wait.
  void populate(size_t user, void* begin, size_t bytes);

 private:
  struct Request {
    std::atomic<void*> begin = nullptr;
    std::atomic<size_t> bytes = 0;
  };

  void run();

  const size_t users_;
  const std::unique_ptr<Request[]> requests_;
  std::atomic<int> rings_ = 0;
  std::atomic<bool> ending_ = false;
  std::thread thread_;  // the last member
};

}  // namespace sluice
