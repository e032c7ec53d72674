// sluicectl: what sluiced is doing, for people and with --json for programs.

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>

#include "sluicectl/client.h"
#include "sluicectl/tables.h"

namespace {

constexpr int kFailed = 1;  // no daemon, no answer, or one that says "error"; CLI11 has the others

void show(const std::string& socket, const std::string& command, bool as_json) {
  static const std::map<std::string, std::string (*)(const boost::json::value&)> kTables{
      {"pods", sluicectl::pods_table},
      {"listeners", sluicectl::listeners_table},
      {"guards", sluicectl::guards_table},
      {"stats", sluicectl::stats_table}};
  const std::string answer = sluicectl::ask(socket, command);
  boost::json::error_code error;
  const boost::json::value document = boost::json::parse(answer, error);
  if (error || !document.is_object())
    throw sluicectl::Error(socket + ": the answer is not JSON: " + error.message());
  if (const auto* e = document.get_object().if_contains("error"))
    throw sluicectl::Error(socket + ": " + (e->is_string() ? e->get_string().c_str() : "error"));
  std::cout << (as_json ? answer : kTables.at(command)(document)) << std::flush;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows what sluiced is doing.", "sluicectl");
  std::string socket = "/run/sluice/sluiced.sock";
  app.add_option("--socket", socket, "sluiced's admin_socket")
      ->envname("SLUICE_SOCKET")
      ->capture_default_str();
  bool as_json = false;
  double watch = 0;
  const std::map<std::string, std::string> commands{
      {"stats", "What each worker does: load, packets, drops by reason, TCP, HTTP/2"},
      {"pods", "Pod by pod: streams, failures, connections, latency"},
      {"listeners", "Listener by listener: connections and streams"},
      {"guards", "Guard by guard: what it is against, its limit, and how often it acted"}};
  for (const auto& [name, description] : commands) {
    CLI::App* sub = app.add_subcommand(name, description);
    sub->fallthrough();  // --socket may follow the command
    sub->add_flag("--json", as_json, "The answer as one JSON document");
    sub->add_option("--watch", watch, "Again every so many seconds, until interrupted")
        ->expected(0, 1)
        ->default_str("1")
        ->check(CLI::Range(0.1, 3600.0));
  }
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);

  const std::string command = app.get_subcommands().front()->get_name();
  try {
    for (;;) {
      if (watch > 0 && !as_json) std::cout << "\033[H\033[2J";
      show(socket, command, as_json);
      if (watch <= 0) return 0;
      std::this_thread::sleep_for(std::chrono::duration<double>(watch));
    }
  } catch (const sluicectl::Error& e) {
    std::cerr << "sluicectl: " << e.what() << "\n";
  } catch (const std::exception& e) {
    std::cerr << "sluicectl: the answer is not what this version of sluicectl knows: " << e.what()
              << "\n";
  }
  return kFailed;
}
