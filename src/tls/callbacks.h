#pragma once
// OpenSSL's questions and reports, passed on to the Stream that owns the SSL object.

#include "tls/openssl.h"

namespace sluice::tls {

class Stream;

// To each context of a server, once.
void install_callbacks(SSL_CTX* ctx);
// To each context of a client, once: reports of records, messages and alerts only.
void install_message_callback(SSL_CTX* ctx);
// Binds the object to its stream; nullptr: the callbacks refuse and report nothing.
void set_owner(SSL* ssl, Stream* stream);

}  // namespace sluice::tls
