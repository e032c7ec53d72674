#pragma once
// The clients: connections that keep streams in flight (closed loop), begin calls by a schedule
// (open loop, latency counted from when a call was due), or make one call each and close.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "body.h"
#include "buf/memory.h"
#include "complaints.h"
#include "expected_block.h"
#include "frame_reader.h"
#include "http2/hpack/decoder.h"
#include "latencies.h"
#include "request_blocks.h"
#include "tcp/stack.h"

namespace sluice::load {

struct Plan {
  unsigned connections = 10;
  unsigned streams = 32;       // in flight on a connection
  unsigned in_flight = 0;      // in all, each next call on the next connection; 0: no such limit
  bool one_call_each = false;  // connect, one call, close: `connections` of them at a time
  uint32_t request_bytes = 100;
  uint32_t answer_bytes = 100;
};

struct Tally {
  uint64_t calls = 0;  // answered as expected
  uint64_t errors = 0;
  uint64_t decoded = 0;      // answers whose blocks were decoded to the last field
  uint64_t connections = 0;  // that ended in order after their call
  uint64_t body_bytes = 0;   // of DATA, compared with what they must be
  Latencies latencies;
};

class Clients {
 public:
  static constexpr unsigned kAddresses = 256;
  static constexpr uint32_t kSampled = 1000;  // one answer in so many is decoded in full

  // Everything referred to outlives it. now_cycles and time_of: the clock of latencies.
  Clients(const Plan& plan, const Recording& recording, tcp::Stack& tcp, buf::Memory& memory,
          std::vector<Address> addresses, const Endpoint& target);
  ~Clients();

  // 0: closed loop. Else calls a second, evenly spaced from now on.
  void pace(double calls_per_s, Time now);
  // Once a turn; `now` also dates the answers of the next input.
  void turn(Time now);
  void set_now(Time now) { now_ = now; }
  Tally& tally() { return tally_; }
  // Calls are answered, on connections that are all there if they are to last. Until its pods are
  // there Sluice lets calls wait, which is no error.
  bool ready() const {
    return tally_.calls > 0 && (plan_.one_call_each || established_ == plan_.connections);
  }

 private:
  class Connection;
  // Answers begin the next calls. What found no room then is looked for, over all connections.
  static constexpr Duration kRefillEvery = 100us;

  // A wire's ring must hold the SYNs of a turn.
  static constexpr size_t kOpenedATurn = 128;

  void open(Connection& c);
  void begin_due();
  void begin_limited();

  const Plan plan_;
  const Recording& recording_;
  tcp::Stack& tcp_;
  buf::Memory& memory_;
  const std::vector<Address> addresses_;
  const Endpoint target_;
  const Body request_{plan_.request_bytes};
  const Body answer_{plan_.answer_bytes};
  stats::Http2 hpack_stats_;
  http2::hpack::Shared hpack_{hpack_stats_, SipKey{3, 4}};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> to_open_;
  Tally tally_;
  Time now_{};
  Duration interval_{};  // zero: closed loop
  Time next_due_{};
  Time refill_at_{};
  size_t next_connection_ = 0;
  size_t next_address_ = 0;
  unsigned in_flight_ = 0;
  unsigned established_ = 0;
  uint32_t sample_ = 0;
  http::FieldList fields_;
  Complaints complaints_;
};

}  // namespace sluice::load
