// The kernel's answers to a request for its routes (netlink): datagrams that are cut anywhere. The
// first byte says after how many bytes a datagram ends.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "discovery/kernel_routes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::discovery;
  if (size == 0) return 0;
  const size_t step = data[0] == 0 ? size : size_t{data[0]} * 8;
  std::span<const uint8_t> rest(data + 1, size - 1);
  RouteDump dump;
  dump.begin(7);
  while (!rest.empty()) {
    const size_t n = std::min(step, rest.size());
    dump.read(rest.first(n));
    rest = rest.subspan(n);
  }
  const auto routes = dump.routes();
  if (routes.size() > kMostRoutes) std::abort();
  for (const GatewayRoute& r : routes)
    if (r.to.address.is_v4() != r.via.is_v4() || r.to.length > 128) std::abort();
  return 0;
}
