#pragma once
// OpenSSL's way to a stream's lower stream: it reads the bytes that are arriving, and writes
// records to the lower output.

#include "tls/openssl.h"

namespace sluice::tls {

class Stream;

// The stream outlives the BIO. nullptr without memory.
BioPtr make_bio(Stream& stream);

}  // namespace sluice::tls
