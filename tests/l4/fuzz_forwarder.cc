// libFuzzer's entry: clang only, see tests/l4/meson.build.

#include <rte_eal.h>

#include <cstdio>
#include <iterator>
#include <span>

#include "forwarder_machine.h"
#include "twins.h"

namespace {
rte_mempool* rx = nullptr;
rte_mempool* hold = nullptr;
}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* options[] = {"fuzz",     "--no-huge", "--no-pci",       "--no-shconf", "-m",   "64",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  rx = sluice::buf::make_pool("rx", 1023, 2048 + 128, -1);
  hold = sluice::buf::make_pool("hold", 1023, 2048 + 128, -1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const unsigned before = rte_mempool_avail_count(rx) + rte_mempool_avail_count(hold);
  {
    sluice::buf::Pool receive(rx), keep(hold);
    // The first byte chooses between the forwarder alone, and its two paths side by side.
    const std::span input{data, size};
    if (size > 0 && data[0] % 2 == 1) {
      sluice::l4::Twins(receive, keep).run(input.subspan(1));
    } else {
      sluice::l4::ForwarderMachine(receive, keep).run(input.subspan(size > 0 ? 1 : 0));
    }
  }
  if (rte_mempool_avail_count(rx) + rte_mempool_avail_count(hold) != before) __builtin_trap();
  return 0;
}
