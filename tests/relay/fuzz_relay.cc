// libFuzzer's entry: the whole relay between hostile clients and hostile pods. Clang only, see
// meson.build.

#include <rte_eal.h>

#include <iterator>

#include "relay_machine.h"

namespace {
sluice::relay::RelayMachine::Rooms* rooms = nullptr;
}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* options[] = {"fuzz",     "--no-huge", "--no-pci",       "--no-shconf", "-m",   "128",
                           "--lcores", "0",         "--no-telemetry", "--log-level", "error"};
  if (rte_eal_init(static_cast<int>(std::size(options)), const_cast<char**>(options)) < 0) return 1;
  rooms = new sluice::relay::RelayMachine::Rooms;  // to the end of the process
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::relay::RelayMachine(*rooms, {data, size}).run();
  sluice::http2::must(rooms->buffers.rx.available() == rooms->buffers.rx.size() &&
                          rooms->buffers.hold.available() == rooms->buffers.hold.size(),
                      "all buffers come back");
  return 0;
}
