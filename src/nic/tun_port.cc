#include "nic/tun_port.h"

#include <cstdio>

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

stats::NicPort TunPort::state() const {
  const TunDevice::Counters counted = device_.counters();
  stats::NicDevice device{.name = "tun:" + options_.interface,
                          .driver = "tun",
                          .interface = options_.interface,
                          .kernel_driver = "tun",
                          .link = link(),
                          .mtu = options_.mtu,
                          .queues = static_cast<uint16_t>(queues_.size()),
                          .rx_missed = counted.unread,
                          .tx_errors = counted.refused};
  char mac[18];
  const auto& m = device_.mac();
  std::snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
                m[5]);
  device.mac = mac;
  for (const auto& queue : queues_) device.rx_no_buffer += queue->rx_no_buffer();
  return {.profile = options_.profile,
          .profile_named = options_.profile_named,
          .flows = "none",
          .flows_reason =
              "the kernel gives each flow to the queue that sent its packets, and "
              "forgets a flow after 3 s",
          .devices = {device}};
}

NetworkPort::DeviceCounters TunPort::device_counters() const {
  DeviceCounters all{.rx_missed = device_.counters().unread};
  for (const auto& queue : queues_) all.rx_no_buffer += queue->rx_no_buffer();
  return all;
}

}  // namespace sluice::nic
