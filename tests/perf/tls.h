#pragma once
// The certificate of a simulated listener.

#include <memory>
#include <vector>

#include "tls/certificates.h"
#include "tls/credential.h"
#include "tls/server_contexts.h"

namespace sluice::perf {

// Keys and randoms differ from run to run. The instructions of records depend on neither, and the
// handshakes come before those that are counted.
inline std::shared_ptr<const tls::ServerContexts> make_contexts() {
  const test::Issued leaf = test::issue("server", {"DNS:a.example"}, nullptr);
  const test::Directory files;
  tls::FileError error;
  std::vector<tls::Credential> credentials;
  credentials.push_back(*tls::read_credential(files.write("a.pem", leaf.pem()),
                                              files.write("a.key", leaf.key_pem()), error));
  config::TlsServer settings;
  settings.certificates.push_back(credentials[0].facts);
  tls::ServerContexts::Error why;
  return tls::ServerContexts::make(settings, credentials, nullptr, "perf", 1, why);
}

}  // namespace sluice::perf
