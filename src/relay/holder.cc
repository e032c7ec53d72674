#include "relay/holder.h"

#include "relay/holders.h"

namespace sluice::relay {

void Holder::tell() {
  const uint64_t change = heap_ - told_;  // modulo 2^64
  if (change == 0) return;
  told_ = heap_;
  address_.heap += change;
  holders_.charge_heap(change);
  weigh();
}

void Holder::charge(int32_t buffers, int64_t heap) {
  buffers_ += static_cast<uint32_t>(buffers);
  if (buffers < 0) taken_ += static_cast<uint32_t>(-buffers);
  charge_heap(heap);
  if (buffers != 0) weigh();
}

void Holder::charge_lasting(int64_t heap) {
  lasting_ += static_cast<uint64_t>(heap);
  holders_.charge_lasting(static_cast<uint64_t>(heap));
}

// An address gets no more of the process's heap than is left for the others. So a single address
// gets half, two get a third each. However much they ask for, a new address finds room.
bool Holder::overdrawn() const {
  return heap_ + lasting_ > holders_.client_bound() || address_.heap > holders_.heap_left();
}

void Holder::look(uint64_t taken, uint64_t end, uint32_t buffers, uint32_t ahead) {
  if (ahead == 0 && taken >= output_mark_ && taken_ >= taken_mark_) {
    output_mark_ = end;
    taken_mark_ = taken_ + buffers_;
    moved();
  }
  const uint32_t n = buffers + ahead;
  if (n != in_tcp_) {
    in_tcp_ = n;
    weigh();
  }
}

void Holder::moved() {
  const uint64_t now = holders_.ticks();
  if (weight_ == 0 || now - since_ < Holders::kGrain) return;
  address_.moment += weight_ * (now - since_);
  address_.second_moment += weight_ * (now * now - since_ * since_);
  since_ = now;
  unlink();
  address_.holders.push_back(*this);
  holders_.to_back(address_);
}

void Holder::set_weight(uint32_t weight) {
  if (weight_ == 0) {
    since_ = holders_.ticks();
    address_.holders.push_back(*this);
  } else if (weight == 0) {
    unlink();
  }
  const uint64_t more = uint64_t{weight} - weight_;  // modulo 2^64, as the sums
  address_.moment += more * since_;
  address_.second_moment += more * since_ * since_;
  address_.weight += weight - weight_;
  weight_ = weight;
  holders_.rank(address_);
}

uint64_t Holder::score() const {
  const uint64_t age = holders_.ticks() - since_ + Holders::kLeastAge;
  return weight_ * age * age;
}

bool Holder::stale() const {
  return holders_.ticks() - since_ > Holders::kStale;
}

bool Holder::leave_call() {
  const uint32_t most = holders_.leftover_bound();
  if (leftovers_ >= most || address_.leftovers >= most * Holders::kLeftoverConnections)
    return false;
  ++leftovers_;
  ++address_.leftovers;
  return true;
}

void Holder::end_left_call() {
  --leftovers_;
  --address_.leftovers;
}

void Holder::forget_client() {
  client_ = nullptr;
  weigh();
}

void Holder::leave() {
  if (--users_ == 0) holders_.destroy(*this, address_);
}

}  // namespace sluice::relay
