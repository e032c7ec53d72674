#include "control/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {

LineWriter::LineWriter(std::string file) : file_(std::move(file)), fd_(open()) {
  // Signals are the control thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LineWriter::~LineWriter() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  more_.notify_one();
  thread_.join();
  ::close(fd_);
  if (fresh_ >= 0) ::close(fresh_);
}

int LineWriter::open() const {
  // Without O_NONBLOCK a FIFO that nobody reads would hold up the caller.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
  const int fd = file_.empty() ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                               : ::open(file_.c_str(), kFlags, 0640);
  if (fd < 0)
    throw std::runtime_error(fmt::format("{}: {}", file_.empty() ? "standard error" : file_,
                                         std::generic_category().message(errno)));
  return fd;
}

bool LineWriter::write(std::string_view lines) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() + lines.size() > kMost) return false;
  waiting_ += lines;
  more_.notify_one();
  return true;
}

void LineWriter::reopen() {
  const int fd = open();
  const std::lock_guard lock(mutex_);
  if (fresh_ >= 0) ::close(fresh_);
  fresh_ = fd;
  more_.notify_one();
}

void LineWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [&] { return end_ || fresh_ >= 0 || !waiting_.empty(); });
    if (fresh_ >= 0) ::close(std::exchange(fd_, std::exchange(fresh_, -1)));
    if (waiting_.empty()) {
      if (end_) return;
      continue;
    }
    const std::string lines = std::exchange(waiting_, {});
    const int fd = fd_;
    lock.unlock();
    const std::string_view left = put(fd, lines);
    lost_ += static_cast<uint64_t>(std::count(left.begin(), left.end(), '\n'));
    lock.lock();
    if (!left.empty() && end_) return;
  }
}

// A pipe that can be written takes PIPE_BUF bytes at once, so that write(2) does not wait. Whole
// lines go together, since others may write to standard error as well.
std::string_view LineWriter::put(int fd, std::string_view lines) {
  while (!lines.empty()) {
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, kPollMs) <= 0) {
      const std::lock_guard lock(mutex_);
      if (end_) return lines;
      continue;
    }
    size_t n = std::min<size_t>(lines.size(), PIPE_BUF);
    if (n < lines.size())
      if (const size_t end = lines.substr(0, n).rfind('\n'); end != std::string_view::npos)
        n = end + 1;
    const ssize_t written = ::write(fd, lines.data(), n);
    if (written < 0 && errno != EINTR && errno != EAGAIN) return lines;
    if (written > 0) lines.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

}  // namespace sluice::control
