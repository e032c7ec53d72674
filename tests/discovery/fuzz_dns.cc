// Answers of DNS servers.

#include <cstdint>

#include "discovery/dns/answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::discovery::dns;
  for (const Type type : {Type::kA, Type::kAaaa, Type::kSrv})
    static_cast<void>(read_answer({data, size}, "a.test", type));
  return 0;
}
