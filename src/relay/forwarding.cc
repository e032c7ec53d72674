#include "relay/forwarding.h"

#include <algorithm>

#include "http/validation.h"

namespace sluice::relay {
namespace {

using http::FieldList;
using http::Name;

void append(FieldList& request, Name name, std::string_view hop) {
  if (!request.find(name)) [[likely]] {
    request.add(name, hop);
    return;
  }
  thread_local FieldList rest;
  thread_local std::string hops;
  rest.clear();
  hops.clear();
  for (const http::Field f : request) {
    if (f.id != name) {
      rest.add(f.name, f.value, f.id, f.never_indexed);
    } else if (!f.value.empty()) {
      hops.append(f.value).append(", ");
    }
  }
  hops += hop;
  rest.add(name, hops);
  request.swap(rest);
}

constexpr std::string_view kClientCertificate = "x-forwarded-client-cert";
constexpr std::string_view kForwardedProto = "x-forwarded-proto";

void remove(FieldList& request, std::string_view name) {
  bool there = false;
  for (const http::Field f : request) there |= http::same_variable(f.name, name);
  if (!there) [[likely]]
    return;
  thread_local FieldList rest;
  rest.clear();
  for (const http::Field f : request)
    if (!http::same_variable(f.name, name)) rest.add(f.name, f.value, f.id, f.never_indexed);
  request.swap(rest);
}

}  // namespace

Forwarding::Forwarding(const config::Forwarding& config, const Address& client, Security security,
                       std::string_view certificate)
    : x_forwarded_proto_(config.x_forwarded_proto), security_(security), certificate_(certificate) {
  if (!config.via.empty()) via_ = config.via;
  const std::string address = client.str();
  if (config.x_forwarded_for) x_forwarded_for_ = address;
  if (config.forwarded) {
    // RFC 7239, 6: an IPv6 address is quoted, and in brackets.
    const bool v6 = address.find(':') != std::string::npos;
    forwarded_ = "for=" + (v6 ? "\"[" + address + "]\"" : address) +
                 (security == kTls ? ";proto=https" : ";proto=http");
  }
}

void Forwarding::add_to(FieldList& request, const char* received_protocol) const {
  if (security_ == kTls) {
    // A request of HTTP/1.1 says no scheme, so the connection does (RFC 9112, 3.3).
    if (received_protocol[0] == '1' && request.has(Name::kScheme))
      request.replace(Name::kScheme, "https");
    remove(request, kClientCertificate);
    if (!certificate_.empty()) request.add(kClientCertificate, certificate_);
  }
  if (!via_.empty()) {
    thread_local std::string via;
    via.assign(received_protocol).append(" ").append(via_);
    append(request, Name::kVia, via);
  }
  if (!x_forwarded_for_.empty()) append(request, Name::kXForwardedFor, x_forwarded_for_);
  if (x_forwarded_proto_) {
    remove(request, kForwardedProto);
    request.add(kForwardedProto, security_ == kTls ? "https" : "http");
  }
  if (!forwarded_.empty()) append(request, Name::kForwarded, forwarded_);
}

}  // namespace sluice::relay
