#pragma once
// Captures: files of pcap, of Ethernet frames or bare IP packets (draft-ietf-opsawg-pcap).

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace replayer {

using Bytes = std::vector<uint8_t>;

struct Captured {
  std::chrono::nanoseconds time{};
  Bytes frame;
};

struct Capture {
  std::vector<Captured> frames;
  bool ethernet = true;  // else each begins with its IP header
};

// Throws std::runtime_error: the file is no such capture, or cannot be read.
Capture read_capture(const std::filesystem::path& file);

// Writes Ethernet frames, with times in nanoseconds.
class CaptureWriter {
 public:
  // Throws std::runtime_error: the file cannot be made.
  explicit CaptureWriter(const std::filesystem::path& file);
  void write(std::chrono::nanoseconds time, const Bytes& frame);
  // False: not everything could be written.
  bool close();

 private:
  std::ofstream out_;
};

}  // namespace replayer
