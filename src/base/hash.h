#pragma once
// Hashes for tables and for secrets.

#include <cstdint>
#include <cstring>
#include <span>

namespace sluice {

// Finaliser of MurmurHash3: every input bit reaches every output bit. Not for keys an attacker
// chooses without a secret seed mixed in.
constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  x ^= x >> 33;
  return x;
}

struct SipKey {
  uint64_t k0 = 0, k1 = 0;
};

// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that holds against chosen inputs; used
// for initial sequence numbers, SYN cookies and tables keyed by what strangers send.
uint64_t siphash(const SipKey& key, std::span<const uint8_t> bytes);

// FNV-1a over a string, for tables keyed by names from configuration.
constexpr uint64_t fnv1a(std::span<const char> s) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (char c : s) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return h;
}

}  // namespace sluice
