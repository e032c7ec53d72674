#pragma once
// Reads endpoints from tables.

#include <optional>
#include <string_view>

#include "base/address.h"
#include "loader/document.h"
#include "loader/endpoints.h"
#include "loader/reading.h"

namespace sluice::loader {

// "address:port" under `key`, which is required.
std::optional<Endpoint> read_endpoint(Table& t, std::string_view key);
// What forbids an address as one of a listener or a source: "unspecified", "multicast", "loopback"
// or "broadcast"; empty: nothing.
std::string_view unusable(const Address& address);
// `endpoints` of a [[service]]: a list, or a table that names a file with one.
void read_endpoints(Table& service, Reading& reading, ServiceEndpoints& out);

}  // namespace sluice::loader
