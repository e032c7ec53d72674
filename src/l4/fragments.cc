#include "l4/fragments.h"

namespace sluice::l4 {

size_t Fragments::set_of(const ip::TransportPacket& p) const {
  const uint64_t words = mix64(hash_of(p.source) ^ secret_.k0) ^ hash_of(p.destination);
  const uint64_t h = mix64(words + (uint64_t{p.identification} << 8 | p.protocol) + secret_.k1);
  return h % (kDatagrams / kWays) * kWays;
}

void Fragments::remember(const ip::TransportPacket& first, const Datagram& datagram, Time now) {
  if (entries_.empty()) entries_.resize(kDatagrams);
  const size_t set = set_of(first);
  Entry* place = &entries_[set];
  for (size_t i = set; i < set + kWays; ++i) {
    if (entries_[i].is_of(first)) {
      place = &entries_[i];
      break;
    }
    if (entries_[i].until < place->until) place = &entries_[i];
  }
  *place = {first.source,   first.destination, first.identification,
            first.protocol, datagram,          now + kLifetime};
}

const Fragments::Datagram* Fragments::find(const ip::TransportPacket& later, Time now) const {
  if (entries_.empty()) return nullptr;
  const size_t set = set_of(later);
  for (size_t i = set; i < set + kWays; ++i)
    if (entries_[i].until > now && entries_[i].is_of(later)) return &entries_[i].datagram;
  return nullptr;
}

}  // namespace sluice::l4
