// libFuzzer's entry: one HTTP/2 connection in either role. Clang only, see meson.build.

#include <rte_eal.h>

#include <iterator>

#include "frame_machine.h"

namespace {
rte_mempool* rx = nullptr;
rte_mempool* hold = nullptr;
}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* options[] = {"fuzz",     "--no-huge", "--no-pci",       "--no-shconf", "-m",   "64",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  rx = sluice::buf::make_pool("rx", 1023, 2048 + 128, -1);
  hold = sluice::buf::make_pool("hold", 4095, 2048 + 128, -1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::http2::FrameMachine(rx, hold, {data, size}).run();
  sluice::http2::must(rte_mempool_in_use_count(rx) + rte_mempool_in_use_count(hold) == 0,
                      "all buffers come back");
  return 0;
}
