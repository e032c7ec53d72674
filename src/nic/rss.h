#pragma once
// Receive-side scaling: the hash by which a device chooses the queue of a frame, and the same hash
// in software.

#include <rte_ethdev.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "buf/slice.h"

namespace sluice::nic {

// Everything that decides the queue of a TCP segment. Filled when the port starts, and not changed
// while it runs.
struct RssState {
  std::vector<uint8_t> key;    // of the Toeplitz hash; empty: not known, as no RSS is used
  bool own_key = false;        // random, and set by Sluice; otherwise the driver's
  std::vector<uint16_t> reta;  // queue by the low bits of the hash; its size is a power of two
  uint64_t types = 0;          // RTE_ETH_RSS_*: the headers that are hashed

  // Whether TCP over that version of IP is hashed with its ports.
  bool hashes_v4() const { return (types & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0; }
  bool hashes_v6() const { return (types & RTE_ETH_RSS_NONFRAG_IPV6_TCP) != 0; }

  bool known() const { return !key.empty() && !reta.empty(); }
  uint16_t queue_of(uint32_t hash) const { return reta[hash & (reta.size() - 1)]; }
};

// A key of the device's size. A random key keeps clients from choosing the worker that they load.
// Empty where the kernel gives no random bytes.
std::vector<uint8_t> random_rss_key(const rte_eth_dev_info& info);

// Asks for RSS in a device's configuration, over IP addresses and TCP and UDP ports. The key has to
// live until the device was configured; some drivers take one only then.
void request_rss(const rte_eth_dev_info& info, std::vector<uint8_t>& key, rte_eth_conf& conf);

// Of a started device: gives it the key if it has another one, and reads key and RETA. info: as the
// device tells it after the start, since some drivers know the size of the RETA only then. Not
// known() when the device does not tell both, or does not hash the ports of TCP.
RssState take_rss(uint16_t device, const rte_eth_dev_info& info, std::vector<uint8_t>& key);

// The hash of a frame that is a TCP segment over IPv4 or IPv6, without fragments or IPv6 extension
// headers: addresses and ports, as RSS takes them. nullopt for any other frame, and for a version
// of IP whose TCP ports the device does not hash.
std::optional<uint32_t> rss_hash(const RssState& rss, buf::View frame);

}  // namespace sluice::nic
