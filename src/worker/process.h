#pragma once
// The state that all workers of a process share besides the configuration: the limits that hold for
// all of them together. Outlives the workers.

#include "base/hash.h"
#include "config/snapshot.h"
#include "l4/process.h"
#include "relay/process.h"
#include "tcp/process.h"
#include "worker/settings.h"

namespace sluice::worker {

struct Process {
  // secret: random, from the operating system.
  Process(const config::Snapshot& first, const SipKey& secret)
      : tcp(tcp_config(first), first.startup.workers, secret),
        relay(first.startup.workers, mix64(secret.k0 + 1)),
        l4(first.startup.workers) {}

  tcp::Process tcp;
  relay::Process relay;
  l4::Process l4;
};

}  // namespace sluice::worker
