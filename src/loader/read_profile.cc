#include "loader/reading.h"

namespace sluice::loader {
namespace {

void read_match(Table& profile, config::NicMatch& match) {
  auto t = profile.table("match");
  if (!t) return;
  t->strings("drivers", match.drivers);
  t->strings("pci", match.pci);
  t->strings("kernel_drivers", match.kernel_drivers);
  t->strings("buses", match.buses);
  t->finish();
}

}  // namespace

config::NicProfile read_profile(const Document& document, Mistakes& mistakes) {
  using config::Flows;
  config::NicProfile p;
  Table t(document, document.root(), "a file of nic_profiles", mistakes);
  p.name = document.path().stem().string();
  t.string("name", p.name);
  t.boolean("multi_segment", p.multi_segment);
  t.boolean("tx_checksum", p.tx_checksum);
  t.boolean("tso", p.tso);
  t.boolean("tso_length", p.tso_length);
  t.boolean("rx_checksum", p.rx_checksum);
  t.boolean("lro", p.lro);
  t.boolean("scatter", p.scatter);
  t.boolean("unoffered", p.unoffered);
  t.boolean("rx_interrupts", p.rx_interrupts);
  if (const auto flows =
          t.choice("flows", {config::text_of(Flows::kNone), config::text_of(Flows::kRss),
                             config::text_of(Flows::kReturnsWhereSent)}))
    p.flows = static_cast<Flows>(*flows);
  t.boolean("dense_pool", p.dense_pool);
  t.boolean("tx_from_rx_pool", p.tx_from_rx_pool);
  t.boolean("copies_in_process", p.copies_in_process);
  t.integer("rx_offset", p.rx_offset, 0, 1024);
  t.integer("max_mtu", p.max_mtu, 576, kLargestMtu);
  t.integer("max_queues", p.max_queues, 1, 1024);
  t.integer("rx_descriptors", p.rx_descriptors, 32, 32'768);
  t.integer("rx_rings", p.rx_rings, 1, 3);
  t.integer("tx_descriptors", p.tx_descriptors, 32, 32'768);
  t.integer("tx_burst", p.tx_burst, 1, 1024);
  t.integer("tx_segments", p.tx_segments, 2, 64);
  t.integer("tso_least", p.tso_least, 0, 1024);
  read_match(t, p.match);
  t.finish();
  return p;
}

}  // namespace sluice::loader
