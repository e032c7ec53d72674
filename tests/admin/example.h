#pragma once
// A view with one of each thing that has metrics.

#include <memory>
#include <vector>

#include "admin/answer.h"

namespace sluice::admin {

class Example {
 public:
  Example() {
    snapshot.generation = 1;
    config::Port port;
    port.name = "north";
    snapshot.startup.ports.push_back(port);
    config::Service service;
    service.name = "echo";
    service.pods.push_back({.endpoint = *Endpoint::parse("10.0.0.1:80"), .id = "a", .slot = 3});
    snapshot.services.push_back(service);
    config::Listener listener;
    listener.name = "grpc";
    listener.address = *Endpoint::parse("198.18.0.10:50051");
    snapshot.listeners.push_back(listener);
    ledger.record(snapshot, {});
    for (stats::Worker* w : workers) w->adopt(1);
  }
  View view() {
    return {.current = snapshot,
            .ledger = ledger,
            .loads = loads,
            .sources = sources,
            .identity = identity,
            .nic = probe,
            .stalls = stalls,
            .links = links,
            .discovery_lag = &lag};
  }

  config::Snapshot snapshot;
  std::unique_ptr<stats::Worker> first = std::make_unique<stats::Worker>();
  std::unique_ptr<stats::Worker> second = std::make_unique<stats::Worker>();
  std::vector<stats::Worker*> workers{first.get(), second.get()};
  Ledger ledger{workers};
  std::vector<Load> loads{2};
  discovery::StaticSource source{{}};
  std::vector<const discovery::Source*> sources{&source};
  Identity identity;
  NicProbe probe;
  std::vector<Stall> stalls{2};
  std::vector<bool> links{true};
  stats::Durations lag;
};

}  // namespace sluice::admin
