#pragma once
// Threads that make the steps of handshakes, so that no other connection of a worker waits for a
// private-key operation. A handshake goes to a helper thread through a ring and comes back through
// another; only one thread has it at a time. Helpers touch no packet buffer and no counter.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "base/spsc_ring.h"
#include "tls/handshake.h"

namespace sluice::tls {

using HandshakePtr = std::unique_ptr<Handshake>;

// The way of handshakes between one worker and one helper.
struct HandshakeLine {
  static constexpr size_t kCapacity = 8'192;
  SpscRing<HandshakePtr> there{kCapacity};
  SpscRing<HandshakePtr> back{kCapacity};  // has room for all that are on their way
  size_t away = 0;                         // handshakes in either ring or in work; for the worker
};

// One helper thread's sleep.
struct HandshakeBell {
  void ring() {
    rings.fetch_add(1, std::memory_order_seq_cst);
    rings.notify_one();
  }
  std::atomic<int> rings{0};
};

// One worker's side of the pool. For the worker's thread.
class HandshakeQueue {
 public:
  // The lane of the helper that has the least to do for this worker. A handshake stays with it.
  size_t lane();
  // Hands a handshake to the helper of its lane. False, with `handshake` untouched: the ring is
  // full.
  bool submit(HandshakePtr& handshake);
  // Handshakes that are on their way: they wait for a helper, are in work, or have just come back.
  size_t away() const { return away_; }
  // Delivers the handshakes that came back, and returns their number.
  size_t collect(FunctionRef<void(HandshakePtr)> deliver);

 private:
  friend class HandshakePool;
  std::vector<std::unique_ptr<HandshakeLine>> lines_;  // by helper
  std::vector<HandshakeBell*> bells_;                  // by helper
  size_t away_ = 0;
  size_t next_ = 0;  // the helper to which the next tie goes
};

class HandshakePool {
 public:
  struct Options {
    size_t helpers = 1;
    size_t workers = 1;
    bool threads = true;  // false: a test plays the helpers, with take() and give_back()
    // On each helper's own thread, first.
    std::function<void(size_t helper)> begin_thread = [](size_t) {};
    // After a handshake went back to the worker. For any thread.
    std::function<void(size_t worker)> wake = [](size_t) {};
  };
  explicit HandshakePool(Options options);
  // Handshakes that are on their way are dropped. After the workers' end.
  ~HandshakePool();
  HandshakePool(const HandshakePool&) = delete;

  HandshakeQueue& queue(size_t worker) { return *queues_[worker]; }

  // --- For the helper ---

  // The next handshake of the worker whose step this helper has to make; nullptr: there is none.
  HandshakePtr take(size_t helper, size_t worker);
  // The step is made.
  void give_back(size_t helper, size_t worker, HandshakePtr handshake);

 private:
  void run(size_t helper);

  const Options options_;
  std::vector<std::unique_ptr<HandshakeBell>> bells_;
  std::vector<std::unique_ptr<HandshakeQueue>> queues_;
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;  // the last member
};

}  // namespace sluice::tls
