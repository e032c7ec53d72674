#pragma once
// What the choice of certificate and protocol needs of a ClientHello (RFC 8446, 4.1.2), read from
// the raw extensions before OpenSSL looks at them.

#include <optional>
#include <string_view>

#include "buf/slice.h"

namespace sluice::tls {

// The content of a server_name extension (RFC 6066, 3): the host name. nullopt when it is
// malformed. An empty name and a name with a NUL are malformed.
std::optional<std::string_view> server_name_of(buf::View extension);

// Whether the content of an ALPN extension is well-formed (RFC 7301, 3.1): one name or more, none
// of them empty.
bool lists_protocols(buf::View extension);

// Whether the content of an ALPN extension (RFC 7301, 3.1) lists the protocol.
bool offers_protocol(buf::View extension, std::string_view protocol);
// Whether it lists one of these, which are as on the wire: each behind a byte with its length.
bool offers_one_of(buf::View extension, std::string_view protocols);

}  // namespace sluice::tls
