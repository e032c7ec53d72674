#pragma once
// What everything in the relay of one worker shares.

#include <memory>
#include <span>
#include <vector>

#include "base/chrono.h"
#include "base/list.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "config/settings.h"
#include "http/codec.h"
#include "relay/address_table.h"
#include "relay/holders.h"
#include "relay/replay.h"
#include "stats/worker.h"
#include "tcp/stack.h"
#include "transport/layer.h"

namespace sluice::relay {

class ClientConnection;
class PodConnection;
class Call;

// A connection with something to frame; flushed once at the end of a worker's turn.
class Flushable : public ListHook<Flushable> {
 public:
  virtual void flush() = 0;

 protected:
  ~Flushable() = default;
};

// A call whose client is done and whose pod has not read the request to its end.
class Leftover : public ListHook<Leftover> {};

// A call with a pod of which much is kept for another try.
class Repeatable : public ListHook<Repeatable> {};

struct Context {
  Context(Time now, tcp::Stack& tcp, transport::Layer& plain, http::Codec& http2, TimerWheel& wheel,
          buf::Memory& memory, std::span<stats::Worker* const> workers, size_t self, uint64_t seed);
  ~Context();

  Time now;
  tcp::Stack& tcp;
  transport::Layer& plain;  // streams without a security protocol
  http::Codec& http2;
  TimerWheel& wheel;
  buf::Memory& memory;
  std::span<stats::Worker* const> workers;
  size_t self;
  stats::Worker& stats;
  Random random;
  config::Timeouts timeouts;
  config::Limits limits;
  config::Guards guards;

  AddressTable addresses;
  Holders holders;
  Slab<Call> calls;
  Slab<ClientConnection> clients;
  Slab<PodConnection> pod_connections;
  List<Flushable, Flushable> dirty;
  List<Call, Leftover> leftovers;
  List<Call, Repeatable> repeatables;
  List<Call, Call> over;  // calls that have ended in this turn
  uint64_t clients_ever = 0;
  uint64_t pod_connections_ever = 0;

  void touch(Flushable& f) {
    if (!f.linked()) dirty.push_back(f);
  }

  // The end of a turn: nothing refers to what is over.
  void destroy_calls_over();

  // Replays keep the capacity that they once needed, so a steady stream of requests allocates
  // nothing.
  std::unique_ptr<Replay> take_replay() {
    if (replays_.empty()) return std::make_unique<Replay>();
    auto r = std::move(replays_.back());
    replays_.pop_back();
    kept_heap_ -= r->parked;
    return r;
  }
  void give_replay(std::unique_ptr<Replay> r) {
    r->clear();
    r->parked = r->heap();
    if (kept_heap_ + r->parked > kKeptHeap || replays_.size() == kKeptReplays) return;
    kept_heap_ += r->parked;
    replays_.push_back(std::move(r));
  }
  size_t kept_heap() const { return kept_heap_; }

  // Objects kept, and bytes that they take: some 1.5 KB each, for calls as most are.
  static constexpr size_t kKeptReplays = 4'096;
  static constexpr size_t kKeptHeap = 8'388'608;

 private:
  std::vector<std::unique_ptr<Replay>> replays_;
  size_t kept_heap_ = 0;
};

}  // namespace sluice::relay
