#include "wire.h"

#include <array>
#include <cstring>
#include <thread>
#include <utility>

#include "base/byte_order.h"
#include "ip/ethernet.h"

namespace sluice::wire {

namespace {
constexpr uint16_t kBurst = 64;
// A wire with nothing to do leaves the core to others: it shares one with clients and pods.
constexpr std::chrono::microseconds kNap{50};

bool is_ip(buf::View frame) {
  if (frame.size() < ip::kEthernetSize) return false;
  const uint16_t type = load_be16(frame.data() + 12);
  return type == ip::kEtherIpv4 || type == ip::kEtherIpv6;
}
}  // namespace

Wire::Wire(nic::PortQueue& first, nic::PortQueue& second, buf::Pool hold, const Spec& spec,
           const worker::TscClock& clock)
    : pool_(hold), clock_(clock) {
  lanes_.push_back({first, second, Direction(spec.up, spec.seed), {}});
  lanes_.push_back({second, first, Direction(spec.down, spec.seed + 1), {}});
}

void Wire::run() {
  while (!stop_.load(std::memory_order_relaxed)) {
    const Time now = clock_.at(clock_.cycles());
    bool worked = false;
    for (Lane& lane : lanes_) worked |= turn(lane, now);
    for (Lane& lane : lanes_) lane.to.flush();
    if (!worked) std::this_thread::sleep_for(kNap);
  }
}

bool Wire::turn(Lane& lane, Time now) {
  std::array<ip::InFrame, kBurst> burst;
  const uint16_t n = lane.from.receive(burst.data(), kBurst);
  for (uint16_t i = 0; i < n; ++i) {
    hold(lane, burst[i].bytes.pop_front(), now);
  }
  bool sent = false;
  while (!lane.held.empty() && lane.held.top().due <= now) {
    // The queue hands out only a const reference, and the order does not depend on the frame.
    buf::Slice frame = std::move(const_cast<Held&>(lane.held.top()).frame);
    lane.held.pop();
    lane.to.transmit(std::move(frame));
    sent = true;
  }
  return n > 0 || sent;
}

void Wire::hold(Lane& lane, const buf::Slice& frame, Time now) {
  const Direction::Fate fate = lane.direction.decide(frame.size(), is_ip(frame.view()), now);
  for (unsigned i = 0; i < fate.copies; ++i) {
    buf::Slice copy = pool_.alloc();
    if (!copy || copy.tailroom() < frame.size()) {
      ++no_memory_;
      return;
    }
    std::memcpy(copy.mutable_data(), frame.data(), frame.size());
    copy.grow_back(frame.size());
    if (fate.flip) copy.mutable_data()[*fate.flip / 8] ^= static_cast<uint8_t>(1 << *fate.flip % 8);
    lane.held.push({fate.leaves[i], order_++, std::move(copy)});
  }
}

}  // namespace sluice::wire
