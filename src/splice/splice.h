#pragma once
// A client's connection and a pod's connection, joined: the bytes, the end and the reset of each
// side go on to the other.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "splice/backend.h"
#include "splice/context.h"
#include "splice/end.h"
#include "splice/side.h"
#include "tls/hello_reader.h"

namespace sluice::splice {

class Listener;
class Service;

class Splice final : public ListHook<>, public ListHook<Touched>, public ListHook<Held> {
 public:
  // Owned by the context's slab; destroys itself when both streams have gone.
  Splice(Context& context, Listener& listener, transport::StreamPtr client);
  ~Splice();

  // Waits for a ClientHello, which goes to the pod like the bytes behind it, and chooses by its
  // server name.
  void read_hello();
  // Chooses the service by the server name, which may be empty, then a pod, and begins to connect.
  void choose(std::string_view server_name);
  // The end of a turn.
  void flush();
  // Ends both connections with RST. Bytes that wait are dropped.
  void end(End why);
  // relay_idle_timeout has changed.
  void arm_idle();
  // Packet buffers that are kept for both sides.
  uint32_t buffers() const { return client_.buffers() + pod_.buffers(); }
  const Endpoint& peer() const { return peer_; }

  // From the sides.
  void on_established(Side& side);
  void on_data(Side& side, buf::Slice data);
  void on_end_of_data(Side& side, transport::End how);
  void on_closed(Side& side, transport::CloseReason reason);
  void touch() {
    if (!static_cast<ListHook<Touched>&>(*this).linked()) context_.touched.push_back(*this);
  }
  bool busy() const;

 private:
  // Connects to pods, the first included: those of Limits::transparent_retries, and no more.
  static constexpr size_t kMostTries = 8;
  // Bytes up to this size are copied: a copy costs less than pinning a packet.
  static constexpr uint32_t kCopyBreak = 256;
  // After the reset of one side: how long the other may take to acknowledge the bytes before it.
  static constexpr Duration kLastBytes = 1s;
  // A client that gets an alert may take so long for it.
  static constexpr Duration kLastWords = 1s;
  // A connection that moved bytes within this time is not evicted for a new one, while there are
  // others.
  static constexpr Duration kBusy = 10s;

  enum class State : uint8_t {
    kNew,         // no service is chosen: a ClientHello or a handshake of TLS has to come
    kConnecting,  // to a pod
    kOpen,        // bytes move
    kResetting,   // one side has gone by a reset; the other gets the bytes before it
    kRefused,     // the client gets an alert
    kEnded,       // both streams end
  };

  Side& other(Side& side) { return &side == &client_ ? pod_ : client_; }
  bool is_client(const Side& side) const { return &side == &client_; }
  void on_hello();
  void refuse(uint8_t alert, End why);
  bool try_next_pod();
  void on_connect_failed(const char* why);
  void leave_backend();
  bool say_who_it_is();
  bool keep(buf::Queue& queue, buf::Slice data);
  void move(Side& from, Side& to);
  void count(const Side& from, uint32_t bytes);
  void reset_behind_data(Side& gone, End why);
  void finish_reset();
  void note_end(End why) {
    if (end_ == End::kNot) end_ = why;
  }
  void on_step_timer();
  void on_idle_timer();
  void note_access();

  Context& context_;
  Listener& listener_;
  Service* service_ = nullptr;  // while backend_ is set, or is being chosen
  uint32_t service_slot_ = stats::Access::kNoPod;
  Backend* backend_ = nullptr;  // while a connection to it exists
  State state_ = State::kNew;
  End end_ = End::kNot;
  uint8_t tries_ = 0;
  std::array<uint32_t, kMostTries> tried_{};  // slots of pods
  uint32_t pod_slot_;                         // of the last try, for the access log
  const Time began_;
  Time connected_at_{};
  Time moved_at_;              // bytes moved
  Side* left_ = nullptr;       // kResetting: the side that gets the bytes before the reset
  Time reset_at_{};            // kResetting: the end of patience
  uint64_t acknowledged_ = 0;  // of both sides, at the last look
  Timer step_timer_;           // connect timeout; looks of kResetting
  Timer idle_timer_;
  const Endpoint peer_;
  std::unique_ptr<tls::HelloReader> hello_;  // until the ClientHello is whole
  std::string server_name_;
  const char* tls_ = "";  // the version; empty: TLS does not end here
  Side client_;
  Side pod_;
};

}  // namespace sluice::splice
