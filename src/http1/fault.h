#pragma once
// Why a message is refused.

#include <cstdint>

namespace sluice::http1 {

struct Fault {
  // The status of the answer (RFC 9110, 15.5 and 15.6), where the message is a request.
  uint16_t status = 0;  // 0: no fault
  const char* what = "";

  explicit operator bool() const { return status != 0; }
};

constexpr Fault bad(const char* what) {
  return {400, what};
}

}  // namespace sluice::http1
