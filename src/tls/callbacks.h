#pragma once
// OpenSSL's questions and reports, passed on to the owner of the SSL object (tls/ssl_owner.h).

#include "tls/openssl.h"

namespace sluice::tls {

// To each context of a server, once.
void install_callbacks(SSL_CTX* ctx);
// To each context of a client, once: reports of records, messages, alerts and secrets only.
void install_reports(SSL_CTX* ctx);

}  // namespace sluice::tls
