#include "nic/rss.h"

#include <rte_thash.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

#include "base/byte_order.h"

namespace sluice::nic {
namespace {

constexpr uint64_t kTypes = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
constexpr uint64_t kTcp = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
constexpr size_t kKeySize = 40;  // bytes, where the driver does not name a size

size_t key_size(const rte_eth_dev_info& info) {
  return info.hash_key_size == 0 ? kKeySize : info.hash_key_size;
}

// The device's key and its types of hashes. An empty key: the driver does not tell.
struct Hashing {
  std::vector<uint8_t> key;
  uint64_t types = 0;
};
Hashing read_hashing(uint16_t device, size_t size) {
  Hashing read{std::vector<uint8_t>(size)};
  rte_eth_rss_conf conf{};
  conf.rss_key = read.key.data();
  conf.rss_key_len = static_cast<uint8_t>(size);
  if (rte_eth_dev_rss_hash_conf_get(device, &conf) != 0) return {};
  // A driver that does not read the key back leaves zeros, with which all hashes are zero.
  if (std::all_of(read.key.begin(), read.key.end(), [](uint8_t b) { return b == 0; })) return {};
  read.types = conf.rss_hf;
  return read;
}

// For a driver that took no key with the configuration.
void set_key(uint16_t device, std::vector<uint8_t>& key, uint64_t types) {
  rte_eth_rss_conf conf{};
  conf.rss_key = key.data();
  conf.rss_key_len = static_cast<uint8_t>(key.size());
  conf.rss_hf = types;
  rte_eth_dev_rss_hash_update(device, &conf);
}

std::vector<uint16_t> read_reta(uint16_t device, uint16_t size) {
  if (size == 0 || (size & (size - 1)) != 0) return {};
  std::vector<rte_eth_rss_reta_entry64> groups((size + RTE_ETH_RETA_GROUP_SIZE - 1) /
                                               RTE_ETH_RETA_GROUP_SIZE);
  for (auto& g : groups) g.mask = UINT64_MAX;
  if (rte_eth_dev_rss_reta_query(device, groups.data(), size) != 0) return {};
  std::vector<uint16_t> reta;
  for (uint16_t i = 0; i < size; ++i)
    reta.push_back(groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE]);
  return reta;
}

}  // namespace

std::vector<uint8_t> random_rss_key(const rte_eth_dev_info& info) {
  std::vector<uint8_t> key(key_size(info));
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) key.clear();
  return key;
}

void request_rss(const rte_eth_dev_info& info, std::vector<uint8_t>& key, rte_eth_conf& conf) {
  if (info.flow_type_rss_offloads == 0) return;
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
  conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & kTypes;
  if (key.empty()) return;
  conf.rx_adv_conf.rss_conf.rss_key = key.data();
  conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<uint8_t>(key.size());
}

RssState take_rss(uint16_t device, const rte_eth_dev_info& info, std::vector<uint8_t>& key) {
  RssState rss;
  Hashing now = read_hashing(device, key_size(info));
  if (!key.empty() && now.key != key) {
    set_key(device, key, info.flow_type_rss_offloads & kTypes);
    now = read_hashing(device, key_size(info));
  }
  rss.own_key = !key.empty() && now.key == key;
  if ((now.types & kTcp) == 0) return rss;
  rss.key = std::move(now.key);
  rss.types = now.types;
  rss.reta = read_reta(device, info.reta_size);
  return rss;
}

std::optional<uint32_t> rss_hash(const RssState& rss, buf::View frame) {
  constexpr size_t kEthernet = 14;
  constexpr uint8_t kTcpProtocol = 6;
  constexpr size_t kTcpHeader = 20;  // a NIC need not take a shorter one for TCP
  if (frame.size() < kEthernet + 20) return std::nullopt;
  const uint16_t type = load_be16(&frame[12]);
  const uint8_t* ip = &frame[kEthernet];
  size_t addresses = 0, size = 0, ports = 0;
  uint64_t hashed = 0;
  if (type == 0x0800) {
    const bool fragment = (load_be16(ip + 6) & 0x3fff) != 0;  // MF, or an offset
    const size_t header = size_t{4} * (ip[0] & 0xf);
    if (ip[9] != kTcpProtocol || fragment) return std::nullopt;
    if (ip[0] >> 4 != 4 || header < 20 || load_be16(ip + 2) < header + kTcpHeader)
      return std::nullopt;
    addresses = kEthernet + 12;
    size = 8;
    ports = kEthernet + header;
    hashed = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
  } else if (type == 0x86dd) {
    if (ip[0] >> 4 != 6 || ip[6] != kTcpProtocol || load_be16(ip + 4) < kTcpHeader)
      return std::nullopt;
    addresses = kEthernet + 8;
    size = 32;
    ports = kEthernet + 40;
    hashed = RTE_ETH_RSS_NONFRAG_IPV6_TCP;
  }
  if ((rss.types & hashed) == 0 || frame.size() < ports + kTcpHeader) return std::nullopt;
  // The words in host order, as rte_softrss() takes them.
  std::array<uint32_t, 9> tuple;
  uint32_t words = 0;
  for (size_t at = 0; at < size; at += 4) tuple[words++] = load_be32(&frame[addresses + at]);
  tuple[words++] = load_be32(&frame[ports]);
  return rte_softrss(tuple.data(), words, rss.key.data());
}

}  // namespace sluice::nic
