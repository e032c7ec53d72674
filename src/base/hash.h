#pragma once
// Hashes for tables and for secrets.

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace sluice {

// Finaliser of MurmurHash3: every input bit reaches every output bit. Keys that an attacker chooses
// need a secret seed mixed in.
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

// SipHash (Aumasson and Bernstein, 2012): a keyed hash that resists chosen inputs. kCompression and
// kFinalization are the rounds after each word and at the end.
template <int kCompression, int kFinalization>
class SipHash {
 public:
  explicit SipHash(const SipKey& key)
      : v0_(key.k0 ^ 0x736f6d6570736575ULL),
        v1_(key.k1 ^ 0x646f72616e646f6dULL),
        v2_(key.k0 ^ 0x6c7967656e657261ULL),
        v3_(key.k1 ^ 0x7465646279746573ULL) {}

  void absorb(uint64_t word) {
    v3_ ^= word;
    for (int r = 0; r < kCompression; ++r) round();
    v0_ ^= word;
  }
  uint64_t finish() {
    v2_ ^= 0xff;
    for (int r = 0; r < kFinalization; ++r) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

  template <size_t kExtent>
  static uint64_t of(const SipKey& key, std::span<const uint8_t, kExtent> bytes) {
    SipHash h(key);
    size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + i, sizeof word);
      h.absorb(word);
    }
    uint64_t last = uint64_t{bytes.size()} << 56;
    for (size_t j = 0; i + j < bytes.size(); ++j) last |= uint64_t{bytes[i + j]} << (8 * j);
    h.absorb(last);
    return h.finish();
  }

 private:
  void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

// For values that strangers see: initial sequence numbers and SYN cookies.
uint64_t siphash(const SipKey& key, std::span<const uint8_t> bytes);

// For tables whose keys strangers send. Nobody outside sees the hash, so one round a word is
// enough, as in the tables of Rust, Ruby and Python.
template <size_t kExtent>
uint64_t table_hash(const SipKey& key, std::span<const uint8_t, kExtent> bytes) {
  return SipHash<1, 3>::of(key, bytes);
}

// FNV-1a over a string, for tables keyed by names from configuration.
constexpr uint64_t fnv1a(std::span<const char> s) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (char c : s) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return h;
}

}  // namespace sluice
