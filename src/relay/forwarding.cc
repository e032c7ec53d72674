#include "relay/forwarding.h"

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

}  // namespace

Forwarding::Forwarding(const config::Forwarding& config, const Address& client) {
  if (!config.via.empty()) via_ = config.via;
  const std::string address = client.str();
  if (config.x_forwarded_for) x_forwarded_for_ = address;
  if (config.forwarded) {
    // RFC 7239, 6: an IPv6 address is quoted, and in brackets.
    const bool v6 = address.find(':') != std::string::npos;
    forwarded_ = "for=" + (v6 ? "\"[" + address + "]\"" : address) + ";proto=http";
  }
}

void Forwarding::add_to(FieldList& request, const char* received_protocol) const {
  if (!via_.empty()) {
    thread_local std::string via;
    via.assign(received_protocol).append(" ").append(via_);
    append(request, Name::kVia, via);
  }
  if (!x_forwarded_for_.empty()) append(request, Name::kXForwardedFor, x_forwarded_for_);
  if (!forwarded_.empty()) append(request, Name::kForwarded, forwarded_);
}

}  // namespace sluice::relay
