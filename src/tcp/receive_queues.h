#pragma once
// The data that arrived ahead of gaps, for all connections of a worker: the records, and the order
// in which connections lose such data when memory is short. A connection without gaps costs
// nothing.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <boost/intrusive/set.hpp>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/slice.h"
#include "tcp/config.h"
#include "tcp/counters.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

class ReceiveQueue;  // tcp/receive_queue.h
class ReceiveQueues;

// A buffer of the hold pool into which small pieces of one connection are copied, one behind the
// other. The buffer is freed with the last of them.
struct Packed {
  buf::Slice bytes;     // all bytes that were copied into it
  uint32_t pieces = 0;  // pieces that refer to it
};

struct Piece {
  Piece(buf::Slice s, Packed* p) : slice(std::move(s)), packed(p) {}
  buf::Slice slice;
  Packed* packed;  // nullptr: the piece has a buffer of its own
  Piece* next = nullptr;
};

// A run of bytes without a hole. Islands never touch each other.
struct ByNews;
struct Island : boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>>,
                ListHook<ByNews> {
  Seq begin = 0;
  Seq end = 0;
  Time since{};  // when the oldest of its bytes came
  Piece* first = nullptr;
  Piece* last = nullptr;
};

struct IslandBegin {
  using type = Seq;
  const Seq& operator()(const Island& i) const { return i.begin; }
};

// The islands of one connection. Exists only while there is at least one.
struct Held : ListHook<> {
  Held(ReceiveQueues& a, ReceiveQueue& q, Timer::Fire fire)
      : all(a), queue(q), age_timer(fire, this) {}

  ReceiveQueues& all;
  ReceiveQueue& queue;
  boost::intrusive::set<Island, boost::intrusive::key_of_value<IslandBegin>> islands;
  List<Island, ByNews> news;  // most recently changed first
  Packed* packing = nullptr;  // the buffer with room for more pieces
  // Packet buffers: those of pieces that have one alone, and packed ones.
  uint32_t buffers = 0;
  uint32_t pieces = 0;
  uint8_t size_class = 0;
  Timer age_timer;

  // Records lie on the heap, and are charged for it: this many of them count as one buffer.
  static constexpr uint32_t kRecordsABuffer = 32;
  uint32_t cost() const {
    return buffers + (pieces + static_cast<uint32_t>(islands.size())) / kRecordsABuffer;
  }
};

class ReceiveQueues {
 public:
  // Everything referred to outlives the object.
  ReceiveQueues(const Config& config, buf::Memory& memory, TimerWheel& wheel, Counters& counters)
      : config_(config), memory_(memory), wheel_(wheel), counters_(counters) {}
  ReceiveQueues(const ReceiveQueues&) = delete;

  // While memory is short, data that arrived ahead of a gap is dropped before anything else, from
  // the connection with the most of it first. RFC 2018, 8 permits it: the sender keeps the data
  // until it is acknowledged.
  void relieve() {
    if (held_.live() != 0 && !memory_.roomy()) shed_all();
  }
  size_t holders() const { return held_.live(); }  // connections that have such data

 private:
  friend class ReceiveQueue;

  // Records of all connections: some 20 MB, enough for a thousand connections with a hundred gaps
  // each.
  static constexpr size_t kMaxIslands = 131'072;
  static constexpr size_t kMaxPieces = 262'144;

  bool make_room();
  void shed_all();
  void shed_worst();
  Held* open(ReceiveQueue& queue, Time now);
  void close(Held& held);
  void measure(Held& held);

  const Config& config_;
  buf::Memory& memory_;
  TimerWheel& wheel_;
  Counters& counters_;
  Slab<Held> held_;
  Slab<Island> islands_;
  Slab<Piece> pieces_;
  Slab<Packed> packed_;
  // By cost, in powers of two, so that the largest is found at once.
  std::array<List<Held>, 16> classes_;
};

}  // namespace sluice::tcp
