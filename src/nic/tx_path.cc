#include "nic/tx_path.h"

#include "nic/rx_path.h"

namespace sluice::nic {

namespace {

template <TxPath kPath>
std::unique_ptr<EthdevQueue> make(const EthdevQueue::Setup& setup) {
  return std::make_unique<PathQueue<kPath>>(setup);
}

template <bool kIpv4>
std::unique_ptr<EthdevQueue> make_with_checksum(const Traits& traits,
                                                const EthdevQueue::Setup& setup) {
  if (traits.tso && traits.tso_length)
    return make<TxPath{.multi_segment = true,
                       .checksum = true,
                       .ipv4_checksum = kIpv4,
                       .tso = true,
                       .tso_length = true}>(setup);
  if (traits.tso)
    return make<TxPath{
        .multi_segment = true, .checksum = true, .ipv4_checksum = kIpv4, .tso = true}>(setup);
  if (traits.multi_segment)
    return make<TxPath{.multi_segment = true, .checksum = true, .ipv4_checksum = kIpv4}>(setup);
  return make<TxPath{.checksum = true, .ipv4_checksum = kIpv4}>(setup);
}

}  // namespace

std::unique_ptr<EthdevQueue> make_queue(const Traits& traits, const EthdevQueue::Setup& with) {
  EthdevQueue::Setup setup = with;
  setup.receive = choose_receive(traits);
  if (traits.tx_checksum)
    return traits.tx_ipv4_checksum ? make_with_checksum<true>(traits, setup)
                                   : make_with_checksum<false>(traits, setup);
  if (traits.multi_segment) return make<TxPath{.multi_segment = true}>(setup);
  return make<TxPath{}>(setup);
}

}  // namespace sluice::nic
