#pragma once
// The search for the source port of a new NAT flow, in the share of this worker, so that the pod's
// answers are this worker's.

#include <cstdint>
#include <optional>

#include "base/random.h"
#include "l4/flows.h"
#include "l4/registry.h"
#include "steer/owner.h"

namespace sluice::l4 {

class SourcePorts {
 public:
  struct Found {
    uint16_t source = 0;  // index of the SNAT address
    uint16_t port = 0;
    const Flow* displaced = nullptr;  // the flow that has the port; else the port is free
  };

  // owner: nullptr when there is one worker; outlives the object.
  SourcePorts(const steer::Owner* owner, unsigned self, uint64_t seed)
      : owner_(owner), self_(self), random_(seed), step_(choose_step()) {}

  // A port from which no flow of `protocol` leads to the pod yet, and which is no listener's: the
  // one that was used longest ago, since the pod may keep the last connection from there in
  // TIME-WAIT; when many ports in a row are in use, any. The order of ports is a secret. Where
  // the NIC spreads packets by hash: one whose answers arrive here, if the search finds one.
  // Where neither the first tries in turn nor those at a random place find a free port: one of a
  // flow that is over, of a flow whose client has proved nothing, or of a UDP flow whose exchange
  // seems over. So floods of SYNs and datagrams displace themselves. nullopt: no port was free in a
  // search of bounded length, which sees nearly every port when few are free. A search that fails
  // is not repeated for kPause.
  std::optional<Found> find(Pod& pod, uint8_t protocol, const Registry& registry, Flows& flows,
                            Time now);

 private:
  // The ports that are tried for one SNAT address. With 95 % of all in use a search of this length
  // fails for two flows in a million.
  static constexpr unsigned kTries = 256;
  // The tries after which a port that is in use will do. With half of the ports in use by flows
  // that go on, the search still finds a free one almost always.
  static constexpr unsigned kTriesForFree = 16;
  // The tries for a port whose answers arrive here, for each worker.
  static constexpr unsigned kTriesToArrive = 8;

  // A search that fails looks at kTries entries: a flood of new flows must not make many of them.
  static constexpr Duration kPause = 10ms;

  // This worker's ports: first, first + workers, and so on.
  struct Share {
    unsigned first, workers, ports;
  };
  struct Search {
    const Pod& pod;
    uint8_t protocol;
    const Registry& registry;
    Flows& flows;
    Time now;
  };
  // A pod's place in the order of the ports.
  struct Turn {
    uint32_t next;
    uint32_t behind_tried;  // of a search that found none: behind all ports that were tried
  };
  Share own_share() const;
  // A number of ports that has no divisor in common with their number: steps of it meet each port.
  unsigned choose_step();
  // Whether no flow and no listener has the port. taken: the flow that has it, or nullptr.
  static bool is_free(uint16_t source, uint16_t port, const Search& s, const Flow** taken);
  // The next free port in turn whose answers arrive here, if it is one of the next few; in_use: one
  // that may be displaced.
  std::optional<Found> find_next(const Search& s, size_t begin, Turn& turn,
                                 std::optional<Found>& in_use) const;
  // As well from the address `begin` and the port `start` on, if one is soon found. With `in_use`
  // set it looks at kTriesForFree ports of each address, or at one more.
  std::optional<Found> find_here(const Search& s, size_t begin, unsigned start,
                                 std::optional<Found>& in_use) const;
  // Keeps a flow in `in_use` whose port may be taken.
  static void offer(const Flow& taken, const Found& found, const Search& s,
                    std::optional<Found>& in_use);
  // A free port, wherever its answers arrive. tries: for each address.
  std::optional<Found> find_anywhere(const Search& s, size_t begin, unsigned start,
                                     unsigned tries) const;

  const steer::Owner* owner_;
  unsigned self_;
  Random random_;
  unsigned step_;  // from one port of the share to the next in turn
};

}  // namespace sluice::l4
