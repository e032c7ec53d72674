// The machine of fuzz_forwarder.cc with random input, for builds without libFuzzer.

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "forwarder_machine.h"

namespace sluice::l4 {
namespace {

TEST(RandomFrames, leave_only_as_the_configuration_explains) {
  buf::TestPool rx("l4_rx", 63), hold("l4_hold", 255);
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Random random(seed);
    std::vector<uint8_t> input(4096);
    for (uint8_t& b : input) b = static_cast<uint8_t>(random.next());
    ForwarderMachine(rx, hold).run(input);
  }
}

}  // namespace
}  // namespace sluice::l4
