#include "worker/sleeper.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

namespace sluice::worker {

Sleeper::Sleeper(const std::vector<int>& descriptors) {
  const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (event < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  wait_for_.push_back({.fd = event, .events = POLLIN, .revents = 0});
  for (const int fd : descriptors) {
    deaf_ |= fd < 0;
    if (fd >= 0) wait_for_.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  }
}

Sleeper::~Sleeper() {
  ::close(wait_for_.front().fd);
}

void Sleeper::begin_thread() {
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void Sleeper::sleep(Duration longest) {
  const Duration most = std::clamp(longest, Duration::zero(), deaf_ ? kNap : kLongest);
  const timespec timeout{.tv_sec = most / 1s, .tv_nsec = (most % 1s).count()};
  ::ppoll(wait_for_.data(), wait_for_.size(), &timeout, nullptr);
  announced_.store(false, std::memory_order_relaxed);
  uint64_t rings = 0;
  if (wait_for_.front().revents != 0 && ::read(wait_for_.front().fd, &rings, sizeof rings) < 0 &&
      errno != EAGAIN)
    throw std::system_error(errno, std::generic_category(), "eventfd");
}

void Sleeper::ring() {
  const uint64_t one = 1;
  // A full counter wakes as well.
  [[maybe_unused]] const ssize_t n = ::write(wait_for_.front().fd, &one, sizeof one);
}

}  // namespace sluice::worker
