#include "discovery/saved_endpoints.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

namespace sluice::discovery {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

std::string checksum(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

json::object as_json(const Endpoint& e) {
  json::object out;
  out.emplace("address", e.address.str());
  out.emplace("id", e.id);
  out.emplace("ready", e.conditions.ready);
  out.emplace("serving", e.conditions.serving);
  out.emplace("terminating", e.conditions.terminating);
  out.emplace("zone", e.zone);
  out.emplace("weight", e.weight);
  return out;
}

Endpoint from_json(const json::value& v) {
  const auto address = sluice::Endpoint::parse(std::string_view(v.at("address").as_string()));
  if (!address) throw std::runtime_error("an address cannot be read");
  return {.address = *address,
          .id = std::string(v.at("id").as_string()),
          .conditions = {.ready = v.at("ready").as_bool(),
                         .serving = v.at("serving").as_bool(),
                         .terminating = v.at("terminating").as_bool()},
          .zone = std::string(v.at("zone").as_string()),
          .weight = v.at("weight").to_number<uint32_t>()};
}

// A file descriptor that is closed at the end.
struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  int fd;
};

[[noreturn]] void fail(const fs::path& file, const char* what) {
  throw std::runtime_error(fmt::format("{}: {}: {}", file.string(), what, std::strerror(errno)));
}

}  // namespace

std::string saved_text(const SavedEndpoints& all) {
  json::object root;
  for (const auto& [name, set] : all) {
    json::array endpoints;
    for (const Endpoint& e : set.endpoints) endpoints.push_back(as_json(e));
    const auto since =
        std::chrono::duration_cast<std::chrono::seconds>(set.confirmed.time_since_epoch());
    json::object entry;
    entry.emplace("confirmed", since.count());
    entry.emplace("endpoints", std::move(endpoints));
    root.emplace(name, std::move(entry));
  }
  const std::string text = json::serialize(root) + "\n";
  return checksum(text) + "\n" + text;
}

SavedEndpoints read_saved_text(const std::string& text) {
  const size_t line = text.find('\n');
  if (line == std::string::npos ||
      checksum(std::string_view(text).substr(line + 1)) != std::string_view(text).substr(0, line))
    throw std::runtime_error("the checksum is wrong");
  SavedEndpoints out;
  try {
    const json::value root = json::parse(std::string_view(text).substr(line + 1));
    for (const auto& [name, set] : root.as_object()) {
      SavedSet& s = out[std::string(name)];
      s.confirmed = std::chrono::system_clock::time_point(
          std::chrono::seconds(set.at("confirmed").as_int64()));
      for (const json::value& e : set.at("endpoints").as_array())
        s.endpoints.push_back(from_json(e));
    }
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("it was not written by Sluice: {}", e.what()));
  }
  return out;
}

SavedEndpoints read_saved(const fs::path& directory) {
  const fs::path file = directory / kSavedFile;
  std::ifstream in(file);
  if (!in && errno == ENOENT) return {};
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) fail(file, "it cannot be read");
  try {
    return read_saved_text(text.str());
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("{}: {}", file.string(), e.what()));
  }
}

void write_saved(const fs::path& directory, const std::string& text) {
  const fs::path file = directory / kSavedFile;
  const fs::path fresh = file.string() + ".new";
  {
    const Descriptor out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (out.fd < 0) fail(fresh, "it cannot be made");
    for (size_t at = 0; at < text.size();) {
      const ssize_t n = ::write(out.fd, text.data() + at, text.size() - at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(fresh, "it cannot be written");
      at += static_cast<size_t>(n);
    }
    if (::fsync(out.fd) != 0) fail(fresh, "fsync");
  }
  if (::rename(fresh.c_str(), file.c_str()) != 0) fail(file, "rename");
  const Descriptor in(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (in.fd >= 0) ::fsync(in.fd);
}

}  // namespace sluice::discovery
