#include "discovery/kubernetes/api_server.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

namespace sluice::discovery::kubernetes {

std::string Secret::read() const {
  if (file.empty()) return text;
  std::ifstream in(file);
  std::ostringstream content;
  if (!in || !(content << in.rdbuf()))
    throw std::runtime_error(fmt::format("{} cannot be read: {}", file.string(),
                                         in ? "it is empty" : std::strerror(errno)));
  std::string out = content.str();
  out.erase(out.find_last_not_of(" \t\r\n") + 1);
  if (out.empty()) throw std::runtime_error(fmt::format("{} is empty", file.string()));
  return out;
}

std::string ApiServer::str() const {
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}{}", tls ? "https" : "http", brackets ? "[" : "", host,
                     brackets ? "]" : "", port, path);
}

void set_url(ApiServer& server, std::string_view url) {
  const auto wrong = [&] {
    return std::runtime_error(
        fmt::format("\"{}\" is not a URL like \"https://10.0.0.1:6443\"", url));
  };
  std::string_view rest = url;
  server.tls = rest.starts_with("https://");
  if (!server.tls && !rest.starts_with("http://")) throw wrong();
  rest.remove_prefix(server.tls ? 8 : 7);
  const size_t slash = rest.find('/');
  server.path = slash == std::string_view::npos ? "" : rest.substr(slash);
  while (server.path.ends_with('/')) server.path.pop_back();
  rest = rest.substr(0, slash);
  const bool brackets = rest.starts_with('[');
  const size_t end = brackets ? rest.find(']') : rest.find(':');
  if (brackets && end == std::string_view::npos) throw wrong();
  server.host = brackets ? rest.substr(1, end - 1) : rest.substr(0, end);
  rest = end == std::string_view::npos ? "" : rest.substr(brackets ? end + 1 : end);
  server.port = server.tls ? 443 : 80;
  if (!rest.empty()) {
    const char* last = rest.data() + rest.size();
    const auto [at, error] = std::from_chars(rest.data() + 1, last, server.port);
    if (rest.front() != ':' || error != std::errc() || at != last || server.port == 0)
      throw wrong();
  }
  if (server.host.empty()) throw wrong();
}

ApiServer in_cluster(const std::filesystem::path& directory, const std::string& url) {
  ApiServer server;
  if (url.empty()) {
    const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
    const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !port)
      throw std::runtime_error(
          "Sluice runs in no pod (KUBERNETES_SERVICE_HOST is not set), and kubeconfig names no "
          "file");
    const bool ipv6 = std::string_view(host).find(':') != std::string_view::npos;
    set_url(server, fmt::format("https://{}{}{}:{}", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port));
  } else {
    set_url(server, url);
  }
  server.token.file = directory / "token";
  if (server.tls) server.ca.file = directory / "ca.crt";
  return server;
}

}  // namespace sluice::discovery::kubernetes
