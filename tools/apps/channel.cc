#include "channel.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace sluice::lab {

std::shared_ptr<grpc::Channel> make_channel(const std::string& target, const Security& security,
                                            grpc::ChannelArguments& arguments) {
  if (security.ca_file.empty())
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  std::ifstream in(security.ca_file);
  if (!in) throw std::runtime_error(security.ca_file + " cannot be read");
  grpc::SslCredentialsOptions options;
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(in), {});
  if (!security.name.empty()) arguments.SetSslTargetNameOverride(security.name);
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(options), arguments);
}

}  // namespace sluice::lab
