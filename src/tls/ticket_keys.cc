#include "tls/ticket_keys.h"

#include <cstring>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace sluice::tls {

TicketKeys::~TicketKeys() {
  for (Words& words : keys_)
    for (auto& w : words) w.store(0, std::memory_order_relaxed);
}

void TicketKeys::rotate() {
  std::array<uint64_t, kWords> fresh;
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(fresh.data()), sizeof fresh) != 1)
    throw std::runtime_error("OpenSSL has no random bytes for the keys of session tickets");
  const uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (size_t k = kKeys - 1; k > 0; --k)
    for (size_t w = 0; w < kWords; ++w)
      keys_[k][w].store(keys_[k - 1][w].load(std::memory_order_relaxed), std::memory_order_relaxed);
  for (size_t w = 0; w < kWords; ++w) keys_[0][w].store(fresh[w], std::memory_order_relaxed);
  version_.store(version + 2, std::memory_order_release);
  OPENSSL_cleanse(fresh.data(), sizeof fresh);
}

std::array<TicketKeys::Key, TicketKeys::kKeys> TicketKeys::copy() const {
  std::array<Key, kKeys> out;
  static_assert(sizeof(Key) == kWords * sizeof(uint64_t));
  for (;;) {
    const uint64_t before = version_.load(std::memory_order_acquire);
    for (size_t k = 0; k < kKeys; ++k) {
      uint64_t words[kWords];
      for (size_t w = 0; w < kWords; ++w) words[w] = keys_[k][w].load(std::memory_order_relaxed);
      std::memcpy(&out[k], words, sizeof words);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if ((before & 1) == 0 && version_.load(std::memory_order_relaxed) == before) return out;
  }
}

TicketKeys::Key TicketKeys::newest() const {
  return copy()[0];
}

std::optional<TicketKeys::Found> TicketKeys::find(const uint8_t* name) const {
  static constexpr std::array<uint8_t, kNameSize> kUnused{};
  const auto keys = copy();
  if (std::memcmp(name, kUnused.data(), kNameSize) == 0) return std::nullopt;
  for (size_t k = 0; k < kKeys; ++k)
    if (std::memcmp(name, keys[k].name.data(), kNameSize) == 0) return Found{keys[k], k == 0};
  return std::nullopt;
}

}  // namespace sluice::tls
