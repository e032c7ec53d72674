#include "discovery/file_watcher.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::discovery {
namespace fs = std::filesystem;
namespace {

constexpr unsigned kMaxLinks = 40;  // the kernel's own limit
constexpr unsigned kMaxRounds = 4;  // of set(), while links change under it

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
  // Walks from the root. `rest` is the path that is still to be walked; a link puts its target in
  // front of it.
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
      // A directory may be replaced by another, as a link may.
      out.emplace_back(at, name.string());
      at /= name;
    }
    rest = after;
  }
  return out;
}

FileWatcher::Watch::Watch(FileWatcher& watcher, std::function<void()> on_change)
    : watcher_(watcher), on_change_(std::move(on_change)) {
  watcher_.watches_.push_back(this);
}

FileWatcher::Watch::~Watch() {
  watcher_.watches_.remove(this);
  watcher_.drop_unused();
}

bool FileWatcher::Watch::set(const std::vector<fs::path>& files) {
  std::map<fs::path, Identity> seen;
  for (const fs::path& f : files) {
    const auto known = seen_.find(f);
    seen[f] = known != seen_.end() ? known->second : identity_of(f);
  }
  seen_ = std::move(seen);
  return follow();
}

bool FileWatcher::Watch::follow() {
  bool news = false;
  for (unsigned round = 0; round < kMaxRounds; ++round) {
    Names names;
    for (const auto& [file, identity] : seen_)
      for (auto& [directory, name] : links_of(file)) names[directory].insert(name);
    if (round > 0 && names == names_) break;
    names_ = std::move(names);
    // Parents come first: a directory that is made behind its parent's turn is an event.
    for (const auto& [directory, relevant] : names_) news = watcher_.add(directory) || news;
  }
  watcher_.drop_unused();
  return news;
}

bool FileWatcher::Watch::differs() {
  bool any = false;
  for (auto& [file, identity] : seen_) {
    const Identity now = identity_of(file);
    // A file that is away for a moment is no new content.
    if (now == Identity{} || now == identity) continue;
    identity = now;
    any = true;
  }
  return any;
}

FileWatcher::Identity FileWatcher::identity_of(const fs::path& file) {
  struct stat s;
  if (stat(file.c_str(), &s) != 0) return {};
  return {s.st_dev, s.st_ino, static_cast<uint64_t>(s.st_size), s.st_mtim.tv_sec,
          s.st_mtim.tv_nsec};
}

FileWatcher::FileWatcher(boost::asio::io_context& io, std::chrono::milliseconds poll)
    : inotify_(io, open_inotify()), debounce_(io), poll_timer_(io), poll_(poll) {
  receive();
  poll_soon();
}

void FileWatcher::poll_soon() {
  poll_timer_.expires_after(poll_);
  poll_timer_.async_wait([this](const boost::system::error_code& e) {
    if (e) return;
    bool any = false;
    for (Watch* w : watches_)
      if (w->differs()) any = w->changed_ = true;
    if (any) notify_soon();
    poll_soon();
  });
}

bool FileWatcher::add(const fs::path& directory) {
  // Also for directories that are watched already: a directory that was replaced by another of the
  // same name gets a new descriptor.
  const int wd = inotify_add_watch(inotify_.native_handle(), directory.c_str(),
                                   IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR);
  if (wd < 0) return false;  // the directory does not exist: reading the file has reported that
  const auto [known, added] = descriptors_.emplace(directory, wd);
  if (!added && known->second == wd) return false;
  if (!added) {
    directories_[known->second].erase(directory);
    known->second = wd;
  }
  directories_[wd].insert(directory);
  return true;
}

bool FileWatcher::named(const fs::path& directory) const {
  return std::any_of(watches_.begin(), watches_.end(),
                     [&](const Watch* w) { return w->names_.contains(directory); });
}

void FileWatcher::drop_unused() {
  std::erase_if(descriptors_, [this](const auto& entry) {
    const auto& [directory, wd] = entry;
    if (named(directory)) return false;
    directories_[wd].erase(directory);
    return true;
  });
  std::erase_if(directories_, [this](const auto& entry) {
    if (!entry.second.empty()) return false;
    inotify_rm_watch(inotify_.native_handle(), entry.first);
    return true;
  });
}

bool FileWatcher::mark_all() {
  for (Watch* w : watches_) w->changed_ = true;
  return !watches_.empty();
}

bool FileWatcher::mark(int descriptor, const std::string& name, uint32_t mask) {
  const auto known = directories_.find(descriptor);
  if (known == directories_.end()) return false;
  bool any = false;
  for (const fs::path& directory : known->second)
    for (Watch* w : watches_) {
      const auto names = w->names_.find(directory);
      if (names == w->names_.end() || !names->second.contains(name)) continue;
      if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_ISDIR)) == 0) {
        // A file that was created is about to be written, and the event of its closing follows.
        // Links are complete at once. A directory is followed at once, for the events in it.
        struct stat s;
        const fs::path path = directory / name;
        if (lstat(path.c_str(), &s) != 0 || (!S_ISLNK(s.st_mode) && s.st_nlink <= 1)) continue;
      }
      any = w->changed_ = true;
    }
  return any;
}

void FileWatcher::notify_soon() {
  if (std::exchange(pending_, true)) return;
  debounce_.expires_after(kDebounce);
  debounce_.async_wait([this](const boost::system::error_code& e) {
    if (e) return;
    pending_ = false;
    // A callback may destroy watches and make new ones.
    const auto changed = [](const Watch* w) { return w->changed_; };
    for (;;) {
      const auto it = std::find_if(watches_.begin(), watches_.end(), changed);
      if (it == watches_.end()) return;
      Watch& watch = **it;
      watch.changed_ = false;
      // Here, and not only by the callback's set(): a reload that fails may not get that far.
      watch.follow();
      watch.differs();
      watch.on_change_();
    }
  });
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
                               if ((event.mask & IN_Q_OVERFLOW) != 0)
                                 changed = mark_all() || changed;
                               if (event.len > 0)
                                 changed = mark(event.wd, name, event.mask) || changed;
                             }
                             if (changed) notify_soon();
                             receive();
                           });
}

}  // namespace sluice::discovery
