#pragma once
// The present owner of an SSL object: the Handshake, and then the Stream. OpenSSL's bytes,
// questions and reports go to it.

#include <cstdint>
#include <string_view>

#include "buf/slice.h"
#include "tls/openssl.h"

namespace sluice::tls {

class TicketKeys;

class SslOwner {
 public:
  // Moves received bytes to OpenSSL; 0: there are none now.
  virtual uint32_t take_received(uint8_t* to, uint32_t n) = 0;
  // Takes bytes of a record that OpenSSL made. False: no memory; the connection has to end.
  virtual bool put_record(buf::View bytes) = 0;
  // A record header, a message or an alert was sent or received (SSL_CTX_set_msg_callback(3)).
  virtual void on_message(bool sent, int type, buf::View bytes) = 0;
  // A line of the key log (SSL_CTX_set_keylog_callback(3)).
  virtual void on_secret(std::string_view /*line*/) {}
  // False, with an alert: the handshake ends.
  virtual bool on_client_hello(int& /*alert*/) { return false; }
  // ServerContexts::alpn() of a server.
  virtual std::string_view alpn() const { return {}; }
  // Of the thread that makes the handshake (tls/library.h).
  virtual OSSL_LIB_CTX* library() const { return nullptr; }
  // nullptr: no tickets.
  virtual const TicketKeys* ticket_keys() const { return nullptr; }

 protected:
  ~SslOwner() = default;
};

// Gives the object a new owner. The object has a BIO of make_bio().
void set_owner(SSL* ssl, SslOwner& owner);

}  // namespace sluice::tls
