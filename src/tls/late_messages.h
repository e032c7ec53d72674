#pragma once
// The handshake messages that may follow a TLS 1.3 handshake (RFC 8446, 4.6), cut into records in
// any way. Nothing of them is kept: a server's tickets are skipped.

#include <array>
#include <cstdint>
#include <optional>

#include "buf/slice.h"

namespace sluice::tls {

class LateMessages {
 public:
  // client: this end is the client, and so gets tickets.
  explicit LateMessages(bool client) : client_(client) {}

  // The next piece of a handshake record's content. Returns the alert that ends the connection when
  // the piece is none that may come.
  std::optional<uint8_t> take(buf::View piece);
  // Whether a message is incomplete: its rest comes before any other content (RFC 8446, 5.1).
  bool within() const { return header_size_ > 0; }

  // The peer's KeyUpdate, which is the last message of its record (RFC 8446, 5.1). Once.
  enum class KeyUpdate : uint8_t { kNone, kPeers, kBoth };
  // The tickets that ended since the last call.
  uint32_t take_tickets() { return std::exchange(tickets_, 0); }
  KeyUpdate take_key_update() { return std::exchange(key_update_, KeyUpdate::kNone); }

 private:
  static constexpr uint32_t kHeaderSize = 4;  // type and length of a message

  std::optional<uint8_t> check_header();
  std::optional<uint8_t> end_message(uint8_t last);

  const bool client_;
  std::array<uint8_t, kHeaderSize> header_{};
  uint32_t header_size_ = 0;  // bytes of the present message's header
  uint32_t left_ = 0;         // bytes of its body
  uint32_t tickets_ = 0;
  KeyUpdate key_update_ = KeyUpdate::kNone;
};

}  // namespace sluice::tls
