#pragma once
// The secrets of all TLS connections of the process, in a file that Wireshark reads (the NSS key
// log format, draft-ietf-tls-keylogfile). Whoever reads the file can read the connections, so the
// file exists only when the configuration asks for it.

#include <filesystem>
#include <string>

namespace sluice::tls {

// Opens the file for appending, or makes it; its owner alone may read it. Once, before the first
// handshake. The error's text, or an empty string.
std::string open_key_log(const std::filesystem::path& file);

// Any thread. A line without its end. Does nothing when no key log is open; a line that cannot be
// written is lost.
void write_key_log(const char* line);

}  // namespace sluice::tls
