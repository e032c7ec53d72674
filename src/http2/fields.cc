#include "http2/fields.h"

#include <array>
#include <utility>

namespace sluice::http2 {
namespace {

constexpr std::array<std::pair<std::string_view, Name>, 24> kNames{{
    {":authority", Name::kAuthority},
    {":method", Name::kMethod},
    {":path", Name::kPath},
    {":scheme", Name::kScheme},
    {":status", Name::kStatus},
    {":protocol", Name::kProtocol},
    {"connection", Name::kConnection},
    {"content-length", Name::kContentLength},
    {"content-type", Name::kContentType},
    {"cookie", Name::kCookie},
    {"expect", Name::kExpect},
    {"forwarded", Name::kForwarded},
    {"grpc-encoding", Name::kGrpcEncoding},
    {"grpc-message", Name::kGrpcMessage},
    {"grpc-status", Name::kGrpcStatus},
    {"grpc-timeout", Name::kGrpcTimeout},
    {"host", Name::kHost},
    {"keep-alive", Name::kKeepAlive},
    {"proxy-connection", Name::kProxyConnection},
    {"te", Name::kTe},
    {"transfer-encoding", Name::kTransferEncoding},
    {"upgrade", Name::kUpgrade},
    {"via", Name::kVia},
    {"x-forwarded-for", Name::kXForwardedFor},
}};

}  // namespace

Name name_of(std::string_view name) {
  for (const auto& [text, id] : kNames)
    if (text.size() == name.size() && text == name) return id;
  return Name::kOther;
}

std::string_view text_of(Name name) {
  return name == Name::kOther ? std::string_view{} : kNames[static_cast<size_t>(name) - 1].first;
}

}  // namespace sluice::http2
