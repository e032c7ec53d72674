#pragma once
// Why TLS with a pod failed, as text for operators.

#include <cstdint>

#include "tls/openssl.h"

namespace sluice::tls {

// Behind a call of a client's that failed with SSL_ERROR_SSL, before the queue of errors is
// emptied. The string lives as long as the process.
const char* failure_of(const SSL* ssl);

// Of an alert that a pod sent; as long-lived.
const char* failure_of_alert(uint8_t alert);

// Makes the texts, which takes memory and time: for control, before a worker needs them.
void prepare_failures();

}  // namespace sluice::tls
