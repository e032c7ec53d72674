#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "loader/reading.h"

namespace sluice::loader {
namespace {

constexpr size_t kMostTicketKeys = 3;  // two rotations of a fleet
constexpr size_t kTicketKeyName = 16;

// Empty when the file holds a key.
std::string read_ticket_key(const std::filesystem::path& file, config::TicketKey& out) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return "cannot be read";
  std::string bytes(out.size() + 1, 0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad()) return "cannot be read";
  if (static_cast<size_t>(in.gcount()) != out.size())
    return fmt::format("a key of tickets has {} bytes: make it with `openssl rand {}`", out.size(),
                       out.size());
  std::copy_n(bytes.begin(), out.size(), out.begin());
  if (std::all_of(out.begin(), out.begin() + kTicketKeyName, [](uint8_t b) { return b == 0; }))
    return "the name of the key, its first 16 bytes, is all zeros";
  return {};
}

}  // namespace

void read_process_tls(Table& root, Reading& reading) {
  auto t = root.table("tls");
  if (!t) return;
  std::vector<std::string> files;
  if (t->strings("ticket_keys", files) && (files.empty() || files.size() > kMostTicketKeys))
    t->mistake("ticket_keys", fmt::format("ticket_keys names 1 to {} files", kMostTicketKeys));
  std::vector<config::TicketKey>& keys = reading.snapshot.ticket_keys;
  for (const std::string& name : files) {
    const auto file = t->document().resolve(name);
    reading.files.push_back(file);
    config::TicketKey key{};
    std::string why = read_ticket_key(file, key);
    const auto same_name = [&](const config::TicketKey& o) {
      return std::equal(o.begin(), o.begin() + kTicketKeyName, key.begin());
    };
    if (why.empty() && std::any_of(keys.begin(), keys.end(), same_name))
      why = "a key before it has the same name (the first 16 bytes)";
    if (why.empty())
      keys.push_back(key);
    else
      t->mistake("ticket_keys", fmt::format("{}: {}", file.string(), why));
  }
  if (std::string path; t->string("key_log", path))
    reading.snapshot.startup.tls_key_log = t->document().resolve(path).string();
  t->finish();
}

}  // namespace sluice::loader
