#pragma once
// A stream of plain bytes in both directions, over a TCP connection: the interface between a codec
// and the layers below it. A plain stream passes bytes on; a secure stream makes records of them.

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/address.h"
#include "base/chrono.h"
#include "buf/queue.h"
#include "transport/user.h"

namespace sluice::transport {

// Positions count all plain bytes ever appended to output(), as buf::Queue does. Where a stream
// makes records, its answers err on the safe side: see transmitted() and acknowledged().
class Stream {
 public:
  // Destroys the object. Allowed only after on_closed, or before the stream has a user.
  struct Release {
    void operator()(Stream* s) const { s->release(); }
  };

  // To be called before anything arrives. The user outlives the stream.
  void set_user(User& user) { user_ = &user; }

  // Plain bytes to send: append at the end, then push(). Bytes appended since the last push() may
  // still be changed or taken back; older bytes may not. A stream that makes records takes bytes
  // out when it seals them, long before they are acknowledged. So an empty output says nothing
  // about the peer; acknowledged() does.
  buf::Queue& output() { return *output_; }
  const buf::Queue& output() const { return *output_; }
  // The number of bytes that are worth appending now. A soft limit: output() takes any amount.
  virtual uint32_t room() const = 0;
  // Bytes were appended. They leave as soon as TCP can send them.
  virtual void push() = 0;
  // Ends our direction in order, behind all appended bytes. Nothing may be appended any more;
  // receiving goes on. A peer that does not take the bytes in time is reset, and
  // on_closed(kNotTaken) follows. So a stream that makes records makes the last ones now, whatever
  // TCP's room.
  virtual void close() = 0;
  // Ends both directions at once. Queued bytes are dropped, and on_closed(kAborted) follows.
  virtual void abort() = 0;
  // The user is done with n plain bytes of on_data: the receive window opens.
  virtual void consumed(uint32_t n) = 0;

  // Bytes at and above this position have provably never been on the wire. A byte counts as
  // transmitted as soon as the first byte of its record was sent.
  virtual uint64_t transmitted() const = 0;
  // Bytes below this position have provably reached the peer. A byte counts as acknowledged when
  // the last byte of its record was.
  virtual uint64_t acknowledged() const = 0;

  // Packet buffers of unacknowledged output, in whatever form.
  virtual uint32_t buffers() const = 0;
  // Packet buffers of data that arrived ahead of a gap.
  virtual uint32_t buffers_ahead() const = 0;
  virtual Endpoint peer() const = 0;
  // Zero before the first measurement.
  virtual Duration round_trip() const = 0;
  // How long data may stay unacknowledged before the stream ends with kTimeout.
  virtual void set_user_timeout(Duration timeout) = 0;
  // After close() the peer may take the rest, and end its own direction, as late as it likes: the
  // user bounds that time.
  virtual void set_patient() {}

  // Of the security protocol's handshake; empty where there was none.
  virtual std::string_view alpn() const { return {}; }         // RFC 7301
  virtual std::string_view server_name() const { return {}; }  // RFC 6066, 3
  virtual const char* security() const { return ""; }          // "TLSv1.3"; empty: cleartext
  // The peer's certificate, if it was verified, as the field x-forwarded-client-cert describes it.
  virtual std::string_view peer_certificate() const { return {}; }
  // Whether a handshake for this host would have ended as this stream's did, with the same
  // certificates and the same rules for those of clients.
  enum class Authority : uint8_t {
    kThis,
    kAnother,  // the host has others, at the same port
    kNone,     // no handshake for this host succeeds
  };
  virtual Authority authority_for(std::string_view /*host*/) const { return Authority::kThis; }
  // Why the security protocol ended the stream; empty: it did not. The string lives as long as the
  // process.
  virtual const char* failure() const { return ""; }

 protected:
  explicit Stream(buf::Queue& output) : output_(&output) {}
  ~Stream() = default;
  Stream(const Stream&) = delete;

  User* user_ = nullptr;

 private:
  virtual void release() = 0;

  buf::Queue* output_;
};

using StreamPtr = std::unique_ptr<Stream, Stream::Release>;

}  // namespace sluice::transport
