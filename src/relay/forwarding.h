#pragma once
// The fields that tell a pod how a request came: Via (RFC 9110, 7.6.3), X-Forwarded-For,
// X-Forwarded-Proto, Forwarded (RFC 7239). They are written when the listener says so.

#include <string>
#include <string_view>

#include "base/address.h"
#include "config/snapshot.h"
#include "http/fields.h"

namespace sluice::relay {

// The fields of one client's connection: their texts are made once.
class Forwarding {
 public:
  // Of a client that speaks cleartext.
  Forwarding(const config::Forwarding& config, const Address& client)
      : Forwarding(config, client, kCleartext, {}) {}
  // certificate: the client's, as x-forwarded-client-cert has it; empty: none.
  enum Security : uint8_t { kCleartext, kTls };
  Forwarding(const config::Forwarding& config, const Address& client, Security security,
             std::string_view certificate);

  // Appends this hop to the hops that the request names. Those were written by the client and prove
  // nothing: only the last element is ours. Several lines of a field are joined to one, since many
  // readers look at the first only. X-Forwarded-Proto has one value, so the client's is replaced.
  // Behind TLS, the client's x-forwarded-client-cert is removed:
  // only the value from its verified certificate reaches pods. A request of HTTP/1.1 behind TLS
  // gets the scheme https. received_protocol: the version of the request, "1.1" or "2.0".
  void add_to(http::FieldList& request, const char* received_protocol) const;

 private:
  std::string via_;              // the name; empty: not written
  std::string x_forwarded_for_;  // empty: not written
  bool x_forwarded_proto_;
  std::string forwarded_;  // empty: not written
  const Security security_;
  std::string certificate_;  // empty: not written
};

}  // namespace sluice::relay
