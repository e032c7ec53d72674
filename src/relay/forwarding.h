#pragma once
// What a request tells a pod of its way: Via (RFC 9110, 7.6.3), X-Forwarded-For, Forwarded (RFC
// 7239). Written when the listener says so.

#include <string>

#include "base/address.h"
#include "config/snapshot.h"
#include "http/fields.h"

namespace sluice::relay {

// Of one client's connection: its texts are made once.
class Forwarding {
 public:
  Forwarding(const config::Forwarding& config, const Address& client);

  // Adds this hop behind those that the request names. What stands there is the client's own word:
  // only the last element is ours. Several lines of a field become one, since many readers look at
  // the first only.
  void add_to(http::FieldList& request) const;

 private:
  std::string via_;              // empty: not written
  std::string x_forwarded_for_;  // the same
  std::string forwarded_;        // the same
};

}  // namespace sluice::relay
