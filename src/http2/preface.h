#pragma once
// The client's connection preface (RFC 9113, 3.4).

#include <string_view>

namespace sluice::http2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace sluice::http2
