#pragma once
// Reads the ClientHello at the beginning of a connection, to choose by its server name, without
// ending TLS. The bytes may be cut anywhere, into records (RFC 8446, 5.1) and into segments.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "buf/slice.h"

namespace sluice::tls {

class HelloReader {
 public:
  // limit: bytes of the connection until the end of the ClientHello, record headers included.
  explicit HelloReader(uint32_t limit) : limit_(limit) {}

  enum class State : uint8_t {
    kMore,     // the ClientHello is not whole yet
    kWhole,    // server_name() is known
    kNotTls,   // the bytes are no handshake record of TLS
    kBroken,   // a ClientHello that RFC 8446, 4.1.2 does not allow
    kTooLong,  // longer than the limit
  };
  // The next bytes, in order. After any state but kMore nothing more is read.
  State read(buf::View bytes);
  State state() const { return state_; }

  // After kWhole: in lower case, without a dot at the end; empty when the client sent none.
  const std::string& server_name() const { return server_name_; }

 private:
  State take(buf::View& bytes);
  State end_of_record_header();
  State end_of_message();

  const uint32_t limit_;
  State state_ = State::kMore;
  uint32_t taken_ = 0;  // bytes of the connection
  uint8_t header_[5]{};
  uint32_t header_size_ = 0;
  uint32_t record_left_ = 0;      // bytes of the current record that are still to come
  std::vector<uint8_t> message_;  // of the handshake, out of its records
  std::string server_name_;
};

// The server_name of a ClientHello's body (RFC 8446, 4.1.2), behind the header of the handshake
// message; empty: it has none. nullopt: malformed.
std::optional<std::string> server_name_of_hello(buf::View body);

}  // namespace sluice::tls
