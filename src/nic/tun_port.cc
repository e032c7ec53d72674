#include "nic/tun_port.h"

#include "nic/tsc.h"

namespace sluice::nic {

namespace {

// The time for which a queue that was found empty is not asked again. An empty read takes 0.7 us,
// and a worker with two idle ports would do nothing else.
constexpr uint64_t kRestMicroseconds = 3;

}  // namespace

TunPort::TunPort(const TunPortOptions& options, const Pools& pools, unsigned workers)
    : options_(options),
      lock_({options.interface}),
      device_({.interface = options.interface, .mtu = options.mtu, .queues = workers}) {
  for (unsigned w = 0; w < workers; ++w)
    queues_.push_back(std::make_unique<TunQueue>(
        TunQueue::Setup{.fd = device_.queue(w),
                        .mtu = options.mtu,
                        .mac = device_.mac(),
                        .rx_pool = pools.rx().mempool(),
                        .rest = tsc_hz() * kRestMicroseconds / 1'000'000}));
}

NetworkPort::DeviceCounters TunPort::device_counters() const {
  DeviceCounters all{.rx_missed = device_.counters().unread};
  for (const auto& queue : queues_) all.rx_no_buffer += queue->rx_no_buffer();
  return all;
}

}  // namespace sluice::nic
