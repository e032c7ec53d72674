#include <fmt/format.h>

#include "base/address.h"
#include "loader/reading.h"

namespace sluice::loader {

void read_dns(Table& root, Reading& reading) {
  auto t = root.table("dns");
  if (!t) return;
  std::vector<std::string> servers;
  t->strings("servers", servers);
  for (const std::string& text : servers) {
    // A server without a port listens on DNS' own.
    if (Address::parse(text) || Endpoint::parse(text)) {
      reading.dns.servers.push_back(text);
    } else {
      t->mistake("servers", fmt::format("\"{}\" is not an address, with or without a port", text));
    }
  }
  t->duration("max_ttl", reading.dns.max_ttl, 1s, 1h);
  t->finish();
}

}  // namespace sluice::loader
