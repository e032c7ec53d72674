// libFuzzer: any bytes as the beginning of a connection with TLS. Whatever the cuts, the reader
// comes to the same end, within its bound; a name that it finds is a name.

#include <algorithm>

#include "tls/hello_reader.h"

using namespace sluice;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = data[0] % 64 + size_t{1};
  const uint32_t limit = 64u + data[1] * 16u;
  const buf::View all(data + 2, size - 2);
  using State = tls::HelloReader::State;
  tls::HelloReader whole(limit), cut(limit);
  whole.read(all);
  for (size_t at = 0; at < all.size() && cut.state() == State::kMore; at += piece)
    cut.read(all.subspan(at, std::min(piece, all.size() - at)));
  require(whole.state() == cut.state());
  require(whole.server_name() == cut.server_name());
  if (all.size() > limit) require(whole.state() != State::kMore);
  const std::string& name = whole.server_name();
  require(name.size() <= 255 && name.find('\0') == std::string::npos);
  if (whole.state() != State::kWhole) require(name.empty());
  return 0;
}
