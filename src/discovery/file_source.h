#pragma once
// Endpoints from a file, read again when it changes.

#include <filesystem>
#include <functional>
#include <string>

#include "discovery/file_watcher.h"
#include "discovery/source.h"

namespace sluice::discovery {

class FileSource : public Source {
 public:
  // Reads the file, whose format it knows.
  using Read = std::function<Update(const std::filesystem::path&)>;

  // `first`: the content of the file when it was read last. The watcher outlives the source.
  FileSource(FileWatcher& watcher, std::filesystem::path file, Read read, EndpointSet first);

  void start(Deliver deliver) override;
  std::string name() const override { return "file " + file_.string(); }

 private:
  void read_again();

  std::filesystem::path file_;
  Read read_;
  Deliver deliver_;
  FileWatcher::Watch watch_;
};

}  // namespace sluice::discovery
