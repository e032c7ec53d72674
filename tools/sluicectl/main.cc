// sluicectl: what sluiced is doing, for people and with --json for programs.

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>

#include "base/version.h"
#include "sluicectl/client.h"
#include "sluicectl/flows.h"
#include "sluicectl/tables.h"
#include "sluicectl/text.h"

namespace {

// Exit codes: docs/operations.md has the table.
constexpr int kFailed = 1;  // no daemon, no answer, one that says "error", or output that is lost
constexpr int kUsage = 2;   // of the command line

struct Given {
  std::string socket = "/run/sluice/sluiced.sock";
  std::string command;
  bool as_json = false;
  double watch = 0;  // seconds between two looks; zero: one look
};

bool on_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void print(const std::string& text) {
  if (!(std::cout << text << std::flush))
    throw sluicectl::Error("standard output cannot be written");
}

std::string look(const Given& given) {
  static const std::map<std::string, std::string (*)(const boost::json::value&)> kTables{
      {"status", sluicectl::status_table},
      {"pods", sluicectl::pods_table},
      {"listeners", sluicectl::listeners_table},
      {"sources", sluicectl::sources_table},
      {"certificates", sluicectl::certificates_table},
      {"guards", sluicectl::guards_table},
      {"stats", sluicectl::stats_table},
      {"workers", sluicectl::workers_table},
      {"nic", sluicectl::nic_table}};
  const std::string answer = sluicectl::ask(given.socket, given.command);
  boost::json::error_code error;
  const boost::json::value document = boost::json::parse(answer, error);
  if (error || !document.is_object())
    throw sluicectl::Error(given.socket + ": the answer is not JSON: " + error.message());
  if (const auto* e = document.get_object().if_contains("error"))
    throw sluicectl::Error(given.socket + ": " +
                           (e->is_string() ? e->get_string().c_str() : "error"));
  if (given.as_json) return answer;
  try {
    const std::string table = kTables.at(given.command)(document);
    return on_terminal() ? sluicectl::cut(table, terminal_width()) : table;
  } catch (const std::exception& e) {
    throw sluicectl::Error(std::string("the answer is not what this version of sluicectl knows: ") +
                           e.what());
  }
}

// Until it is interrupted. A daemon that restarts is waited for; only the first look must succeed.
[[noreturn]] void watch(const Given& given) {
  const bool clear = on_terminal() && !given.as_json;
  std::string text = look(given);
  for (;;) {
    print(clear ? "\033[H\033[2J" + text : text);
    std::this_thread::sleep_for(std::chrono::duration<double>(given.watch));
    try {
      text = look(given);
      if (!clear && !given.as_json) text = "\n" + text;
    } catch (const sluicectl::Error& e) {
      text = clear ? std::string("sluicectl: ") + e.what() + "\n" : std::string();
      if (!clear) std::cerr << "sluicectl: " << e.what() << "\n";
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows what sluiced is doing.", "sluicectl");
  app.set_version_flag("--version", std::string("sluicectl ") + sluice::kVersion);
  Given given;
  app.add_option("--socket", given.socket, "sluiced's admin_socket")
      ->envname("SLUICE_SOCKET")
      ->capture_default_str();
  const std::map<std::string, std::string> commands{
      {"status", "The daemon: version, state, generation of the configuration"},
      {"stats", "What each worker does: load, packets, drops by reason, TCP, HTTP/2"},
      {"workers", "Worker by worker: its cycles by stage, and whether its loop stands still"},
      {"pods", "Pod by pod: streams, failures, connections, latency"},
      {"listeners", "Listener by listener: connections and streams"},
      {"sources", "Service by service: where its endpoints come from, their age, the last error"},
      {"certificates", "Certificates of the listeners: names, issuer, expiry, file"},
      {"nic", "Port by port: devices, link, what the profile claims and the device offers, drops"},
      {"guards", "Guard by guard: what it is against, its limit, and how often it acted"}};
  for (const auto& [name, description] : commands) {
    CLI::App* sub = app.add_subcommand(name, description);
    sub->fallthrough();  // --socket may follow the command
    sub->add_flag("--json", given.as_json, "The answer as one JSON document");
    sub->add_option("--watch", given.watch, "Again every so many seconds, until interrupted")
        ->expected(0, 1)
        ->default_str("1")
        ->check(CLI::Range(0.1, 3600.0));
  }
  sluicectl::FlowFilter filter;
  CLI::App* flows = app.add_subcommand("flows", "The flows of L4 listeners");
  flows->fallthrough();
  flows->add_flag("--json", given.as_json, "As one JSON document");
  flows->add_option("--listener", filter.listener, "Of the listener with this name");
  flows->add_option("--pod", filter.pod, "Of the pod with this address and port, or this id");
  std::string pod;
  CLI::App* flush = app.add_subcommand("flush", "Ends the L4 flows of a pod, TCP's with RST");
  flush->fallthrough();
  flush->add_option("POD", pod, "Its address and port, or its id")->required();
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;  // --help and --version end here, too
  }

  given.command = app.get_subcommands().front()->get_name();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error like a full disk
  try {
    if (flows->parsed()) {
      sluicectl::print_flows(given.socket, filter, given.as_json);
      return 0;
    }
    if (flush->parsed()) {
      sluicectl::flush_pod(given.socket, pod);
      return 0;
    }
    if (given.watch > 0) watch(given);
    print(look(given));
    return 0;
  } catch (const sluicectl::Error& e) {
    std::cerr << "sluicectl: " << e.what() << "\n";
    return kFailed;
  }
}
