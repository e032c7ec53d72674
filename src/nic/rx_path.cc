#include "nic/rx_path.h"

#include <cstring>

namespace sluice::nic {

bool gather_headers(rte_mbuf& m, uint32_t size) {
  size = std::min(size, m.pkt_len);
  if (m.data_len >= size) return true;
  if (rte_pktmbuf_tailroom(&m) < size - m.data_len) return false;
  for (rte_mbuf* from = m.next; m.data_len < size; from = from->next) {
    const auto n = static_cast<uint16_t>(std::min<uint32_t>(size - m.data_len, from->data_len));
    std::memcpy(rte_pktmbuf_mtod_offset(&m, uint8_t*, m.data_len), rte_pktmbuf_mtod(from, uint8_t*),
                n);
    m.data_len = static_cast<uint16_t>(m.data_len + n);
    from->data_off = static_cast<uint16_t>(from->data_off + n);
    from->data_len = static_cast<uint16_t>(from->data_len - n);
  }
  return true;
}

EthdevQueue::Receive choose_receive(const Traits& traits) {
  const bool chains = traits.lro || traits.scatter;
  if (traits.rx_checksum)
    return chains ? receive_burst<RxPath{.checksum = true, .chains = true}>
                  : receive_burst<RxPath{.checksum = true}>;
  return chains ? receive_burst<RxPath{.chains = true}> : receive_burst<RxPath{}>;
}

}  // namespace sluice::nic
