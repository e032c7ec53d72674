#include "discovery/kubernetes/kubeconfig.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include <openssl/evp.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <fmt/format.h>

#include "discovery/kubernetes/json_fields.h"
#include "discovery/kubernetes/yaml.h"

namespace sluice::discovery::kubernetes {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

std::string decode_base64(std::string_view key, std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r'; });
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) throw Unreadable(fmt::format("{} is not base64", key));
  const auto padding =
      std::count(text.end() - std::min<ptrdiff_t>(2, std::ssize(text)), text.end(), '=');
  out.resize(static_cast<size_t>(size - padding));
  return out;
}

// The object `kind` of the element of `list` with that name: clusters, contexts and users.
const json::object& named(const json::object& root, std::string_view list, std::string_view kind,
                          const std::string& name) {
  const json::array* all = array_at(root, list);
  if (all)
    for (const json::value& v : *all)
      if (v.is_object() && string_at(v.get_object(), "name") == name)
        if (const json::object* o = object_at(v.get_object(), kind)) return *o;
  throw Unreadable(fmt::format("{} has no \"{}\"", list, name));
}

// KEY-data is base64 of the content, KEY a file.
Secret read_secret(const json::object& o, const std::string& key, const fs::path& directory) {
  Secret s;
  if (const std::string data = string_at(o, key + "-data"); !data.empty())
    s.text = decode_base64(key + "-data", data);
  if (const std::string file = string_at(o, key); s.text.empty() && !file.empty())
    s.file = directory / file;
  return s;
}

void refuse_other_credentials(const json::object& user, const std::string& name) {
  constexpr std::string_view kInstead =
      "give the user a token or a certificate, for example the token of a ServiceAccount "
      "(docs/kubernetes.md)";
  if (const json::object* exec = object_at(user, "exec"))
    throw Unreadable(fmt::format(
        "the user \"{}\" gets its credentials from the command \"{}\" (exec), and Sluice runs no "
        "commands; {}",
        name, string_at(*exec, "command"), kInstead));
  if (user.contains("auth-provider"))
    throw Unreadable(
        fmt::format("the user \"{}\" logs in at an auth-provider, which Sluice does "
                    "not; {}",
                    name, kInstead));
  if (user.contains("username"))
    throw Unreadable(
        fmt::format("the user \"{}\" has a password, which API servers no longer "
                    "accept; {}",
                    name, kInstead));
}

void read_cluster(const json::object& cluster, const fs::path& directory, ApiServer& out) {
  set_url(out, string_at(cluster, "server"));
  out.server_name = string_at(cluster, "tls-server-name");
  out.ca = read_secret(cluster, "certificate-authority", directory);
  out.verify = string_at(cluster, "insecure-skip-tls-verify") != "true";
  if (cluster.contains("proxy-url")) throw Unreadable("proxy-url is not supported");
}

void read_user(const json::object& user, const std::string& name, const fs::path& directory,
               ApiServer& out) {
  refuse_other_credentials(user, name);
  out.certificate = read_secret(user, "client-certificate", directory);
  out.key = read_secret(user, "client-key", directory);
  if (out.certificate.given() != out.key.given())
    throw Unreadable(
        fmt::format("the user \"{}\" has only one of client-certificate and "
                    "client-key",
                    name));
  out.token.text = string_at(user, "token");
  if (const std::string file = string_at(user, "tokenFile"); !file.empty())
    out.token = {.text = {}, .file = directory / file};
  if ((out.token.given() || out.certificate.given()) && !out.tls)
    throw Unreadable(
        "the server's URL begins with http: credentials would cross the network in "
        "the clear");
}

}  // namespace

ApiServer read_kubeconfig(const fs::path& file, const std::string& context) {
  try {
    const json::value root = read_yaml(Secret{.text = {}, .file = file}.read());
    if (!root.is_object()) throw Unreadable("it is not a kubeconfig");
    const json::object& o = root.get_object();
    const std::string name = context.empty() ? string_at(o, "current-context") : context;
    if (name.empty()) throw Unreadable("it has no current-context; set context");
    const json::object& chosen = named(o, "contexts", "context", name);
    const fs::path directory = file.parent_path();
    ApiServer out;
    read_cluster(named(o, "clusters", "cluster", string_at(chosen, "cluster")), directory, out);
    if (const std::string user = string_at(chosen, "user"); !user.empty())
      read_user(named(o, "users", "user", user), user, directory, out);
    return out;
  } catch (const std::exception& e) {
    const std::string why = e.what();
    if (why.find(file.string()) != std::string::npos) throw;
    throw std::runtime_error(fmt::format("{}: {}", file.string(), why));
  }
}

}  // namespace sluice::discovery::kubernetes
