#include "tls/key_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace sluice::tls {
namespace {

std::atomic<int> descriptor{-1};

constexpr mode_t kOwnerAlone = 0600;

// Takes the file for this process alone. The reason why not, or an empty string.
std::string claim(int fd) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) return std::strerror(errno);
  if (!S_ISREG(found.st_mode)) return "it is not a file";
  if (found.st_uid != ::geteuid()) return "it belongs to another user, who could read it";
  if (::fchmod(fd, kOwnerAlone) != 0) return std::strerror(errno);
  return {};
}

}  // namespace

std::string open_key_log(const std::filesystem::path& file) {
  // O_NONBLOCK: a FIFO without a reader is refused, and does not hold up the start.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const int fd = ::open(file.c_str(), kFlags, kOwnerAlone);
  if (fd < 0) return std::strerror(errno);
  std::string why = claim(fd);
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
