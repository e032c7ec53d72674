// What a pod did: calls begun, ended and cancelled, and the tagged calls it saw.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace sluice::lab {

// Lives in a file mapped by the pod, so that the number of calls in flight can be read after a kill
// -9. Three 64-bit words in the machine's byte order.
struct Counts {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::uint64_t> cancelled{0};
};

// Thread-safe.
class Ledger {
 public:
  // With an empty path the counts live in plain memory. Throws std::system_error when the file
  // cannot be mapped.
  explicit Ledger(const std::string& counts_path);

  void begin(const std::string& tag);
  void end();
  void cancel(const std::string& tag);

  struct Sighting {
    bool seen = false;
    bool cancelled = false;
  };
  Sighting sighting(const std::string& tag) const;
  const Counts& counts() const { return *counts_; }

 private:
  Counts own_counts_;
  Counts* counts_ = &own_counts_;
  mutable std::mutex mutex_;
  std::map<std::string, Sighting> tagged_;
};

}  // namespace sluice::lab
