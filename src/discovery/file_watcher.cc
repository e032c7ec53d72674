#include "discovery/file_watcher.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::discovery {
namespace fs = std::filesystem;
namespace {

constexpr unsigned kMaxLinks = 40;  // as the kernel follows

int open_inotify() {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "inotify_init1");
  return fd;
}

}  // namespace

std::vector<std::pair<fs::path, std::string>> links_of(fs::path file) {
  std::vector<std::pair<fs::path, std::string>> out;
  std::error_code ignored;
  file = fs::absolute(file, ignored).lexically_normal();
  // Walks from the root; `rest` is what is still to be walked, a link puts its target in front.
  fs::path at = file.root_path();
  fs::path rest = file.relative_path();
  for (unsigned links = 0; !rest.empty() && links < kMaxLinks;) {
    const fs::path name = *rest.begin();
    fs::path after;
    for (auto it = std::next(rest.begin()); it != rest.end(); ++it) after /= *it;
    if (name == "..") {
      at = at.parent_path();
    } else if (fs::is_symlink(at / name, ignored)) {
      ++links;
      out.emplace_back(at, name.string());
      const fs::path target = fs::read_symlink(at / name, ignored);
      if (target.is_absolute()) at = target.root_path();
      rest = target.relative_path() / after;
      // `after` may be empty, and "x/" / "" would leave an empty last element.
      if (after.empty()) rest = target.relative_path();
      continue;
    } else if (after.empty()) {
      out.emplace_back(at, name.string());
    } else if (name != ".") {
      at /= name;
    }
    rest = after;
  }
  return out;
}

FileWatcher::FileWatcher(boost::asio::io_context& io, std::function<void()> on_change)
    : on_change_(std::move(on_change)), inotify_(io, open_inotify()), debounce_(io) {
  receive();
}

bool FileWatcher::watch(const std::vector<fs::path>& files) {
  std::map<fs::path, std::set<std::string>> wanted;
  for (const fs::path& f : files)
    for (auto& [directory, name] : links_of(f)) wanted[directory].insert(name);

  bool news = false;
  names_.clear();
  for (auto& [directory, names] : wanted) {
    // Also of directories that are watched already: one that was replaced by another of the same
    // name gets a new descriptor.
    const int wd = inotify_add_watch(inotify_.native_handle(), directory.c_str(),
                                     IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
    if (wd < 0) continue;  // it does not exist: reading the file has said so
    const auto known = watches_.find(directory);
    if (known == watches_.end() || known->second != wd) news = true;
    watches_[directory] = wd;
    directories_[wd] = directory;
    names_[wd].insert(names.begin(), names.end());
  }
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    if (!names_.contains(it->second)) {
      inotify_rm_watch(inotify_.native_handle(), it->second);
      directories_.erase(it->second);
    }
    it = watches_.erase(it);
  }
  return news;
}

bool FileWatcher::matters(int watch, const std::string& name, uint32_t mask) const {
  const auto names = names_.find(watch);
  if (names == names_.end() || !names->second.contains(name)) return false;
  if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) return true;
  // A file that was created is about to be written, and its closing tells. Links are complete.
  struct stat s;
  const fs::path path = directories_.at(watch) / name;
  return lstat(path.c_str(), &s) == 0 && (S_ISLNK(s.st_mode) || s.st_nlink > 1);
}

void FileWatcher::receive() {
  inotify_.async_read_some(boost::asio::buffer(buffer_),
                           [this](const boost::system::error_code& error, size_t size) {
                             if (error) return;
                             bool changed = false;
                             for (size_t at = 0; at + sizeof(inotify_event) <= size;) {
                               inotify_event event;
                               std::memcpy(&event, buffer_.data() + at, sizeof event);
                               const char* name = buffer_.data() + at + sizeof event;
                               at += sizeof event + event.len;
                               if ((event.mask & IN_Q_OVERFLOW) != 0) changed = true;
                               if (event.len > 0 && matters(event.wd, name, event.mask))
                                 changed = true;
                             }
                             if (changed && !pending_) {
                               pending_ = true;
                               debounce_.expires_after(kDebounce);
                               debounce_.async_wait([this](const boost::system::error_code& e) {
                                 if (e) return;
                                 pending_ = false;
                                 on_change_();
                               });
                             }
                             receive();
                           });
}

}  // namespace sluice::discovery
