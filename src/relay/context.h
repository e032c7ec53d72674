#pragma once
// What everything in the relay of one worker shares, beside that which the pools share as well.

#include <memory>
#include <span>
#include <vector>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "buf/memory.h"
#include "config/settings.h"
#include "relay/address_table.h"
#include "relay/holders.h"
#include "relay/replay.h"
#include "tcp/stack.h"
#include "upstream/context.h"

namespace sluice::relay {

class ClientConnection;
class Call;

// A call whose client is done and whose pod has not read the request to its end.
class Leftover : public ListHook<Leftover> {};

// A call with a pod of which much is kept for another try.
class Repeatable : public ListHook<Repeatable> {};

struct Context : upstream::Context {
  Context(Time now, tcp::Stack& tcp, transport::Layer& plain, http::Codec& http2, TimerWheel& wheel,
          buf::Memory& memory, std::span<stats::Worker* const> workers, size_t self, uint64_t seed);
  ~Context();

  tcp::Stack& tcp;
  buf::Memory& memory;
  config::Timeouts timeouts;

  AddressTable addresses;
  Holders holders;
  Slab<Call> calls;
  Slab<ClientConnection> clients;
  List<Call, Leftover> leftovers;
  List<Call, Repeatable> repeatables;
  List<Call, Call> over;  // calls that have ended in this turn
  uint64_t clients_ever = 0;

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
