#include "base/populator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "base/pages.h"

// Since Linux 5.14. Another kernel refuses the advice: the first uses of the memory take longer.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace sluice {

Populator::Populator(size_t users)
    : users_(users), requests_(std::make_unique<Request[]>(users)), thread_([this] { run(); }) {}

Populator::~Populator() {
  ending_.store(true);
  rings_.fetch_add(1);
  rings_.notify_one();
  thread_.join();
}

void Populator::populate(size_t user, void* begin, size_t bytes) {
  requests_[user].bytes.store(bytes);
  requests_[user].begin.store(begin);
  rings_.fetch_add(1);
  rings_.notify_one();
}

void Populator::run() {
  ::pthread_setname_np(::pthread_self(), "populator");
  while (true) {
    const int heard = rings_.load();  // before the look at ending_: a ring in between ends the wait
    if (ending_.load()) return;
    for (size_t i = 0; i < users_; ++i) {
      auto* begin = static_cast<uint8_t*>(requests_[i].begin.exchange(nullptr));
      const size_t bytes = begin == nullptr ? 0 : requests_[i].bytes.load();
      // One page at a time, since the kernel holds a lock of the process meanwhile.
      for (size_t at = 0; at < bytes && !ending_.load(); at += kHugePage)
        ::madvise(begin + at, std::min(kHugePage, bytes - at), MADV_POPULATE_WRITE);
    }
    rings_.wait(heard);
  }
}

}  // namespace sluice
