#pragma once
// A connection that speaks some version of HTTP, in either role: the interface of a codec.

#include <cstdint>
#include <memory>

#include "base/chrono.h"
#include "base/function_ref.h"
#include "buf/account.h"
#include "buf/slice.h"
#include "http/end_reason.h"
#include "http/fields.h"
#include "http/stream.h"

namespace sluice::http {

// Sans-IO: received bytes go in as slices; the codec appends its own bytes to the output of a
// transport::Stream. Streams and their numbers are those of the connection. Functions that only one
// role has say so.
class Connection {
 public:
  // Ends the connection's life without a word to the handler: its streams are freed.
  struct Release {
    void operator()(Connection* c) const { c->release(); }
  };

  // A client queues what it says first. A server waits for the client's first bytes.
  virtual void start() = 0;

  // Takes all of `data`. False when the connection has failed, now or before: the last words are in
  // the output; the owner sends them, closes, and takes leave of the streams.
  virtual bool receive(buf::Slice data, Time now) = 0;

  // Puts into the output what waits, up to about `room` bytes. Until it is called, the owner leaves
  // what was said since the last time in the output: its end may still change.
  virtual void flush(uint32_t room) = 0;

  // --- Streams ---

  // Client role: whether open() would give a stream.
  virtual bool can_open() const = 0;
  // Client role: a new stream; nullptr when none may be opened now. Its head may wait for room.
  // payer: the client for whose sake it is, where many share the connection's flow-control window;
  // 0: nobody.
  virtual Stream* open(const FieldList& request, bool end_stream, void* owner, uint64_t payer) = 0;
  // Client role: whether the connection's flow-control window has room for a body of the payer's.
  enum class WindowFor : uint8_t { kEnough, kNotThisPayer, kNobody };
  virtual WindowFor window_for(uint64_t payer) const = 0;
  // Client role: bytes of body that the peer takes on the connection.
  virtual int64_t send_window() const = 0;
  // Client role: a stream that open() gave and that will not leave: the peer takes fewer than
  // before. Nothing of it was sent. nullptr when there is none.
  virtual Stream* stuck_stream() = 0;

  // A response, an informational one, or trailers; behind the body that the stream has queued.
  virtual void send_headers(Stream& s, const FieldList& fields, bool end_stream) = 0;
  // A piece of the body. Without memory to keep `data`, the stream is reset and
  // on_reset(EndedBy::kMemory) follows.
  virtual void send_data(Stream& s, buf::Slice data, bool end_stream) = 0;
  // The owner took n bytes of the stream's body: the peer may send as many more.
  virtual void consumed(Stream& s, uint32_t n) = 0;
  // Drops what the stream has queued, tells the peer if the peer knows the stream, frees the
  // stream.
  virtual void reset(Stream& s, EndReason reason) = 0;
  // The owner is finished: what is queued still leaves, then, if the peer has not ended its side,
  // the stream is reset (RFC 9113, 8.1). No callback any more; the stream may be gone on return.
  virtual void reset_after_output(Stream& s, EndReason reason) = 0;
  // Client role: the peer's GOAWAY excludes the stream: the stream is freed, the peer not told.
  virtual void forget(Stream& s) = 0;
  // Client role: resets that Handler::may_reset() held back. They count in the peer's limit of
  // streams.
  virtual uint32_t resets_waiting() const = 0;
  // Client role: sends them as far as may_reset() allows.
  virtual void release_resets() = 0;

  // fn(Stream&) for all streams that have an owner; fn may end the stream that it is given, no
  // other. Not for the hot path: it allocates.
  virtual void for_each_stream(FunctionRef<void(Stream&)> fn) = 0;
  // Streams that are not closed, those included whose owner has gone.
  uint32_t open_streams() const { return open_; }
  // Streams that the client has begun, numbers that it skipped included.
  virtual uint32_t streams_begun() const = 0;

  // --- The peer ---

  // Client role: streams that the peer takes at once.
  virtual uint32_t peer_max_concurrent_streams() const = 0;
  // Bytes of a field section that the peer takes, as FieldList::size() counts; UINT32_MAX: the peer
  // announced no limit.
  virtual uint32_t peer_max_header_list_size() const = 0;
  // Client role: the peer takes requests with :protocol (RFC 8441).
  virtual bool peer_takes_extended_connect() const = 0;
  // Asks the peer for a sign of life: on_ping_ack(opaque) follows. False: the protocol has none.
  virtual bool ping(uint64_t opaque) = 0;
  // When bytes of the peer were last received.
  Time received_at() const { return now_; }

  // --- Leaving ---

  // Server role. Announces that the connection will take no more requests; then the client is asked
  // for a sign of life, after which all requests that it sent before it knew have arrived
  // (RFC 9113, 6.8). False: the protocol has no such announcement.
  virtual bool announce_drain(uint64_t opaque) = 0;
  // Server role: the last word on it: later requests are discarded.
  virtual void drain() = 0;

  // The owner closes or aborts the stream below: nothing follows in the output, and what is
  // received is discarded. Streams that are left end without a word to the peer.
  void stop() { failed_ = true; }

  // --- Guards that measure time ---

  // They look at a connection once in kWatchPeriod, and only while something waits for the peer.
  static constexpr Duration kWatchPeriod = 1s;
  enum class Watched : uint8_t {
    kFine,
    kLate,    // no ACK of our SETTINGS: the streams may end, within what time the owner allows
    kFailed,  // as receive() returning false
    kGone,    // the peer takes nothing, a GOAWAY neither: to be reset
  };
  virtual bool wants_watch() const = 0;
  virtual Watched watch(Time now) = 0;  // now: as for receive()

  // --- Failure ---

  // True behind stop(), too.
  bool failed() const { return failed_; }
  // Why, for the log.
  const char* detail() const { return detail_; }
  // The guard that ended the connection, as `sluicectl guards` calls it; nullptr if none did.
  const char* guard() const { return guard_; }

  // The account that is charged for what the connection and, of a server, its streams keep. To be
  // set before anything is received; outlives the connection.
  void set_account(buf::Account* account) { account_ = account; }

 protected:
  Connection() = default;
  ~Connection() = default;
  Connection(const Connection&) = delete;

  uint32_t open_ = 0;
  bool failed_ = false;
  Time now_{};
  const char* detail_ = "";
  const char* guard_ = nullptr;
  buf::Account* account_ = nullptr;  // may stay so

 private:
  virtual void release() = 0;
};

using ConnectionPtr = std::unique_ptr<Connection, Connection::Release>;

}  // namespace sluice::http
