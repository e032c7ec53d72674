#include "tls/ticket_keys.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace sluice::tls {

int64_t TicketKeys::wall_clock() {
  return std::time(nullptr);
}

TicketKeys::~TicketKeys() {
  for (Words& words : keys_)
    for (auto& w : words) w.store(0, std::memory_order_relaxed);
}

void TicketKeys::rotate() {
  std::array<Key, kKeys> keys = copy();
  std::copy_backward(keys.begin(), keys.end() - 1, keys.end());
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(keys.data()), sizeof(Key)) != 1)
    throw std::runtime_error("OpenSSL has no random bytes for the keys of session tickets");
  store(keys);
  OPENSSL_cleanse(keys.data(), sizeof keys);
}

void TicketKeys::set(std::span<const Key> keys) {
  assert(!keys.empty() && keys.size() <= kKeys);
  std::array<Key, kKeys> all{};
  std::copy(keys.begin(), keys.end(), all.begin());
  store(all);
  OPENSSL_cleanse(all.data(), sizeof all);
}

void TicketKeys::store(const std::array<Key, kKeys>& keys) {
  const uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (size_t k = 0; k < kKeys; ++k) {
    std::array<uint64_t, kWords> words;
    std::memcpy(words.data(), &keys[k], sizeof(Key));
    for (size_t w = 0; w < kWords; ++w) keys_[k][w].store(words[w], std::memory_order_relaxed);
    OPENSSL_cleanse(words.data(), sizeof words);
  }
  version_.store(version + 2, std::memory_order_release);
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
