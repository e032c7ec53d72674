#include "tls/handshake_pool.h"

#include <array>

namespace sluice::tls {

size_t HandshakeQueue::lane() {
  const size_t n = lines_.size();
  size_t best = next_ % n;
  for (size_t i = 0; i < n; ++i) {
    const size_t helper = (next_ + i) % n;
    if (lines_[helper]->away < lines_[best]->away) best = helper;
  }
  next_ = best + 1;
  return best;
}

bool HandshakeQueue::submit(HandshakePtr& handshake) {
  const size_t helper = handshake->lane();
  HandshakeLine& line = *lines_[helper];
  if (line.away == HandshakeLine::kCapacity || !line.there.stage(std::move(handshake)))
    return false;
  ++line.away;
  ++away_;
  line.there.publish();
  bells_[helper]->ring();
  return true;
}

size_t HandshakeQueue::collect(FunctionRef<void(HandshakePtr)> deliver) {
  if (away_ == 0) return 0;
  size_t all = 0;
  std::array<HandshakePtr, 32> batch;
  for (auto& line : lines_) {
    if (line->away == 0) continue;
    const size_t n = line->back.take(batch);
    line->away -= n;
    away_ -= n;
    all += n;
    for (size_t i = 0; i < n; ++i) deliver(std::move(batch[i]));
  }
  return all;
}

HandshakePool::HandshakePool(Options options) : options_(std::move(options)) {
  for (size_t i = 0; i < options_.helpers; ++i) bells_.push_back(std::make_unique<HandshakeBell>());
  for (size_t w = 0; w < options_.workers; ++w) {
    auto& queue = *queues_.emplace_back(std::make_unique<HandshakeQueue>());
    for (auto& bell : bells_) {
      queue.lines_.push_back(std::make_unique<HandshakeLine>());
      queue.bells_.push_back(bell.get());
    }
  }
  if (!options_.threads) return;
  for (size_t i = 0; i < options_.helpers; ++i) threads_.emplace_back([this, i] { run(i); });
}

HandshakePool::~HandshakePool() {
  ending_.store(true);
  for (auto& bell : bells_) bell->ring();
  for (std::thread& t : threads_) t.join();
}

HandshakePtr HandshakePool::take(size_t helper, size_t worker) {
  HandshakePtr handshake;
  queues_[worker]->lines_[helper]->there.take({&handshake, 1});
  return handshake;
}

void HandshakePool::give_back(size_t helper, size_t worker, HandshakePtr handshake) {
  HandshakeLine& line = *queues_[worker]->lines_[helper];
  line.back.stage(std::move(handshake));
  line.back.publish();
  options_.wake(worker);
}

// One handshake of each worker in turn, so that a worker with many does not delay the others'.
void HandshakePool::run(size_t helper) {
  options_.begin_thread(helper);
  HandshakeBell& bell = *bells_[helper];
  while (!ending_.load(std::memory_order_relaxed)) {
    const int heard = bell.rings.load(std::memory_order_acquire);
    bool worked = false;
    for (size_t w = 0; w < queues_.size(); ++w) {
      HandshakePtr handshake = take(helper, w);
      if (handshake == nullptr) continue;
      worked = true;
      handshake->step();
      give_back(helper, w, std::move(handshake));
    }
    if (!worked && !ending_.load()) bell.rings.wait(heard, std::memory_order_acquire);
  }
}

}  // namespace sluice::tls
