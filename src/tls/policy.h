#pragma once
// What Sluice allows in either role: Mozilla's "intermediate" and "modern" settings (version 5.7).

#include "tls/openssl.h"

namespace sluice::tls {

// `least`: the lowest version, TLS1_2_VERSION or TLS1_3_VERSION. No renegotiation, no compression,
// no session cache. False: OpenSSL's queue of errors has the reason.
bool apply_policy(SSL_CTX* ctx, int least);

}  // namespace sluice::tls
