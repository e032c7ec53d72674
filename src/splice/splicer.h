#pragma once
// The listeners of one worker whose connections are relayed as bytes. This is the interface to the
// rest of the worker.

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/chrono.h"
#include "config/snapshot.h"
#include "splice/context.h"
#include "splice/listener.h"
#include "splice/service.h"

namespace sluice::splice {

class Splicer {
 public:
  // Everything referred to outlives the splicer. TCP must not call back after the splicer's end.
  struct Setup {
    tcp::Stack& tcp;
    transport::Layer& plain;  // over `tcp`
    tls::Context& tls;
    TimerWheel& wheel;
    buf::Memory& memory;
    std::span<stats::Worker* const> workers;
    size_t self;
    uint64_t seed;
    Time now;
  };
  explicit Splicer(const Setup& setup);
  ~Splicer();

  // The top of each turn.
  void set_now(Time now) { context_.now = now; }
  // False: there is no such listener, and no connection of one. Then nothing else need be called
  // before the next adopt().
  bool active() const { return active_; }
  // Takes listeners, services, pods and limits from the snapshot. Does not keep the snapshot.
  void adopt(const config::Snapshot& snapshot);
  // As well, when the splicer has adopted snapshot.difference->from.
  void adopt_difference(const config::Snapshot& snapshot);
  // Once more after adopt(), when others have closed their listeners: one of theirs may have had
  // the address of one of these.
  void open_listeners();
  // The end of a turn, before the TCP stack's flush.
  void flush();

  // Addresses of the listeners, and of removed ones for as long as these have connections.
  std::vector<Address> vips() const;
  // Whether vips() changed since the last call, other than by adopt().
  bool vips_changed() { return vips_changed_ && std::exchange(vips_changed_, false); }

  // Begins the drain. For `announce`, new connections are still accepted. Connections that are left
  // `timeout` after that are reset.
  void begin_drain(Duration announce, Duration timeout);
  // No connection is left.
  bool drained();

 private:
  // Splices that one look at memory compares, and the time between two looks.
  static constexpr unsigned kLookedAt = 256;
  static constexpr Duration kRelieveEvery = 1ms;
  // A splice that keeps fewer packet buffers is not worth its reset.
  static constexpr uint32_t kWorthwhile = 16;

  void on_drain_timer();
  void relieve_memory();
  bool in_use(Listener& listener) const;
  bool forget_listeners();
  void forget_services();
  void update_active();

  Context context_;
  std::vector<std::unique_ptr<Service>> services_;
  struct Indexed {
    Service* service = nullptr;  // nullptr: no connection is relayed to it
    bool alone = false;          // only relayed connections use its pods
  };
  std::vector<Indexed> by_index_;  // as in the snapshot
  std::vector<std::unique_ptr<Service>> retired_services_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Listener>> retired_listeners_;
  bool active_ = false;
  bool vips_changed_ = false;
  Time relieve_at_{};
  enum class Drain : uint8_t { kNo, kAnnounced, kWaiting, kEnding };
  Drain drain_ = Drain::kNo;
  Duration drain_timeout_{};
  Timer drain_timer_;
};

}  // namespace sluice::splice
