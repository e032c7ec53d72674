#include "relay/grpc.h"

#include <array>

namespace sluice::relay {

void append_grpc_status(http::FieldList& out, std::string_view status, std::string_view message) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr size_t kMaxMessage = 128;  // bytes before encoding; our own messages are shorter
  std::array<char, 3 * kMaxMessage> encoded;
  size_t n = 0;
  for (const char c : message.substr(0, kMaxMessage)) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded[n++] = c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded[n++] = '%';
      encoded[n++] = kHex[byte >> 4];
      encoded[n++] = kHex[byte & 15];
    }
  }
  out.add(http::Name::kGrpcStatus, status);
  out.add(http::Name::kGrpcMessage, std::string_view(encoded.data(), n));
}

void append_answer(http::FieldList& out, bool grpc, const Verdict& verdict,
                   std::string_view message) {
  if (!grpc) {
    out.add(http::Name::kStatus, verdict.http_status);
    out.add(http::Name::kContentLength, "0");
    return;
  }
  out.add(http::Name::kStatus, "200");
  out.add(http::Name::kContentType, "application/grpc");
  append_grpc_status(out, verdict.grpc_status, message);
}

}  // namespace sluice::relay
