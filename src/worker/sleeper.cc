#include "worker/sleeper.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>

namespace sluice::worker {

namespace {

int checked(int descriptor, const char* call) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), call);
  return descriptor;
}

bool is_eventfd(int descriptor) {
  std::array<char, 64> name{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t n = ::readlink(link.c_str(), name.data(), name.size());
  return n > 0 && std::string_view(name.data(), static_cast<size_t>(n)) == "anon_inode:[eventfd]";
}

}  // namespace

// An eventfd is edge-triggered, so that nobody has to read it: each write is an edge, also one that
// came before the wait.
Sleeper::Sleeper(const std::vector<int>& descriptors) {
  try {
    epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    event_ = checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
    add(event_, EPOLLIN | EPOLLET);
    for (const int fd : descriptors) {
      deaf_ |= fd < 0;
      if (fd >= 0) add(fd, is_eventfd(fd) ? EPOLLIN | EPOLLET : EPOLLIN);
    }
  } catch (...) {
    ::close(event_);
    ::close(epoll_);
    throw;
  }
}

Sleeper::~Sleeper() {
  ::close(event_);
  ::close(epoll_);
}

void Sleeper::add(int descriptor, uint32_t events) {
  epoll_event event{};
  event.events = events;
  // Ports may share a device, and so a descriptor.
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) < 0 && errno != EEXIST)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

void Sleeper::begin_thread() {
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void Sleeper::sleep(Duration longest) {
  const Duration most = std::clamp(longest, Duration::zero(), deaf_ ? kNap : kLongest);
  const timespec timeout{.tv_sec = most / 1s, .tv_nsec = (most % 1s).count()};
  std::array<epoll_event, 16> events;  // they say only that there is something
  ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  cancel();
}

void Sleeper::ring() {
  const uint64_t one = 1;
  // A full counter wakes as well.
  [[maybe_unused]] const ssize_t n = ::write(event_, &one, sizeof one);
}

}  // namespace sluice::worker
