#pragma once
// Notes from a worker to control. A worker must not write to the log, so it leaves a note, and
// control fetches the note.

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "stats/counter.h"

namespace sluice::stats {

// One writer, one reader, and neither waits. A note that finds no room is counted and lost: a flood
// of notes tells no more than its first ones.
template <class Note, uint32_t kCapacity>
class Notes {
 public:
  void push(const Note& n) {
    const uint32_t at = written_.load(std::memory_order_relaxed);
    if (at - read_.load(std::memory_order_acquire) == kCapacity) {
      ++lost_;
      return;
    }
    ring_[at % kCapacity] = n;
    written_.store(at + 1, std::memory_order_release);
  }

  std::optional<Note> pop() {
    const uint32_t at = read_.load(std::memory_order_relaxed);
    if (at == written_.load(std::memory_order_acquire)) return std::nullopt;
    const Note n = ring_[at % kCapacity];
    read_.store(at + 1, std::memory_order_release);
    return n;
  }
  uint64_t lost() const { return lost_.get(); }

 private:
  std::array<Note, kCapacity> ring_;
  std::atomic<uint32_t> written_{0};
  std::atomic<uint32_t> read_{0};
  Counter lost_;
};

}  // namespace sluice::stats
