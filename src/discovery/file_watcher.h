#pragma once
// Reports changes of files, in the ways that editors and Kubernetes change them: written in place,
// replaced by rename, or behind a symbolic link that is swapped.

#include <array>
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

  // Some files, and the callback for their changes.
  class Watch {
   public:
    // on_change runs on the context's thread and may destroy watches, but not its own. When a
    // change concerns several watches, the oldest is called first. The watcher outlives the watch.
    Watch(FileWatcher& watcher, std::function<void()> on_change);
    ~Watch();
    Watch(const Watch&) = delete;

    // Watches these files, and no others, from now on: each directory in which a change would make
    // one of the paths lead to other content. Files need not exist; their directories should. Call
    // it again after a change, since a link may lead elsewhere. True when a directory is watched
    // that was not watched before: a change in between may have been missed, so the files should be
    // read again.
    bool set(const std::vector<std::filesystem::path>& files);

   private:
    friend class FileWatcher;
    using Names = std::map<std::filesystem::path, std::set<std::string>>;

    FileWatcher& watcher_;
    std::function<void()> on_change_;
    Names names_;  // the relevant names, by directory
    bool changed_ = false;
  };

  // Throws std::system_error without inotify.
  explicit FileWatcher(boost::asio::io_context& io);
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

  boost::asio::posix::stream_descriptor inotify_;
  boost::asio::steady_timer debounce_;
  bool pending_ = false;
  std::list<Watch*> watches_;                                   // the oldest first
  std::map<std::filesystem::path, int> descriptors_;            // of the directories
  std::map<int, std::set<std::filesystem::path>> directories_;  // the reverse of descriptors_
  alignas(8) std::array<char, 16 * 1024> buffer_{};
};

// The (directory, name) pairs whose replacement changes what `file` leads to: the file itself,
// and every symbolic link on the way, followed link by link.
std::vector<std::pair<std::filesystem::path, std::string>> links_of(std::filesystem::path file);

}  // namespace sluice::discovery
