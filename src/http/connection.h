#pragma once
// A connection that speaks some version of HTTP, in either role: the interface of a codec.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/chrono.h"
#include "base/function_ref.h"
#include "buf/account.h"
#include "buf/slice.h"
#include "http/end_reason.h"
#include "http/fields.h"
#include "http/stream.h"

namespace sluice::http {

// Sans-IO: received bytes go in as slices; the codec appends its own bytes to the output of a
// transport::Stream. Streams and their numbers belong to the connection. Functions of one role say
// so.
class Connection {
 public:
  // Ends the connection and frees its streams, without a call to the handler.
  struct Release {
    void operator()(Connection* c) const { c->release(); }
  };

  // A client queues its preface. A server waits for the client's first bytes.
  virtual void start() = 0;

  // Takes all of `data`. False when the connection has failed, now or before. Its last frames are
  // then in the output: the owner sends them, closes, and detaches from the streams.
  virtual bool receive(buf::Slice data, Time now) = 0;

  // The connection opens the receive window of its transport::Stream by itself, as its bodies are
  // taken: the owner does not call consumed() for the bytes of receive(). For protocols without
  // windows of their own.
  bool credits() const { return credits_; }

  // The peer sends no more. True: its streams go on, since the protocol allows that. False: they
  // are over, and the owner detaches from them.
  virtual bool end_of_input() { return false; }

  // The connection has come to its end in order, without a fault: the owner closes or aborts the
  // stream below, behind the output. No streams are left.
  enum class Ending : uint8_t {
    kNo,
    kClose,
    kAbort,  // an orderly end of the stream below would make something cut look whole
  };
  Ending ending() const { return ending_; }

  // Moves waiting frames into the output, up to about `room` bytes. Before this call the owner must
  // not send the output appended since the last one: its end may still change.
  virtual void flush(uint32_t room) = 0;

  // --- Streams ---

  // Client role: whether open() would give a stream.
  virtual bool can_open() const = 0;
  // Client role: a new stream; nullptr when none may be opened now. Its head may wait for room.
  // payer: the client that the stream is for, where many share the connection's flow-control
  // window; 0: nobody.
  virtual Stream* open(const FieldList& request, bool end_stream, void* owner, uint64_t payer) = 0;
  // Client role: whether the connection's flow-control window has room for a body of this payer.
  enum class WindowFor : uint8_t { kEnough, kNotThisPayer, kNobody };
  virtual WindowFor window_for(uint64_t payer) const = 0;
  // Client role: the bytes of body that the peer takes now on the connection.
  virtual int64_t send_window() const = 0;
  // Client role: a stream of open() that cannot be sent, since the peer takes fewer streams than
  // before. Nothing of it was sent. nullptr when there is none.
  virtual Stream* stuck_stream() = 0;

  // Sends a response, an informational response, or trailers, behind the body that is queued.
  virtual void send_headers(Stream& s, const FieldList& fields, bool end_stream) = 0;
  // Server role: the stream's request asked for a tunnel, and an ordinary answer follows, perhaps
  // one of success. False: in this protocol any 2xx opens the tunnel (RFC 8441, 5).
  virtual bool decline_tunnel(Stream&) { return false; }
  // Sends a piece of the body. Without memory to keep `data`, the stream is reset and
  // on_reset(EndedBy::kMemory) follows.
  virtual void send_data(Stream& s, buf::Slice data, bool end_stream) = 0;
  // The owner took n bytes of the stream's body: the peer may send n more.
  virtual void consumed(Stream& s, uint32_t n) = 0;
  // Drops the stream's queued output, resets the stream at the peer if the peer knows it, and frees
  // the stream.
  virtual void reset(Stream& s, EndReason reason) = 0;
  // The owner is done with the stream. Queued output still leaves. Then the stream is reset if the
  // peer has not ended its side (RFC 9113, 8.1). No callback follows; the stream may be gone on
  // return.
  virtual void reset_after_output(Stream& s, EndReason reason) = 0;
  // Client role: the peer's GOAWAY excludes the stream. Frees the stream without a frame to the
  // peer.
  virtual void forget(Stream& s) = 0;
  // Client role: the number of resets that Handler::may_reset() delayed. Their streams still count
  // in the peer's limit of streams.
  virtual uint32_t resets_waiting() const = 0;
  // Client role: sends delayed resets as far as may_reset() allows.
  virtual void release_resets() = 0;
  // Client role: no byte of the stream's answer has arrived. The stream came on a connection that
  // was kept from an earlier one, or was idle before its first one (was_idle), so that the peer may
  // have closed the connection before it saw the request (RFC 9112, 9.3.1), or the peer sent bytes
  // before it had the request.
  virtual bool stale(const Stream&, bool /*was_idle*/) const { return false; }

  // fn(Stream&) for all streams that have an owner. fn may end its own stream, and no other. Not
  // for the hot path: it allocates.
  virtual void for_each_stream(FunctionRef<void(Stream&)> fn) = 0;
  // Streams that are not closed, including those whose owner has gone.
  uint32_t open_streams() const { return open_; }
  // Streams that the client has begun, including the numbers that it skipped.
  virtual uint32_t streams_begun() const = 0;

  // --- The peer ---

  // Client role: the number of streams that the peer takes at once.
  virtual uint32_t peer_max_concurrent_streams() const = 0;
  // The size of a field section that the peer takes, as FieldList::size() counts bytes; UINT32_MAX:
  // the peer announced no limit.
  virtual uint32_t peer_max_header_list_size() const = 0;
  // Client role: the peer takes extended CONNECTs with this :protocol (RFC 8441).
  virtual bool peer_takes_protocol(std::string_view protocol) const = 0;
  // Client role: false for a request that the peer's protocol cannot carry unchanged. It must not
  // be sent.
  virtual bool carries(const FieldList& /*request*/) const { return true; }
  // Client role: how long the peer keeps the connection while it carries no request; zero: the peer
  // does not say.
  Duration peer_keeps_idle() const { return peer_keeps_idle_; }
  // Asks the peer for a sign of life; on_ping_ack(opaque) follows. False: the protocol has none.
  virtual bool ping(uint64_t opaque) = 0;
  // Server role: the version of the latest request, as Via has it (RFC 9110, 7.6.3).
  const char* received_protocol() const {
    constexpr std::array<const char*, 3> kTexts{"2.0", "1.1", "1.0"};
    return kTexts[static_cast<size_t>(received_protocol_)];
  }
  // When bytes from the peer last arrived.
  Time received_at() const { return now_; }

  // --- Leaving ---

  // Server role. Announces that the connection will take no more requests, then pings the client.
  // At the client's answer, all requests that it sent before it knew have arrived (RFC 9113, 6.8).
  // False: the protocol has no such announcement.
  virtual bool announce_drain(uint64_t opaque) = 0;
  // Server role: the announcement came within an answer that could not carry it. The answer to the
  // client's next request will.
  virtual bool announces_later() const { return false; }
  // Server role: announces the last request that is accepted. Later requests are discarded.
  virtual void drain() = 0;

  // The owner closes or aborts the stream below. Nothing more goes into the output, and received
  // bytes are discarded. Streams that are left end without a frame to the peer.
  void stop() { failed_ = true; }

  // --- Guards that measure time ---

  // watch() looks at a connection once in kWatchPeriod, only while something waits for the peer.
  static constexpr Duration kWatchPeriod = 1s;
  enum class Watched : uint8_t {
    kFine,
    kLate,    // no ACK of our SETTINGS: the owner may give the streams time to end
    kFailed,  // as receive() returning false
    kGone,    // the peer takes nothing, a GOAWAY neither: to be reset
  };
  virtual bool wants_watch() const = 0;
  virtual Watched watch(Time now) = 0;  // now: as for receive()

  // --- Failure ---

  // Also true after stop().
  bool failed() const { return failed_; }
  // The reason, for the log.
  const char* detail() const { return detail_; }
  // The guard that ended the connection, by its name in `sluicectl guards`; nullptr: no guard did.
  const char* guard() const { return guard_; }

  // The account that is charged for the memory of the connection and, in the server role, of its
  // streams. To be set before anything is received; outlives the connection.
  virtual void set_account(buf::Account* account) { account_ = account; }

 protected:
  Connection() = default;
  ~Connection() = default;
  Connection(const Connection&) = delete;

  uint32_t open_ = 0;
  bool failed_ = false;
  bool credits_ = false;
  Ending ending_ = Ending::kNo;
  enum class Received : uint8_t { kHttp2, kHttp11, kHttp10 };
  Received received_protocol_ = Received::kHttp2;
  Duration peer_keeps_idle_{};
  Time now_{};
  const char* detail_ = "";
  const char* guard_ = nullptr;
  buf::Account* account_ = nullptr;  // may stay nullptr

 private:
  virtual void release() = 0;
};

using ConnectionPtr = std::unique_ptr<Connection, Connection::Release>;

}  // namespace sluice::http
