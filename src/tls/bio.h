#pragma once
// OpenSSL's way to the owner of an SSL object: it reads the bytes that are arriving, and writes
// records.

#include "tls/openssl.h"

namespace sluice::tls {

// Has no owner before set_owner(). nullptr without memory.
BioPtr make_bio();

}  // namespace sluice::tls
