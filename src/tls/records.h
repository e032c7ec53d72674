#pragma once
// The record layer of a TLS connection behind its handshake: plain bytes in, records out, and back.
// Two make records: OpenSSL, and Sluice itself.

#include <cstdint>

#include "buf/queue.h"
#include "buf/slice.h"

namespace sluice::tls {

class Records {
 public:
  static constexpr uint32_t kMaxPlain = 16'384;  // bytes of payload in a record (RFC 8446, 5.1)
  // The most that a record adds to its payload: header, explicit nonce of TLS 1.2 or type of the
  // content, and tag.
  static constexpr uint32_t kOverhead = 32;

  virtual ~Records() = default;
  Records(const Records&) = delete;

  // --- Input ---

  // Received bytes. read() follows until it returns something else than kPlain; then, unless it was
  // kMore, discard().
  virtual void receive(buf::Slice data) = 0;
  enum class Read : uint8_t {
    kPlain,     // `plain` has the next bytes
    kMore,      // all is read, up to an incomplete record
    kEnd,       // close_notify
    kBroken,    // the peer ended with an error, or has broken the protocol; the alert is written
    kTripped,   // a guard has tripped (RecordWatch)
    kNoMemory,  // the connection has to be reset
  };
  virtual Read read(buf::Slice& plain) = 0;
  // What was received and not read is dropped.
  virtual void discard() = 0;
  // After kBroken: the reason, of a pod; the string lives as long as the process.
  virtual const char* failure() const = 0;
  // A record has begun, and its last byte has not come.
  virtual bool unfinished() const = 0;
  // Records whose last byte has come.
  virtual uint64_t completed() const = 0;
  // Packet buffers of an incomplete record.
  virtual uint32_t buffers() const = 0;

  // --- Output, to the queue that the maker got ---

  enum class Sealed : uint8_t {
    kDone,
    kNoMemory,  // or a part of a record was written: the connection has to be reset
    kBroken,
  };
  // Takes the first n bytes (n <= kMaxPlain) of `plain` and makes a record of them. The caller has
  // seen to the memory for it.
  virtual Sealed seal(buf::Queue& plain, uint32_t n) = 0;
  // close_notify. Nothing is written afterwards.
  virtual Sealed end() = 0;
  // The fatal alert internal_error (RFC 8446, 6.2), unless the output has ended. Nothing is written
  // afterwards.
  virtual Sealed give_up() = 0;
  // Nothing is written any more.
  virtual void stop() = 0;

 protected:
  Records() = default;
};

}  // namespace sluice::tls
