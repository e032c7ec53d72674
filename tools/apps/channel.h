// How the lab's clients reach a target: over cleartext, or over TLS.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace sluice::lab {

struct Security {
  std::string ca_file;  // PEM, of the server's certificate; empty: cleartext
  std::string name;     // that the certificate must have, and that SNI and :authority say
};

// Throws std::runtime_error when the file cannot be read. Sets the name in `arguments`.
std::shared_ptr<grpc::Channel> make_channel(const std::string& target, const Security& security,
                                            grpc::ChannelArguments& arguments);

}  // namespace sluice::lab
