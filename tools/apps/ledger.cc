#include "ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>

namespace sluice::lab {

Ledger::Ledger(const std::string& counts_path) {
  if (counts_path.empty()) return;
  const int fd = ::open(counts_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ::ftruncate(fd, sizeof(Counts)) != 0)
    throw std::system_error(errno, std::generic_category(), counts_path);
  void* memory = ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), counts_path);
  ::close(fd);
  counts_ = new (memory) Counts;
}

void Ledger::begin(const std::string& tag) {
  ++counts_->begun;
  if (tag.empty()) return;
  const std::lock_guard lock(mutex_);
  tagged_[tag].seen = true;
}

void Ledger::end() {
  ++counts_->ended;
}

void Ledger::cancel(const std::string& tag) {
  ++counts_->cancelled;
  if (tag.empty()) return;
  const std::lock_guard lock(mutex_);
  tagged_[tag].cancelled = true;
}

Ledger::Sighting Ledger::sighting(const std::string& tag) const {
  const std::lock_guard lock(mutex_);
  const auto found = tagged_.find(tag);
  return found == tagged_.end() ? Sighting{} : found->second;
}

}  // namespace sluice::lab
