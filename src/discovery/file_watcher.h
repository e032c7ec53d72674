#pragma once
// Reports changes of files, in the ways that editors and Kubernetes change them: written in place,
// replaced by rename, behind a symbolic link that is swapped, or in a directory that is replaced.
// Events of inotify report most changes. A slow poll finds the others: changes by other hosts
// (NFS), by other views of a file (overlayfs), and below directories that Sluice may not read.

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
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
  // The delay from the first event to on_change, since a writer touches several files at a time.
  static constexpr std::chrono::milliseconds kDebounce{20};
  // The time between two looks at each file's size, time and number.
  static constexpr std::chrono::milliseconds kPoll{30'000};

  // The version of a file, as far as stat() tells. All zero: the file is not there.
  struct Identity {
    uint64_t device = 0;
    uint64_t number = 0;
    uint64_t size = 0;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    bool operator==(const Identity&) const = default;
  };

  // Some files, and the callback for their changes.
  class Watch {
   public:
    // on_change runs on the context's thread and may destroy watches, but not its own. When a
    // change concerns several watches, the oldest is called first. The watcher outlives the watch.
    Watch(FileWatcher& watcher, std::function<void()> on_change);
    ~Watch();
    Watch(const Watch&) = delete;

    // Watches these files, and no others, from now on: each directory in which a change would make
    // one of the paths lead to other content. Files and their directories need not exist. Call it
    // again after a change, since a link may lead elsewhere. True when a directory is watched
    // that was not watched before: a change in between may have been missed, so the files should be
    // read again.
    bool set(const std::vector<std::filesystem::path>& files);

   private:
    friend class FileWatcher;
    using Names = std::map<std::filesystem::path, std::set<std::string>>;

    // Watches the directories to which the paths lead now. The result is that of set().
    bool follow();
    // True when a file is another one than at the last call.
    bool differs();

    FileWatcher& watcher_;
    std::function<void()> on_change_;
    std::map<std::filesystem::path, Identity> seen_;  // the files, as they were at the last look
    Names names_;                                     // the relevant names, by directory
    bool changed_ = false;
  };

  // Throws std::system_error without inotify.
  explicit FileWatcher(boost::asio::io_context& io, std::chrono::milliseconds poll = kPoll);
  FileWatcher(const FileWatcher&) = delete;

 private:
  // Watches a directory. True when it was not watched before, or when it was replaced by another.
  bool add(const std::filesystem::path& directory);
  // Forgets the directories that no watch names.
  void drop_unused();
  bool named(const std::filesystem::path& directory) const;
  void receive();
  // Marks the watches that an event concerns. True when there are any.
  bool mark(int descriptor, const std::string& name, uint32_t mask);
  bool mark_all();
  void notify_soon();
  void poll_soon();
  static Identity identity_of(const std::filesystem::path& file);

  boost::asio::posix::stream_descriptor inotify_;
  boost::asio::steady_timer debounce_;
  boost::asio::steady_timer poll_timer_;
  std::chrono::milliseconds poll_;
  bool pending_ = false;
  std::list<Watch*> watches_;                                   // the oldest first
  std::map<std::filesystem::path, int> descriptors_;            // of the directories
  std::map<int, std::set<std::filesystem::path>> directories_;  // the reverse of descriptors_
  alignas(8) std::array<char, 16 * 1024> buffer_{};
};

// The (directory, name) pairs whose replacement changes what `file` leads to: the file itself,
// and every directory and symbolic link on the way, followed link by link.
std::vector<std::pair<std::filesystem::path, std::string>> links_of(std::filesystem::path file);

}  // namespace sluice::discovery
