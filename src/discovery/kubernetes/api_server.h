#pragma once
// The address of an API server, and the credentials that Sluice shows there.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace sluice::discovery::kubernetes {

// A token, certificate or key: as text, or in a file that is read at each use, since such files are
// replaced while they are in use.
struct Secret {
  std::string text;
  std::filesystem::path file;

  bool given() const { return !text.empty() || !file.empty(); }
  // Without white space at the end. Throws std::runtime_error with the file and the reason.
  std::string read() const;
  bool operator==(const Secret&) const = default;
};

struct ApiServer {
  bool tls = true;
  std::string host;  // a name or an address, IPv6 without brackets
  uint16_t port = 443;
  std::string path;         // before each request's own path; empty or "/prefix"
  std::string server_name;  // for SNI and the server's certificate, when it is not the host
  bool verify = true;       // the server's certificate
  Secret ca;                // PEM; not given: the system's authorities
  Secret certificate;       // PEM
  Secret key;               // PEM
  Secret token;             // of the header Authorization

  // "https://10.0.0.1:6443".
  std::string str() const;
  bool operator==(const ApiServer&) const = default;
};

// Sets tls, host, port and path from "https://host:6443/path". Throws std::runtime_error.
void set_url(ApiServer& server, std::string_view url);

// The API server of the cluster whose pod Sluice is, and the ServiceAccount of the pod: from the
// environment (KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT) and a directory with the files
// `token` and `ca.crt`. `url` takes the place of the environment unless it is empty. Throws
// std::runtime_error.
ApiServer in_cluster(const std::filesystem::path& directory, const std::string& url);

inline constexpr std::string_view kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

}  // namespace sluice::discovery::kubernetes
