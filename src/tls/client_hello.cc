#include "tls/client_hello.h"

#include "base/byte_order.h"

namespace sluice::tls {
namespace {

constexpr uint8_t kHostName = 0;
constexpr size_t kLongestName = 255;  // of a DNS name

std::string_view text_of(buf::View v) {
  return {reinterpret_cast<const char*>(v.data()), v.size()};
}

}  // namespace

std::optional<std::string_view> server_name_of(buf::View extension) {
  // length of the list (2)  type (1)  length of the name (2)  name
  constexpr size_t kHead = 5;
  if (extension.size() < kHead || load_be16(extension.data()) != extension.size() - 2 ||
      extension[2] != kHostName || load_be16(extension.data() + 3) != extension.size() - kHead)
    return std::nullopt;
  const std::string_view name = text_of(extension.subspan(kHead));
  if (name.empty() || name.size() > kLongestName || name.find('\0') != std::string_view::npos)
    return std::nullopt;
  return name;
}

bool lists_protocols(buf::View extension) {
  if (extension.size() < 4 || load_be16(extension.data()) != extension.size() - 2) return false;
  for (buf::View rest = extension.subspan(2); !rest.empty(); rest = rest.subspan(1 + rest[0]))
    if (rest[0] == 0 || rest[0] > rest.size() - 1) return false;
  return true;
}

bool offers_protocol(buf::View extension, std::string_view protocol) {
  if (extension.size() < 2 || load_be16(extension.data()) != extension.size() - 2) return false;
  for (buf::View rest = extension.subspan(2); !rest.empty();) {
    const size_t size = rest[0];
    if (size == 0 || size > rest.size() - 1) return false;
    if (text_of(rest.subspan(1, size)) == protocol) return true;
    rest = rest.subspan(1 + size);
  }
  return false;
}

bool offers_one_of(buf::View extension, std::string_view protocols) {
  while (!protocols.empty()) {
    const size_t size = static_cast<uint8_t>(protocols[0]);
    if (offers_protocol(extension, protocols.substr(1, size))) return true;
    protocols.remove_prefix(1 + size);
  }
  return false;
}

}  // namespace sluice::tls
