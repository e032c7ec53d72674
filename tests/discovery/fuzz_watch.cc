// An API server that sends anything, cut anywhere. The store may hold what it likes, but the state
// machine has to be in a state from which a good list repairs everything.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "discovery/kubernetes/endpoint_slices.h"
#include "discovery/kubernetes/list_watch.h"

using namespace sluice;
using namespace sluice::discovery::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  SliceStore store;
  EndpointSlices kind(store, "", [](const std::string&) {});
  ListWatch state("/slices", kind, 1);
  Time now(std::chrono::hours(1));
  const auto answer = [&](unsigned status, std::string_view body, size_t piece, bool whole) {
    state.target();
    state.head(now, status, {});
    bool wanted = true;
    for (size_t at = 0; wanted && at < body.size(); at += piece)
      wanted = state.body(now, body.substr(at, piece));
    state.end(now, whole && wanted, "cut");
    now += std::chrono::seconds(1);
  };
  constexpr std::string_view kList =
      R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"},"items":[]})";
  // The first bytes of each answer are its status, the size of pieces, its end, and its length.
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  answer(200, kList, kList.size(), true);
  while (rest.size() >= 4) {
    constexpr unsigned kStatus[] = {200, 200, 200, 401, 410, 500};
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(rest[i]); };
    const unsigned status = kStatus[byte(0) % std::size(kStatus)];
    const size_t piece = byte(1) + size_t{1}, length = size_t{byte(3)} * 8;
    const bool whole = byte(2) % 2 == 0;
    rest.remove_prefix(4);
    answer(status, rest.substr(0, length), piece, whole);
    rest.remove_prefix(std::min(length, rest.size()));
  }
  // A watch that is told to begin anew, then a list: nothing of before is left.
  answer(410, "", 1, true);
  answer(410, "", 1, true);
  answer(200, kList, 7, true);
  if (!state.watching() || store.size() != 0) std::abort();
  return 0;
}
