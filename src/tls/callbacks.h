#pragma once
// OpenSSL's questions and reports, passed on to the owner of the SSL object (tls/ssl_owner.h).

#include "tls/openssl.h"

namespace sluice::tls {

// To each context of a server, once.
void install_callbacks(SSL_CTX* ctx);
// To each context of a client, once: reports of records, messages and alerts only.
void install_message_callback(SSL_CTX* ctx);

}  // namespace sluice::tls
