#include <algorithm>

#include <fmt/format.h>

#include "loader/read_endpoints.h"
#include "loader/reading.h"

namespace sluice::loader {
namespace {

bool is_loopback(const Address& a) {
  static const Prefix kV4 = *Prefix::parse("127.0.0.0/8");
  static const Address kV6 = *Address::parse("::1");
  return kV4.contains(a) || a == kV6;
}

}  // namespace

void read_admin(Table& root, Reading& reading) {
  auto t = root.table("admin");
  if (!t) return;
  if (const auto address = read_endpoint(*t, "http")) {
    reading.admin_http.address = address;
    if (!is_loopback(address->address))
      t->mistake("http", fmt::format("http = \"{}\" is no address of loopback, like "
                                     "\"127.0.0.1:9464\"; beyond it the server would need TLS and "
                                     "a token, which it does not have",
                                     address->str()));
  }
  std::vector<std::string>& hosts = reading.admin_http.hosts;
  t->strings("hosts", hosts);
  for (std::string& host : hosts) {
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const bool v6 = host.starts_with('[');
    if (host.empty() || host.find('/') != std::string::npos ||
        (!v6 && host.find(':') != std::string::npos))
      t->mistake("hosts", fmt::format("\"{}\" is not a name or an address without a port", host));
  }
  t->finish();
}

}  // namespace sluice::loader
