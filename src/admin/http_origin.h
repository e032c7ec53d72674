#pragma once
// The Host and Origin of requests to the admin HTTP server. A page of a stranger, in a browser on
// this host, could else read it: under a name of its own that leads to loopback (DNS rebinding), or
// from its own origin (RFC 6454).

#include <string_view>

#include "config/admin_http.h"

namespace sluice::admin {

// A Host field (RFC 9110, 7.2), with or without the server's port: its address, localhost, or one
// of settings.hosts with any port, since something may stand in front.
bool is_own_host(std::string_view host, const config::AdminHttp& settings);
// An Origin field: http:// and such a host, or https:// and one of settings.hosts, in front of
// which something may end TLS.
bool is_own_origin(std::string_view origin, const config::AdminHttp& settings);

}  // namespace sluice::admin
