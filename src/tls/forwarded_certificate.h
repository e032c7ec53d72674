#pragma once
// A client's certificate as pods are told of it: the field x-forwarded-client-cert, in Envoy's
// form.

#include <string>

#include "tls/openssl.h"

namespace sluice::tls {

// Such as Hash=...;Subject="CN=client";URI=spiffe://a/b;DNS=client.example. Names with characters
// that the form gives a meaning, or that a field must not have, are left out.
std::string forwarded_certificate(X509& certificate);

}  // namespace sluice::tls
