#include "tcp/syn_cookie.h"

#include <array>

#include "tcp/isn.h"

namespace sluice::tcp {

namespace {
// The MSS values of a cookie; the largest that is not above the peer's is used: minimum, tunnels,
// IPv6 and IPv4 on Ethernet.
constexpr std::array<uint16_t, 4> kSizes{536, 1220, 1440, 1460};
constexpr uint32_t kNoScale = 15;
constexpr uint64_t kPurpose = uint64_t{4} << 56;

uint64_t period_of(Time now) {
  return static_cast<uint64_t>(now.time_since_epoch() / SynCookies::kPeriod);
}
}  // namespace

uint32_t SynCookies::mac(const Endpoint& local, const Endpoint& remote, uint32_t irs,
                         uint64_t period, uint32_t options) const {
  const uint64_t purpose = kPurpose ^ mix64(period << 8 | options) ^ mix64(~uint64_t{irs});
  return static_cast<uint32_t>(tuple_hash(key_, local, remote, purpose)) & 0xffffff00;
}

uint32_t SynCookies::make(const Endpoint& local, const Endpoint& remote, const Handshake& h,
                          Time now) const {
  uint32_t size = 0;
  while (size + 1 < kSizes.size() && kSizes[size + 1] <= h.peer_mss) ++size;
  const uint64_t period = period_of(now);
  const uint32_t options = static_cast<uint32_t>(period & 1) << 7 | size << 5 |
                           (h.peer_scale ? *h.peer_scale : kNoScale) << 1 | (h.sack ? 1 : 0);
  return mac(local, remote, h.irs, period, options) | options;
}

std::optional<Handshake> SynCookies::check(const Endpoint& local, const Endpoint& remote,
                                           uint32_t seq, uint32_t ack, Time now) const {
  Handshake h;
  h.iss = ack - 1;
  h.irs = seq - 1;
  const uint32_t options = h.iss & 0xff;
  uint64_t period = period_of(now);
  if ((period & 1) != options >> 7) --period;
  if (mac(local, remote, h.irs, period, options) != (h.iss & 0xffffff00)) return std::nullopt;
  h.peer_mss = kSizes[options >> 5 & 3];
  const auto scale = static_cast<uint8_t>(options >> 1 & 15);
  if (scale != kNoScale) h.peer_scale = scale;
  h.sack = (options & 1) != 0;
  return h;
}

}  // namespace sluice::tcp
