#pragma once
// The keys of session tickets (RFC 5077; RFC 8446, 4.6.1), which all workers share. Control rotates
// random keys, or takes keys from files; a ticket that was stolen with its key reveals no more than
// the lifetime of that key.

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "base/chrono.h"

namespace sluice::tls {

// One writer, any number of readers, without locks: a reader copies a key, and copies it again if
// the writer was at work meanwhile (a sequence lock over atomic words).
class TicketKeys {
 public:
  static constexpr size_t kNameSize = 16;
  struct Key {
    std::array<uint8_t, kNameSize> name;  // in the clear, in each ticket
    std::array<uint8_t, 32> cipher;       // AES-256-CBC
    std::array<uint8_t, 32> mac;          // HMAC-SHA-256
  };
  // A new random key begins so often. Tickets are valid for kLifetime, so the newest kKeys open all
  // of them. A session ends so long after its full handshake, however often it is resumed.
  static constexpr Duration kRotation = 4h;
  static constexpr Duration kLifetime = 8h;
  static constexpr size_t kKeys = 3;

  // Seconds since 1970.
  using Clock = int64_t (*)();
  static int64_t wall_clock();

  // Begins with a random key. Throws std::runtime_error without randomness.
  explicit TicketKeys(Clock clock = wall_clock) : clock_(clock) { rotate(); }
  TicketKeys(const TicketKeys&) = delete;
  ~TicketKeys();

  // A new random key makes the tickets from now on. The oldest key is overwritten.
  void rotate();
  // These keys and no others: the first makes tickets, all open them. At least one and at most
  // kKeys, with different names that are not all zeros.
  void set(std::span<const Key> keys);

  // The time for the age of a ticket.
  int64_t now() const { return clock_(); }
  Key newest() const;
  struct Found {
    Key key;
    bool newest;
  };
  std::optional<Found> find(const uint8_t* name) const;

 private:
  static constexpr size_t kWords = sizeof(Key) / sizeof(uint64_t);
  using Words = std::array<std::atomic<uint64_t>, kWords>;
  std::array<Key, kKeys> copy() const;
  void store(const std::array<Key, kKeys>& keys);

  Clock clock_;
  std::array<Words, kKeys> keys_{};   // the newest first; unused ones are zero
  std::atomic<uint64_t> version_{0};  // odd while the writer is at work
};

}  // namespace sluice::tls
