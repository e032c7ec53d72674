#pragma once
// A directory of configuration files for one test.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace sluice::test {

class Files {
 public:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-control-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    write("dpdk.toml", kDpdk);
    write("nic.toml", "name = \"nic\"\n");
    write("endpoints.toml", "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\" }]\n");
    write("sluiced.toml", config());
  }
  ~Files() { std::filesystem::remove_all(directory_); }
  Files(const Files&) = delete;

  std::filesystem::path path(const std::string& name) const { return directory_ / name; }

  // Truncates and writes in place.
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::trunc) << text;
  }
  // Beside it, then a rename: readers see the old or the new.
  void replace(const std::string& name, const std::string& text) const {
    write(name + ".new", text);
    std::filesystem::rename(path(name + ".new"), path(name));
  }

  static inline const std::string kDpdk =
      "worker_cores = [0]\nvdevs = [\"net_a,x=1\", \"net_b\"]\n";

  // A whole configuration, in which pods of 10.0.0.0/8 can be reached; `tail` is appended.
  static std::string config(const std::string& tail = "") {
    return with_routes("routes = [{ to = \"10.0.0.0/8\", via = \"198.18.0.254\" }]\n") + tail;
  }
  static std::string config_without_routes() { return with_routes(""); }

 private:
  static std::string with_routes(const std::string& routes) {
    std::string text = R"(dpdk = "dpdk.toml"
[sluice]
workers = 1
admin_socket = "admin.sock"
[[port]]
name = "north"
device = "net_a"
profile = "nic.toml"
addresses = ["198.18.0.2/24"]
@routes[[listener]]
name = "grpc"
address = "198.18.0.10:50051"
protocol = "h2c"
service = "echo"
[[service]]
name = "echo"
endpoints = { file = "endpoints.toml" }
)";
    constexpr std::string_view kPlace = "@routes";
    return text.replace(text.find(kPlace), kPlace.size(), routes);
  }

  std::filesystem::path directory_;
};

}  // namespace sluice::test
