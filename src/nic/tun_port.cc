#include "nic/tun_port.h"

#include <cstdio>

#include "config/nic_profile.h"
#include "config/startup.h"
#include "nic/tsc.h"

namespace sluice::nic {

namespace {

// The time for which a queue that was found empty is not asked again. An empty read takes 0.7 us,
// and a worker with two idle ports would do nothing else.
constexpr uint64_t kRestMicroseconds = 3;

std::string text_of(const std::array<uint8_t, 6>& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text;
}

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
                        .rx_pool = pools.rx(w).mempool(),
                        .rest = tsc_hz() * kRestMicroseconds / 1'000'000}));
}

std::string TunPort::steer(const FlowOwners& owners) {
  if (owners.workers < 2) return {};
  steering_refused_ = attach_steering(device_.queue(0), owners);
  steered_ = steering_refused_.empty();
  return steering_refused_;
}

NetworkPort::DeviceCounters TunPort::device_counters() const {
  DeviceCounters all{.rx_missed = device_.counters().unread};
  for (const auto& queue : queues_) all.rx_no_buffer += queue->rx_no_buffer();
  return all;
}

stats::NicPort TunPort::state() const {
  const TunDevice::Counters counted = device_.counters();
  stats::NicDevice d{.name = std::string(config::kTunPrefix) + options_.interface,
                     .driver = "tun",
                     .interface = options_.interface,
                     .kernel_driver = "tun",
                     .mac = text_of(device_.mac()),
                     .link = {.up = device_.up()},
                     .mtu = options_.mtu,
                     .queues = static_cast<uint16_t>(queues_.size()),
                     .rx_missed = counted.unread,
                     .rx_no_buffer = device_counters().rx_no_buffer,
                     .tx_errors = counted.refused,
                     .counters = {{"txqueuelen", device_.queue_length()}}};
  return {.profile = options_.profile,
          .profile_named = options_.profile_named,
          .flows = steered_ ? "steered" : std::string(config::text_of(config::Flows::kNone)),
          .flows_reason = steered_ ? "a program in the kernel computes the owner of a flow"
                          : steering_refused_.empty() ? std::string()
                                                      : "no steering program: " + steering_refused_,
          .devices = {std::move(d)}};
}

}  // namespace sluice::nic
