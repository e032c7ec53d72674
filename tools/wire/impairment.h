#pragma once
// What a bad link does to frames: a model of one direction that says of each frame when it leaves,
// how often, and whether it arrives whole. Sans-IO and seeded, so that a run can be repeated.

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "base/chrono.h"
#include "base/random.h"

namespace sluice::wire {

// One direction. Probabilities are shares of one.
struct Impairment {
  double loss = 0;
  // Gilbert (1960) and Elliott (1963): each frame begins a bad spell with burst_begin and ends one
  // with burst_end; in a bad spell every frame is lost.
  double burst_begin = 0;
  double burst_end = 0.3;
  Duration delay{};
  Duration jitter{};  // added, uniform in [0, jitter]; frames keep their order
  double reorder = 0;
  Duration reorder_by = 3ms;  // how much later a reordered frame leaves; others overtake it
  double duplicate = 0;
  double corrupt = 0;    // one bit of the IP packet is flipped
  uint64_t rate = 0;     // bits a second; 0: unlimited
  uint32_t queue = 256;  // frames that wait for the rate; more are dropped
};

struct Spec {
  Impairment up;    // from the first port to the second
  Impairment down;  // from the second to the first
  uint64_t seed = 1;
};

class SpecError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// "loss=1%,burst=0.1%/30%,delay=10ms,jitter=1ms,reorder=5%,reorder_by=3ms,duplicate=1%,
// corrupt=0.1%,rate=100mbit,queue=256,seed=7": both directions alike, unless a key begins with
// "up." or "down.". Throws SpecError with what is wrong.
Spec parse_spec(std::string_view text);

class Direction {
 public:
  Direction(const Impairment& model, uint64_t seed) : model_(model), random_(seed) {}

  struct Fate {
    std::array<Time, 2> leaves;
    unsigned copies = 0;                // 0: lost
    std::optional<uint32_t> flip = {};  // the bit, counted from the frame's first byte
  };
  // What becomes of a frame of `size` bytes that came at `now`; times do not go backwards.
  // Corruption spares the Ethernet header and ARP (`ip` is false): a switch would drop the frame,
  // and a neighbour cache would keep the lie.
  Fate decide(uint32_t size, bool ip, Time now);

  struct Counters {
    uint64_t frames = 0, lost = 0, queue_full = 0, reordered = 0, duplicated = 0, corrupted = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  Time after_queue(uint32_t size, Time now);

  Impairment model_;
  Random random_;
  Counters counters_;
  bool bad_ = false;
  Time line_free_{};  // when the line has sent all that waits for it
  Time last_{};       // when the last frame in order leaves
};

}  // namespace sluice::wire
