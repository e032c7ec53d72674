#include "control/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

using Clock = std::chrono::steady_clock;

// Waiting for a pipe is interrupted so often, to see whether the writer ends or has a new file.
constexpr int kPollMs = 100;

size_t count_lines(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool same_file(int a, int b) {
  struct stat x {
  }, y{};
  return ::fstat(a, &x) == 0 && ::fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

}  // namespace

struct LineWriter::State {
  // Of the thread.
  void run();
  void take_fresh(std::unique_lock<std::mutex>& lock);
  enum class Put { kDone, kRefused, kFresh };
  // Removes the whole lines that the file has taken from `lines`.
  Put put(std::string_view& lines);
  bool late() const { return end && Clock::now() >= deadline; }

  std::mutex mutex;
  std::condition_variable more;   // for the thread
  std::condition_variable ended;  // for finish()
  std::string waiting;
  size_t writing = 0;  // bytes that the thread has taken from `waiting`, and is writing
  int fresh = -1;      // of reopen(), which the thread takes
  bool end = false;
  bool over = false;  // the thread has ended
  Clock::time_point deadline;
  Lost lost;
  // The thread's own.
  int fd = -1;
  bool cut = false;  // the file ends in a part of a line
};

LineWriter::LineWriter(std::string file, Lost lost)
    : file_(std::move(file)), lost_(std::move(lost)), state_(std::make_shared<State>()) {
  state_->lost = lost_;
  state_->fd = open();
  // Signals are the control thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([state = state_] { state->run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LineWriter::~LineWriter() {
  const std::lock_guard lock(state_->mutex);
  if (std::exchange(state_->end, true)) return;
  state_->deadline = Clock::now() + kLast;
  state_->more.notify_one();
}

void LineWriter::finish() {
  std::unique_lock lock(state_->mutex);
  if (!std::exchange(state_->end, true)) state_->deadline = Clock::now() + kLast;
  state_->more.notify_one();
  state_->ended.wait_for(lock, kLast + std::chrono::milliseconds(2 * kPollMs),
                         [&] { return state_->over; });
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

size_t LineWriter::write(std::string_view lines) {
  size_t taken = 0;
  {
    const std::lock_guard lock(state_->mutex);
    const size_t used = state_->waiting.size() + state_->writing;
    std::string_view fit = lines.substr(0, kMost - std::min(used, kMost));
    fit = fit.substr(0, fit.rfind('\n') + 1);  // npos + 1 is 0
    state_->waiting += fit;
    state_->more.notify_one();
    lines.remove_prefix(fit.size());
    taken = count_lines(fit);
  }
  *lost_ += count_lines(lines);
  return taken;
}

void LineWriter::reopen() {
  const int fd = open();
  int unused = -1;
  {
    const std::lock_guard lock(state_->mutex);
    unused = std::exchange(state_->fresh, fd);
    state_->more.notify_one();
  }
  if (unused >= 0) ::close(unused);
}

void LineWriter::State::take_fresh(std::unique_lock<std::mutex>& lock) {
  if (fresh < 0) return;
  const int old = std::exchange(fd, std::exchange(fresh, -1));
  lock.unlock();
  cut = cut && same_file(old, fd);
  ::close(old);
  lock.lock();
}

void LineWriter::State::run() {
  std::string lines;
  std::unique_lock lock(mutex);
  for (;;) {
    more.wait(lock, [&] { return end || fresh >= 0 || !waiting.empty(); });
    take_fresh(lock);
    if (waiting.empty()) {
      if (end) break;
      continue;
    }
    lines = std::exchange(waiting, {});
    writing = lines.size();
    lock.unlock();
    std::string_view left = lines;
    const Put how = put(left);
    if (how == Put::kRefused) *lost += count_lines(left);
    lock.lock();
    writing = 0;
    if (how == Put::kFresh) waiting.insert(0, left);
    if (how == Put::kRefused && late()) break;
  }
  *lost += count_lines(waiting);
  over = true;
  ended.notify_all();
  const int last = std::exchange(fresh, -1);
  lock.unlock();
  ::close(fd);
  if (last >= 0) ::close(last);
}

// A pipe that can be written takes PIPE_BUF bytes at once, so that write(2) does not wait. Whole
// lines go together, since others may write to standard error as well.
LineWriter::State::Put LineWriter::State::put(std::string_view& lines) {
  size_t at = 0;  // bytes of the first line that the file has
  while (!lines.empty()) {
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    const int n = ::poll(&ready, 1, kPollMs);
    if (const std::lock_guard lock(mutex); late()) {
      return Put::kRefused;
    } else if (n <= 0 && fresh >= 0) {
      return Put::kFresh;
    }
    if (n <= 0) continue;
    // A line that was cut stays so, and the next one begins at the left margin.
    std::string_view part = cut && at == 0 ? std::string_view("\n") : lines.substr(at, PIPE_BUF);
    if (const size_t last = part.rfind('\n'); last != std::string_view::npos)
      part = part.substr(0, last + 1);
    const ssize_t written = ::write(fd, part.data(), part.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) return Put::kRefused;
    if (written <= 0) continue;
    part = part.substr(0, static_cast<size_t>(written));
    const bool margin = cut && at == 0;
    cut = part.back() != '\n';
    if (margin) continue;
    at += part.size();
    const size_t whole = lines.substr(0, at).rfind('\n') + 1;
    lines.remove_prefix(whole);
    at -= whole;
  }
  return Put::kDone;
}

}  // namespace sluice::control
