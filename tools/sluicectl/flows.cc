#include "sluicectl/flows.h"

#include <chrono>
#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "sluicectl/client.h"
#include "sluicectl/fields.h"
#include "sluicectl/text.h"

namespace sluicectl {
namespace json = boost::json;

namespace {

json::value asked(const std::string& socket, const std::string& command, const json::object& keys) {
  json::error_code error;
  json::value answer = json::parse(ask(socket, command, keys), error);
  if (error || !answer.is_object()) throw Error(socket + ": the answer is not JSON");
  if (const auto* e = answer.get_object().if_contains("error"))
    throw Error(socket + ": " + (e->is_string() ? e->get_string().c_str() : "error"));
  return answer;
}

void print(const std::string& text) {
  if (!(std::cout << text)) throw Error("standard output cannot be written");
}

void flush() {
  if (!(std::cout << std::flush)) throw Error("standard output cannot be written");
}

// Behind the name of a pod. An older sluiced does not say it.
bool gets_no_packets(const json::value& answer) {
  const auto* forwarding = answer.as_object().if_contains("forwarding");
  return forwarding != nullptr && forwarding->is_bool() && !forwarding->get_bool();
}

// A line; the columns are wide enough for IPv4, and longer cells push the rest to the right.
std::string line(const json::value& f) {
  const std::string source = text(f, "source");
  return fmt::format("{:<5} {:<5} {:<12} {:<21} {:<21} {:<21} {:<21} {:>9}  {}\n",
                     text(f, "protocol"), text(f, "mode"), text(f, "state"), text(f, "client"),
                     text(f, "vip"), source.empty() ? "-" : source, text(f, "pod"),
                     fmt::format("{:.1f} s", real(f, "silent_ms") / 1000),
                     dash_if_empty(text(f, "listener")));
}

}  // namespace

void print_flows(const std::string& socket, const FlowFilter& filter, bool as_json) {
  // Between two questions for a page that is not there yet.
  constexpr std::chrono::milliseconds kPause{1};
  json::object keys{{"worker", 0}, {"from", 0}};
  if (!filter.listener.empty()) keys["listener"] = filter.listener;
  if (!filter.pod.empty()) keys["pod"] = filter.pod;
  bool first = true;
  bool forwarding = true;
  auto heard = std::chrono::steady_clock::now();
  for (;;) {
    const json::value page = asked(socket, "flows", keys);
    try {
      if (page.at("pending").as_bool()) {
        if (std::chrono::steady_clock::now() - heard > std::chrono::seconds(kPatience))
          throw Error(fmt::format("worker {} does not answer", number(page, "worker")));
        std::this_thread::sleep_for(kPause);
        continue;
      }
      heard = std::chrono::steady_clock::now();
      for (const json::value& f : page.at("flows").as_array()) {
        if (as_json) {
          print((first ? "{\"flows\":[\n" : ",\n") + json::serialize(f));
        } else {
          if (first)
            print(fmt::format("{:<5} {:<5} {:<12} {:<21} {:<21} {:<21} {:<21} {:>9}  {}\n", "PROTO",
                              "MODE", "STATE", "CLIENT", "VIP", "SOURCE", "POD", "SILENT",
                              "LISTENER"));
          print(line(f));
        }
        first = false;
      }
      forwarding = !gets_no_packets(page);
      if (page.at("last").as_bool()) break;
      keys["worker"] = page.at("worker");
      keys["from"] = page.at("from");
    } catch (const boost::system::system_error&) {
      throw Error("the answer is not what this version of sluicectl knows");
    }
  }
  if (as_json) {
    print(first ? "{\"flows\":[]}\n" : "\n]}\n");
  } else if (first) {
    print(forwarding ? "no flows\n"
                     : "no flows: no listener forwards packets to the pod; its connections and "
                       "streams are in sluicectl pods\n");
  }
  flush();
}

void flush_pod(const std::string& socket, const std::string& pod) {
  const json::value answer = asked(socket, "flush", {{"pod", pod}});
  if (gets_no_packets(answer)) {
    print("no listener forwards packets to " + pod +
          " now: flows that it has from earlier end; calls and relayed connections stay\n");
  } else {
    const uint64_t pods = number(answer, "flushed");
    print("the flows of " + pod +
          (pods > 1 ? fmt::format(", which is a pod of {} services,", pods) : "") + " end now\n");
  }
  flush();
}

}  // namespace sluicectl
