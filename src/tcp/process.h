#pragma once
// The limits of TCP that hold for all workers of a process together.

#include <cstddef>

#include "base/hash.h"
#include "base/shared_counts.h"
#include "tcp/challenge_limit.h"
#include "tcp/config.h"

namespace sluice::tcp {

struct Process {
  // config: of one worker. secret: random, so that no client can choose addresses that collide.
  Process(const Config& config, size_t workers, const SipKey& secret)
      : key(secret),
        clients(config.max_connections * workers),
        challenges(config.challenge_acks, mix64(secret.k0) ^ secret.k1) {}

  const SipKey key;      // of the hashes of addresses
  SharedCounts clients;  // accepted connections by address (IPv6: by /64)
  ChallengeLimit challenges;
};

}  // namespace sluice::tcp
