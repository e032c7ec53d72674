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
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kOwnerAlone);
  if (fd < 0) return std::strerror(errno);
  if (::fchmod(fd, kOwnerAlone) != 0) {
    std::string why = std::strerror(errno);
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
