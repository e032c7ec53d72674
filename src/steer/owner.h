#pragma once
// Which worker owns a flow. Every worker answers the question alike, from facts that do not change
// while the process runs. So a packet finds its worker wherever it arrives, and without a table
// that workers would share.
//
// - A connection that Sluice opened has a local port from the share of the worker that opened it.
// - Any other flow belongs to the worker to which the NIC's hash led it at the start, or to the one
//   that a hash in software names, where the NIC's queues tell nothing.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/hash.h"
#include "steer/toeplitz.h"

namespace sluice::steer {

// Receive-side scaling of a port, as it was at the start.
struct Rss {
  std::vector<uint8_t> key;
  std::vector<uint16_t> workers;  // by the low bits of the hash (the RETA); a power of two of them
  bool v4 = true;                 // whether TCP over IPv4 is hashed with its ports
  bool v6 = true;
};

struct OwnerPort {
  std::vector<Prefix> addresses;
  std::optional<Rss> rss;  // nullopt: the queue of a packet says nothing
};

// Local ports of connections that Sluice opens.
struct EphemeralPorts {
  uint16_t first = 32'768;
  uint16_t last = 60'999;
};

class Owner {
 public:
  // secret: the same for all workers; clients must not be able to choose their worker.
  Owner(unsigned workers, const SipKey& secret, std::span<const OwnerPort> ports,
        EphemeralPorts ephemeral);

  unsigned workers() const { return workers_; }
  EphemeralPorts ephemeral() const { return ephemeral_; }
  // The key of the hash in software, of flow::hash().
  const SipKey& key() const { return secret_; }

  // Whether `local` may be the end of a connection that Sluice opened: an address of a port, and an
  // ephemeral port. A listener may have such an endpoint too.
  bool in_shares(const Endpoint& local) const;
  // The worker in whose share a local port is.
  unsigned by_share(uint16_t local_port) const { return local_port % workers_; }
  // Which key and RETA hash packets for `local` depends on its address alone: those of the port
  // whose network has the address, else those of the first port that has any.
  unsigned by_hash(const Endpoint& local, const Endpoint& remote) const;
  // Whether packets for `local` find the worker that by_hash() names without help.
  bool hashed_by_nic(const Endpoint& local) const { return scaling_of(local.address) != nullptr; }

 private:
  struct Scaling {
    Scaling(const Rss& rss) : toeplitz(rss.key), workers(rss.workers), v4(rss.v4), v6(rss.v6) {}
    bool hashes(const Address& a) const { return a.is_v4() ? v4 : v6; }

    Toeplitz toeplitz;
    std::vector<uint16_t> workers;
    bool v4;
    bool v6;
  };

 public:
  // by_hash() for many local ports of one address: where packets from `remote` arrive without help.
  class Arrivals {
   public:
    // Whether the NIC leads packets to a worker by their ports at all.
    explicit operator bool() const { return scaling_ != nullptr; }
    unsigned worker(uint16_t local_port) const {
      const uint32_t hash = hash_ ^ scaling_->toeplitz.hash_of_port(v4_, local_port);
      return scaling_->workers[hash & (scaling_->workers.size() - 1)];
    }

   private:
    friend class Owner;
    const Scaling* scaling_ = nullptr;
    uint32_t hash_ = 0;  // with the port zero
    bool v4_ = false;
  };
  Arrivals arrivals(const Address& local, const Endpoint& remote) const;

 private:
  struct Port {
    std::vector<Prefix> addresses;
    std::optional<Scaling> scaling;
  };
  const Scaling* scaling_of(const Address& local) const;

  unsigned workers_;
  SipKey secret_;
  EphemeralPorts ephemeral_;
  std::vector<Port> ports_;
};

}  // namespace sluice::steer
