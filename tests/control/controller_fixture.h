#pragma once
// A controller with one worker's counters, over configuration files of its own.

#include <gtest/gtest.h>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "control/controller.h"
#include "sluicectl/client.h"
#include "support/configuration_files.h"

namespace sluice::control {

class ControllerTest : public testing::Test {
 protected:
  void SetUp() override {
    loader::Loaded first = loader::load(files.path("sluiced.toml"));
    ASSERT_TRUE(first.snapshot) << first.mistakes.at(0).str();
    controller.emplace(io, files.path("sluiced.toml"), std::move(first), published,
                       std::vector<stats::Worker*>{worker.get()},
                       Controller::Events{[this] { ++drains; }, [this] { ++stops; }});
    worker->adopt(1);
    controller->start();
  }
  void run(std::chrono::milliseconds time) {
    io.restart();
    io.run_for(time);
  }
  // Runs until the condition holds, for `most` turns of a millisecond at the most; how many it
  // took. A moment in which the machine stands still is one turn, however long it is.
  template <class Condition>
  int turns_until(Condition condition, int most) {
    int turns = 0;
    for (; !condition() && turns < most; ++turns) run(1ms);
    return turns;
  }
  // Runs until the workers would see generation g; how many turns that took.
  int wait_for(uint64_t g) {
    const int turns = turns_until([&] { return published.get()->generation >= g; }, 2000);
    EXPECT_EQ(published.get()->generation, g);
    return turns;
  }
  size_t pods() const { return published.get()->services.at(0).pods.size(); }
  // sluicectl asks on a thread of its own while the controller runs here.
  std::string ask(const std::string& command) {
    auto answer = std::async(std::launch::async, [&] {
      return sluicectl::ask(files.path("admin.sock").string(), command);
    });
    while (answer.wait_for(0s) != std::future_status::ready) run(1ms);
    return answer.get();
  }

  static constexpr const char* kTwo =
      "endpoints = [{ address = \"10.0.0.1:80\", id = \"a\" }, { address = \"10.0.0.2:80\" }]\n";
  test::Files files;
  boost::asio::io_context io;
  config::Published published;
  std::unique_ptr<stats::Worker> worker = std::make_unique<stats::Worker>();
  std::optional<Controller> controller;
  int drains = 0;
  int stops = 0;
};

// What the log says while this lives.
class Log {
 public:
  Log() {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_st>(text_)));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  bool has(const std::string& part) const { return text_.str().find(part) != std::string::npos; }
  std::string str() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

}  // namespace sluice::control
