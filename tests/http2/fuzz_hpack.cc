// libFuzzer's entry: HPACK beside nghttp2's. Clang only, see meson.build.

#include <cstdio>

#include "hpack_machine.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = sluice::http2::HpackMachine({data, size}).run();
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    __builtin_trap();
  }
  return 0;
}
