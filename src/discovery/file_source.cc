#include "discovery/file_source.h"

#include <utility>

namespace sluice::discovery {

FileSource::FileSource(FileWatcher& watcher, std::filesystem::path file, Read read,
                       EndpointSet first)
    : Source(std::move(first)),
      file_(std::move(file)),
      read_(std::move(read)),
      watch_(watcher, [this] { read_again(); }) {}

void FileSource::start(Deliver deliver) {
  deliver_ = std::move(deliver);
  // The file may have changed since `first` was read.
  if (watch_.set({file_})) read_again();
}

void FileSource::read_again() {
  Update update = read_(file_);
  // A path that leads through a new link is watched only from now on, and so is read again. The
  // constant bounds the loop if somebody swaps links again and again.
  constexpr int kRounds = 3;
  for (int round = 0; watch_.set({file_}) && round < kRounds; ++round) update = read_(file_);
  take(update);
  deliver_(update);
}

}  // namespace sluice::discovery
