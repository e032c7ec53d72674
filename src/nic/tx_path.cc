#include "nic/tx_path.h"

#include "nic/rx_path.h"

namespace sluice::nic {

std::unique_ptr<EthdevQueue> make_queue(const Traits& traits, const EthdevQueue::Setup& with) {
  EthdevQueue::Setup setup = with;
  setup.receive = choose_receive(traits);
  if (traits.tso)
    return std::make_unique<
        PathQueue<TxPath{.multi_segment = true, .checksum = true, .tso = true}>>(setup);
  if (traits.tx_checksum && traits.multi_segment)
    return std::make_unique<PathQueue<TxPath{.multi_segment = true, .checksum = true}>>(setup);
  if (traits.multi_segment)
    return std::make_unique<PathQueue<TxPath{.multi_segment = true}>>(setup);
  if (traits.tx_checksum) return std::make_unique<PathQueue<TxPath{.checksum = true}>>(setup);
  return std::make_unique<PathQueue<TxPath{}>>(setup);
}

}  // namespace sluice::nic
