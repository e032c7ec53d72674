#include "discovery/state_file.h"

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

std::string checked_text(const json::value& root) {
  const std::string text = json::serialize(root) + "\n";
  return checksum(text) + "\n" + text;
}

json::value read_checked_text(std::string_view text) {
  const size_t line = text.find('\n');
  if (line == std::string_view::npos || checksum(text.substr(line + 1)) != text.substr(0, line))
    throw std::runtime_error("the checksum is wrong");
  return json::parse(text.substr(line + 1));
}

std::string read_state_file(const fs::path& file) {
  std::ifstream in(file);
  if (!in && errno == ENOENT) return {};
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) fail(file, "it cannot be read");
  return text.str();
}

void write_state_file(const fs::path& file, std::string_view text) {
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
  const Descriptor in(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (in.fd >= 0) ::fsync(in.fd);
}

}  // namespace sluice::discovery
