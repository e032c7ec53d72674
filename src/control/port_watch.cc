#include "control/port_watch.h"

#include <utility>

#include <fmt/format.h>

namespace sluice::control {

std::vector<PortWatch::Line> PortWatch::look(const config::Snapshot& current,
                                             const std::vector<stats::Worker*>& workers) {
  std::vector<Line> lines;
  ports_.resize(current.startup.ports.size());
  for (size_t i = 0; i < ports_.size(); ++i) {
    Port& port = ports_[i];
    uint64_t received = 0, sent = 0;
    for (const stats::Worker* w : workers) {
      received += w->port(i).rx_packets.get();
      sent += w->port(i).tx_packets.get();
    }
    const std::string& name = current.startup.ports[i].name;
    const Health health = probe_ ? probe_(i) : Health{};
    const std::string& reason = health.deaf;
    if (probe_ && !workers.empty()) {
      workers[0]->port(i).drop_counter(stats::Drop::kRxMissed).set(health.rx_missed);
      workers[0]->port(i).drop_counter(stats::Drop::kRxNoBuffer).set(health.rx_no_buffer);
    }
    if (!health.hash_fault.empty() && !std::exchange(port.hash_fault, true))
      lines.push_back(
          {false, fmt::format("port {}: {}; its profile says flows = \"rss\", and \"none\" "
                              "is used instead",
                              name, health.hash_fault)});
    if (received != port.received) {
      if (port.deaf && reason.empty()) {
        lines.push_back({true, fmt::format("port {} receives again", name)});
        port.deaf = false;
      }
      port.received = received;
      port.sent = sent;
      port.silent = 0;
      if (reason.empty()) continue;
    } else {
      ++port.silent;
    }
    const bool unanswered = port.silent >= kLooks && sent - port.sent >= kFrames;
    if (port.deaf || (reason.empty() && !unanswered)) continue;
    port.deaf = true;
    if (!reason.empty()) {
      lines.push_back({false, fmt::format("port {} receives nothing: {}", name, reason)});
    } else {
      lines.push_back(
          {false, fmt::format("port {} has received nothing for {} s, and {} frames were sent "
                              "there: look at its cable, its link and the other end",
                              name, port.silent, sent - port.sent)});
    }
  }
  return lines;
}

}  // namespace sluice::control
