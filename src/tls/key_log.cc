#include "tls/key_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace sluice::tls {
namespace {

std::atomic<int> descriptor{-1};

}  // namespace

std::string open_key_log(const std::filesystem::path& file) {
  constexpr mode_t kOwnerAlone = 0600;
  // O_NONBLOCK: a FIFO without a reader is refused, and does not hold up the start.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const int fd = ::open(file.c_str(), kFlags, kOwnerAlone);
  if (fd < 0) return std::strerror(errno);
  std::string why;
  struct stat found {};
  if (::fstat(fd, &found) != 0) {
    why = std::strerror(errno);
  } else if (!S_ISREG(found.st_mode)) {
    why = "it is not a file";
  } else if (found.st_uid != ::geteuid()) {
    why = "it belongs to another user, who could read it";
  } else if (::fchmod(fd, kOwnerAlone) != 0) {
    why = std::strerror(errno);
  }
  if (!why.empty()) {
    ::close(fd);
    return why;
  }
  if (const int before = descriptor.exchange(fd); before >= 0) ::close(before);
  return {};
}

void write_key_log(const char* line) {
  const int fd = descriptor.load(std::memory_order_relaxed);
  if (fd < 0) return;
  const std::string text = std::string(line) + "\n";
  // One write, so that lines of several threads do not mix.
  if (::write(fd, text.data(), text.size()) < 0) return;
}

}  // namespace sluice::tls
