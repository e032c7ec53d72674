#pragma once
// The state that all of one worker's relay shares, added to the state that the pools share.

#include <memory>
#include <span>
#include <vector>

#include "base/chrono.h"
#include "base/list.h"
#include "base/slab.h"
#include "buf/memory.h"
#include "config/access_log.h"
#include "config/settings.h"
#include "relay/address_table.h"
#include "relay/holders.h"
#include "relay/process.h"
#include "relay/replay.h"
#include "tcp/stack.h"
#include "tls/context.h"
#include "upstream/context.h"

namespace sluice::relay {

class ClientConnection;
struct ClientLeaving;
class Call;
class Handshake;

// A call on a pod, of which much is kept for another attempt.
class Repeatable : public ListHook<Repeatable> {};

struct Context : upstream::Context {
  Context(Time now, tcp::Stack& tcp, transport::Layer& plain, http::Codec& http1,
          http::Codec& http2, TimerWheel& wheel, buf::Memory& memory,
          std::span<stats::Worker* const> workers, size_t self, uint64_t seed,
          Process* process = nullptr, const tls::TicketKeys* ticket_keys = nullptr,
          tls::HandshakeQueue* handshakes = nullptr);
  ~Context();

  tcp::Stack& tcp;
  buf::Memory& memory;
  std::unique_ptr<Process> own_process;  // of a worker alone
  Process& process;
  tls::Context tls;
  config::Timeouts timeouts;
  config::AccessLog access_log;
  bool draining = false;  // from the first moment of a drain on

  AddressTable addresses;
  Holders holders;
  Slab<Call> calls;
  Slab<ClientConnection> clients;
  Slab<ClientLeaving> leaving;
  Slab<Handshake> handshakes;
  List<Call, Call> leftovers;  // over for their clients, while their pods read the requests
  List<Call, Repeatable> repeatables;
  List<Call, Call> over;  // calls that ended in this turn
  uint64_t clients_ever = 0;

  // Whether the access log takes this call, though it did not fail.
  bool take_access_sample() {
    if (access_log.one_in == 0 || ++since_sample_ < access_log.one_in) return false;
    since_sample_ = 0;
    return true;
  }

  // At the end of a turn, when nothing refers to the calls that ended.
  void destroy_calls_over();

  // Recycled replays keep the capacity that they once needed, so a steady stream of requests
  // allocates nothing.
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

  // Bounds of the recycled objects and of their bytes: some 1.5 KB each, for most calls.
  static constexpr size_t kKeptReplays = 4'096;
  static constexpr size_t kKeptHeap = 8'388'608;

 private:
  std::vector<std::unique_ptr<Replay>> replays_;
  size_t kept_heap_ = 0;
  uint32_t since_sample_ = 0;  // calls since the last one that the access log took
};

}  // namespace sluice::relay
