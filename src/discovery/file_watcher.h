#pragma once
// Tells when files change, in the ways that editors and Kubernetes change them: written in place,
// replaced by rename, or behind a symbolic link that is swapped.

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sluice::discovery {

class FileWatcher {
 public:
  // From the first event to on_change: a writer touches several files at a time.
  static constexpr std::chrono::milliseconds kDebounce{20};

  // on_change runs on the context's thread. Throws std::system_error without inotify.
  FileWatcher(boost::asio::io_context& io, std::function<void()> on_change);

  // Watches these files, and no others, from now on: each directory in which a change would make
  // one of the paths lead to other content. Files need not exist, their directories should.
  // True when something is watched that was not before: a change in between may have been missed,
  // so the files should be read again.
  bool watch(const std::vector<std::filesystem::path>& files);

 private:
  void receive();
  // Whether one of the names matters, and the event means new content.
  bool matters(int watch, const std::string& name, uint32_t mask) const;

  std::function<void()> on_change_;
  boost::asio::posix::stream_descriptor inotify_;
  boost::asio::steady_timer debounce_;
  bool pending_ = false;
  std::map<std::filesystem::path, int> watches_;      // directory -> watch descriptor
  std::map<int, std::filesystem::path> directories_;  // the same, the other way
  std::map<int, std::set<std::string>> names_;        // names that matter in a directory
  alignas(8) std::array<char, 16 * 1024> buffer_{};
};

// The (directory, name) pairs whose replacement changes what `file` leads to: the file itself,
// and every symbolic link on the way, followed link by link.
std::vector<std::pair<std::filesystem::path, std::string>> links_of(std::filesystem::path file);

}  // namespace sluice::discovery
