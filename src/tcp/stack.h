#pragma once
// TCP in user space (RFC 9293) for one worker: connections, listeners, demultiplexing. Sans-IO:
// segments and `now` come in, segments go out through ip::Output, deadlines sit on the worker's
// timer wheel. Nothing here is shared between workers.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/chrono.h"
#include "base/hash.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "buf/slice.h"
#include "flow/table.h"
#include "ip/output.h"
#include "tcp/config.h"
#include "tcp/connection.h"
#include "tcp/context.h"
#include "tcp/counters.h"
#include "tcp/half_open.h"
#include "tcp/received.h"
#include "tcp/siblings.h"
#include "tcp/syn_cookie.h"
#include "tcp/user.h"

namespace sluice::tcp {

class Stack {
 public:
  // Everything referred to outlives the stack. `secret` is random, from the operating system. It
  // keys sequence numbers, cookies, the connection table and the choice of ports. process: the
  // limits of all workers' stacks together; nullptr: there is only this stack.
  Stack(const Config& config, ip::Output& output, TimerWheel& wheel, buf::Memory& memory,
        Counters& counters, const SipKey& secret, Process* process = nullptr);
  // Connections that are left vanish, and neither peers nor owners are told; abort() or close()
  // them before.
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // Changes timeouts and buffers from now on; tables keep their size of the start. The largest
  // receive buffer grows only as far as the window scale of the start can express, since handshakes
  // under way have advertised that scale.
  void reconfigure(const Config& config);

  // An unspecified address listens on all addresses, at its port. False when the endpoint is taken.
  bool listen(const Endpoint& local, Acceptor* acceptor);
  // Established connections go on; handshakes under way are refused.
  void unlisten(const Endpoint& local);

  // Active open. An unspecified local address stands for that of the route, port 0 for one of the
  // ephemeral range. on_established or on_closed follows. nullptr when there is no route or no free
  // port, or max_connections is reached. In the last case a client's connection is closed, and the
  // next try may succeed.
  Connection* connect(const Endpoint& local, const Endpoint& remote, User* user, Time now);

  // Segments in the order of their arrival; their slices are taken. A burst is cheaper than single
  // segments, since all its memory is fetched together.
  void input(std::span<Received> burst, Time now);

  // ICMP said that a segment of ours at `seq` was too long; the path takes max_segment bytes of TCP
  // header and payload (RFC 1191, 8201). The message is believed only when seq is in flight (RFC
  // 5927, 7).
  void packet_too_big(const Endpoint& local, const Endpoint& remote, uint32_t seq,
                      uint32_t max_segment, Time now);
  // ICMP said that the destination of a segment at `seq` cannot be reached. Ends only a connection
  // that is being opened: an established connection waits for its own timeouts (RFC 5927, 5.2).
  void unreachable(const Endpoint& local, const Endpoint& remote, uint32_t seq, Time now);

  // The end of a worker's turn: sends ACKs and data of every connection that was touched, and
  // delivers on_closed.
  void flush(Time now);

  // The stacks of the other workers; they outlive this one. nullptr: there are none.
  void set_siblings(Siblings* siblings) { siblings_ = siblings; }
  bool listens(const Endpoint& local) const { return acceptor_of(local) != nullptr; }

  // From now on `trace` is told of every change of state. It outlives the stack. nullptr: no trace.
  void set_trace(StateTrace* trace) { context_.trace = trace; }

  size_t connections() const { return connections_.live(); }       // established and opening ones
  size_t clients() const { return context_.peers.connections(); }  // accepted ones
  size_t half_open() const { return half_open_.live(); }
  size_t time_wait() const { return context_.time_waits.size(); }

  // fn(Connection&) for every connection; fn may abort() or close() them.
  template <class Fn>
  void for_each(Fn&& fn) {
    for (Connection* c : snapshot())
      if (!c->ended()) fn(*c);
  }

 private:
  struct Listener {
    Endpoint local;
    Acceptor* acceptor;
  };

  // The number of segments that are fetched ahead: as many as a driver delivers at once, and few
  // enough that their connections stay in the first cache levels.
  static constexpr size_t kAhead = 32;
  struct Staged {
    Header header;
    uint32_t header_size;
    flow::Lookup lookup;
  };

  void input_ahead(std::span<Received> burst);
  void input_one(const Staged& s, Received& r);
  void reopen_windows();
  std::vector<Connection*> snapshot();
  Acceptor* acceptor_of(const Endpoint& local) const;
  uint16_t choose_port(const Address& local, const Endpoint& remote);
  bool free(const Endpoint& local, const Endpoint& remote) const;
  // `last`: the last number that an earlier connection with this four-tuple used, if known.
  void input_listen(const Endpoint& local, const Endpoint& remote, const Header& h, Received& r,
                    std::optional<uint32_t> last = {});
  bool input_cookie(const Endpoint& local, const Endpoint& remote, const Header& h,
                    Acceptor& acceptor);
  uint16_t offered_window() const;
  void input_half_open(HalfOpen& half, const Header& h, Received& r);
  // False: the record is gone and the SYN opens a new connection.
  bool input_time_wait(TimeWait& t, const Header& h, uint32_t size);
  void send_syn_ack(const Endpoint& local, const Endpoint& remote, const Handshake& handshake);
  void send_half_open_ack(HalfOpen& half);
  void evict_client();
  Connection* establish(const Endpoint& local, const Endpoint& remote, const Handshake& handshake,
                        Acceptor& acceptor);
  void on_half_open_timer(HalfOpen& half);
  void forget(HalfOpen& half);

  Context context_;
  Slab<Connection> connections_;
  Slab<HalfOpen> half_open_;
  SynCookies cookies_;
  Time last_cookie_{};
  std::vector<Listener> listeners_;
  Siblings* siblings_ = nullptr;
  uint32_t port_counter_ = 0;
  Timer retry_timer_;
  std::array<Staged, kAhead> staged_;  // of one burst
};

}  // namespace sluice::tcp
