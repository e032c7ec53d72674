#pragma once
// Owners of OpenSSL's objects, and its error queue as text.

#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace sluice::tls {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* t) const {
    kFree(t);
  }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using CtxPtr = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;
using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;

// The reasons in this thread's error queue, the first one first. Empties the queue.
std::string take_errors();

// In hexadecimal.
std::string sha256(std::string_view bytes);

// For PEM_read_bio_*(): a file with a passphrase is refused, since nobody is there to type it.
inline int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace sluice::tls
