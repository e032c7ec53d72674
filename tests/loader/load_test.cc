#include "loader/load.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/configuration_files.h"
#include "tls/certificates.h"

namespace sluice::loader {
namespace {

using test::Files;

// The mistakes without the directory's name, one a line.
std::string mistakes(const Files& files) {
  std::string out;
  for (const Mistake& m : load(files.path("sluiced.toml")).mistakes) {
    std::string s = m.str();
    const std::string prefix = files.path("").string();
    for (size_t at; (at = s.find(prefix)) != std::string::npos;) s.erase(at, prefix.size());
    out += s + "\n";
  }
  return out;
}

TEST(Load, a_whole_configuration_becomes_a_snapshot) {
  Files files;
  files.write("sluiced.toml", files.config(R"(balance = "least_request"
protocol = "http1"
queue_timeout = "250ms"
max_stream_age = "2h"
ping_interval = "5m"
ping_timeout = "7s"
ping_without_calls = true
[timeouts]
connect_timeout = "300ms"
timeout = "30s"
stream_idle_timeout = "10m"
pod_idle_timeout = "30s"
drain_announce = "2s"
time_wait = "1m"
[limits]
concurrent_streams = 50
connections_per_address = 7
http1_pod_connections = 9
max_pod_connection_streams = 1000
connections_per_pod = 4
[memory]
time_wait = 100
)"));
  const Loaded l = load(files.path("sluiced.toml"));
  ASSERT_EQ(mistakes(files), "");
  const config::Snapshot& s = *l.snapshot;
  EXPECT_EQ(s.startup.workers, 1u);
  EXPECT_EQ(s.startup.admin_socket, files.path("admin.sock"));
  EXPECT_EQ(s.startup.memory.time_wait, 100u);
  EXPECT_EQ(s.startup.dpdk.vdevs.size(), 2u);
  ASSERT_EQ(s.startup.ports.size(), 1u);
  EXPECT_EQ(s.startup.ports[0].profile->name, "nic");
  EXPECT_EQ(s.startup.ports[0].addresses.at(0).str(), "198.18.0.2/24");
  EXPECT_EQ(s.timeouts.drain_announce, Duration(2s));
  EXPECT_EQ(s.timeouts.time_wait, Duration(60s));
  EXPECT_EQ(s.limits.concurrent_streams, 50u);
  EXPECT_EQ(s.limits.connections_per_address, 7u);
  EXPECT_EQ(s.limits.http1_pod_connections, 9u);
  EXPECT_EQ(s.timeouts.pod_idle, Duration(30s));
  EXPECT_EQ(s.services[0].protocol, config::PodProtocol::kHttp1);
  EXPECT_EQ(s.limits.max_pod_connection_streams, 1'000u);
  EXPECT_EQ(s.limits.connections_per_pod, 4u);
  ASSERT_EQ(s.listeners.size(), 1u);
  EXPECT_EQ(s.listeners[0].address.str(), "198.18.0.10:50051");
  ASSERT_EQ(s.services.size(), 1u);
  EXPECT_EQ(s.services[0].balance, config::Balance::kLeastRequest);
  EXPECT_EQ(s.services[0].connect_timeout, Duration(300ms));
  EXPECT_EQ(s.services[0].queue_timeout, Duration(250ms));
  EXPECT_EQ(s.services[0].call_timeout, Duration(30s));
  EXPECT_EQ(s.services[0].stream_idle_timeout, Duration(10min));
  EXPECT_EQ(s.services[0].max_stream_age, Duration(2h));
  EXPECT_EQ(s.services[0].ping_interval, Duration(5min));
  EXPECT_EQ(s.services[0].ping_timeout, Duration(7s));
  EXPECT_TRUE(s.services[0].ping_without_calls);
  ASSERT_EQ(s.services[0].pods.size(), 1u);
  EXPECT_EQ(s.services[0].pods[0].id, "a");
  EXPECT_EQ(s.services[0].pods[0].endpoint.str(), "10.0.0.1:80");
  EXPECT_EQ(l.files.size(), 4u);
}

TEST(Load, all_mistakes_are_reported_at_once_with_their_lines) {
  Files files;
  files.write("sluiced.toml", R"(dpdk = "dpdk.toml"
[sluice]
workers = "two"
colour = 1
[timeouts]
drain_timeout = "soon"
[[port]]
name = "north"
device = "net_c"
profile = "missing.toml"
addresses = ["198.18.0.2"]
[[listener]]
name = "grpc"
address = "198.18.0.10"
protocol = "h3"
service = "eco"
[[service]]
name = "echo"
endpoints = { file = "endpoints.toml" }
)");
  files.write("endpoints.toml", "\nendpoints = [\n { adress = \"10.0.0.1:80\" },\n]\n");
  EXPECT_EQ(
      mistakes(files),
      "sluiced.toml:3: workers is a string; it must be an integer from 1 to 16\n"
      "sluiced.toml:4: unknown key colour in [sluice]; allowed: workers, handshake_threads, "
      "admin_socket, "
      "state_directory, idle, "
      "log_level\n"
      "sluiced.toml:6: drain_timeout = \"soon\" is not a duration; it must be a whole number "
      "with us, ms, s, m or h, like \"5s\" or \"100ms\"\n"
      "sluiced.toml:9: no device net_c in the dpdk file; it has: net_a, net_b\n"
      "sluiced.toml:10: cannot read missing.toml: No such file or directory; a readable TOML "
      "file is needed\n"
      "sluiced.toml:11: \"198.18.0.2\" is not an address with its prefix length; it must be "
      "like \"198.18.0.2/24\"\n"
      "sluiced.toml:14: address = \"198.18.0.10\" is not an address with a port, like "
      "\"198.18.1.101:50051\"\n"
      "sluiced.toml:15: protocol = \"h3\" is unknown; allowed: h2c, http, https, tcp, udp, tls\n"
      "sluiced.toml:16: there is no service eco; known: echo\n"
      "endpoints.toml:3: [[endpoints]] lacks address, a string\n"
      "endpoints.toml:3: unknown key adress in [[endpoints]]; allowed: address, id, weight\n");
}

TEST(Load, a_port_may_be_a_tap_interface_that_dpdk_does_not_know) {
  Files files;
  const std::string config = files.config();
  const auto with = [&](const std::string& device) {
    std::string text = config;
    text.replace(text.find("\"net_a\""), 7, device);
    files.write("sluiced.toml", text);
    return mistakes(files);
  };
  EXPECT_EQ(with("\"tun:north\""), "");
  EXPECT_EQ(load(files.path("sluiced.toml")).snapshot->startup.ports[0].devices.at(0), "tun:north");
  const std::string wrong =
      ": the name of a TAP interface has 1 to 15 bytes, and no space, slash, colon or percent "
      "sign; it must be like \"tun:north\"\n";
  for (const std::string device : {"tun:", "tun:sixteen-letters-", "tun:a/b", "tun:a b", "tun:t%d"})
    EXPECT_EQ(with("\"" + device + "\""), "sluiced.toml:7: device " + device + wrong);
  EXPECT_EQ(with("[\"tun:a\", \"tun:b\"]"),
            "sluiced.toml:7: a TAP interface has a queue for each worker, so it must be the port's "
            "only device\n");
}

TEST(Load, a_buffer_that_may_not_grow_to_its_own_size_is_a_mistake) {
  Files files;
  files.write("sluiced.toml", files.config(R"([limits]
send_buffer = 2000000
send_buffer_max = 4000000
)"));
  const Loaded l = load(files.path("sluiced.toml"));
  ASSERT_EQ(mistakes(files), "");
  EXPECT_EQ(l.snapshot->limits.send_buffer, 2'000'000u);
  EXPECT_EQ(l.snapshot->limits.send_buffer_max, 4'000'000u);
  files.write("sluiced.toml", files.config(R"([limits]
receive_buffer = 2000000
receive_buffer_max = 1000000
send_buffer = 2000000
send_buffer_max = 1000000
)"));
  const std::string all = mistakes(files);
  EXPECT_NE(all.find("receive_buffer_max is below receive_buffer"), std::string::npos) << all;
  EXPECT_NE(all.find("send_buffer_max is below send_buffer"), std::string::npos) << all;
}

TEST(Load, a_mistake_in_toml_itself_names_the_line) {
  Files files;
  files.write("sluiced.toml", "dpdk = \"x\"\n[sluice\n");
  const auto all = load(files.path("sluiced.toml")).mistakes;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].line, 2u);
  EXPECT_TRUE(all[0].text.starts_with("not TOML: ")) << all[0].text;
}

TEST(Load, an_empty_endpoints_file_is_a_mistake_but_an_empty_array_is_not) {
  Files files;
  files.write("endpoints.toml", "");
  EXPECT_EQ(mistakes(files),
            "endpoints.toml:1: the file has no endpoints; for a service without pods it must say "
            "endpoints = []\n");
  files.write("endpoints.toml", "endpoints = []\n");
  EXPECT_EQ(mistakes(files), "");
}

TEST(Load, a_configuration_that_is_missing_or_a_directory_is_a_mistake) {
  Files files;
  EXPECT_NE(load(files.path("none.toml")).mistakes.at(0).str().find("none.toml:1: cannot read"),
            std::string::npos);
  EXPECT_NE(load(files.path("")).mistakes.at(0).str().find("it is a directory"), std::string::npos);
}

TEST(Load, endpoints_may_stand_in_the_configuration_itself) {
  Files files;
  std::string text = files.config();
  const std::string file = "{ file = \"endpoints.toml\" }";
  text.replace(
      text.find(file), file.size(),
      "[{ address = \"10.0.0.1:80\" }, { address = \"10.0.0.1:80\", id = \"b\", weight = 3 }]");
  files.write("sluiced.toml", text);
  ASSERT_EQ(mistakes(files), "");
  const Loaded l = load(files.path("sluiced.toml"));
  ASSERT_EQ(l.snapshot->services[0].pods.size(), 2u);
  EXPECT_EQ(l.snapshot->services[0].pods[1].weight, 3u);
  EXPECT_EQ(l.files.size(), 3u);
}

TEST(Load, a_pod_given_twice_is_a_mistake) {
  Files files;
  files.write("endpoints.toml",
              "endpoints = [\n{ address = \"10.0.0.1:80\", id = \"a\" },\n"
              "{ address = \"10.0.0.1:80\", id = \"a\" }]\n");
  EXPECT_EQ(mistakes(files),
            "endpoints.toml:3: the pod 10.0.0.1:80 a is given twice; address, port and id together "
            "must differ\n");
}

TEST(Load, a_listener_refuses_connect_unless_it_says_otherwise) {
  Files files;
  const auto listener = [&](const std::string& more) {
    files.write("sluiced.toml", files.config("") + "[[listener]]\nname = \"other\"\n" +
                                    "address = \"198.18.0.10:50052\"\nprotocol = \"h2c\"\n" +
                                    "service = \"echo\"\n" + more);
    return load(files.path("sluiced.toml")).snapshot;
  };
  EXPECT_EQ(listener("")->listeners.at(1).connect, config::Connect::kRefuse);
  EXPECT_EQ(listener("connect = \"refuse\"\n")->listeners.at(1).connect, config::Connect::kRefuse);
  EXPECT_EQ(listener("connect = \"pass\"\n")->listeners.at(1).connect, config::Connect::kPass);
  listener("connect = \"yes\"\n");
  EXPECT_NE(mistakes(files).find("connect = \"yes\" is unknown; allowed: refuse, pass"),
            std::string::npos)
      << mistakes(files);
}

TEST(Load, a_listener_takes_HTTP_2_alone_or_both_versions) {
  Files files;
  const auto protocol = [&](const std::string& name) {
    files.write("sluiced.toml", files.config("") + "[[listener]]\nname = \"other\"\n" +
                                    "address = \"198.18.0.10:50052\"\nservice = \"echo\"\n" +
                                    "protocol = \"" + name + "\"\n");
    return load(files.path("sluiced.toml")).snapshot->listeners.at(1).protocol;
  };
  EXPECT_EQ(protocol("h2c"), config::Protocol::kH2c);
  EXPECT_EQ(protocol("http"), config::Protocol::kHttp);
}

TEST(Load, a_listener_tells_pods_of_the_way_only_when_it_says_so) {
  Files files;
  const auto listener = [&](const std::string& more) {
    files.write("sluiced.toml", files.config("") + "[[listener]]\nname = \"other\"\n" +
                                    "address = \"198.18.0.10:50052\"\nprotocol = \"h2c\"\n" +
                                    "service = \"echo\"\n" + more);
    return load(files.path("sluiced.toml")).snapshot;
  };
  EXPECT_FALSE(listener("")->listeners.at(1).forwarding.any());
  EXPECT_EQ(listener("via = \"sluice-1\"\nx_forwarded_for = true\nx_forwarded_proto = true\n"
                     "forwarded = true\n")
                ->listeners.at(1)
                .forwarding,
            (config::Forwarding{.via = "sluice-1",
                                .x_forwarded_for = true,
                                .x_forwarded_proto = true,
                                .forwarded = true}));
  listener("via = \"\"\n");
  EXPECT_NE(mistakes(files), "");
  for (const std::string& bad : {std::string("a b"), std::string(65, 'a')}) {
    listener("via = \"" + bad + "\"\n");
    EXPECT_NE(mistakes(files).find("is not a name; it must be 1 to 64 letters"), std::string::npos)
        << bad;
  }
}

TEST(Load, half_closed_timeout_is_of_listeners_that_take_HTTP_1_1) {
  Files files;
  const auto listener = [&](const std::string& protocol, const std::string& more) {
    files.write("sluiced.toml", files.config("") + "[[listener]]\nname = \"other\"\n" +
                                    "address = \"198.18.0.10:50052\"\nprotocol = \"" + protocol +
                                    "\"\nservice = \"echo\"\n" + more);
    return load(files.path("sluiced.toml")).snapshot;
  };
  EXPECT_EQ(listener("http", "")->listeners.at(1).half_closed_timeout, 5s);
  EXPECT_EQ(listener("http", "half_closed_timeout = \"1m\"\n")->listeners.at(1).half_closed_timeout,
            60s);
  EXPECT_EQ(listener("http", "half_closed_timeout = \"0s\"\n")->listeners.at(1).half_closed_timeout,
            0s);
  listener("h2c", "half_closed_timeout = \"1m\"\n");
  EXPECT_NE(mistakes(files).find("cancels its calls at once"), std::string::npos);
  listener("tcp", "half_closed_timeout = \"1m\"\n");
  EXPECT_NE(mistakes(files).find("see no requests"), std::string::npos);
}

TEST(Load, every_timeout_has_its_key) {
  Files files;
  files.write("sluiced.toml", files.config("[timeouts]\n"
                                           "connect_timeout = \"1ms\"\n"
                                           "queue_timeout = \"2ms\"\n"
                                           "timeout = \"3ms\"\n"
                                           "stream_idle_timeout = \"4ms\"\n"
                                           "max_stream_age = \"5ms\"\n"
                                           "client_idle_timeout = \"6ms\"\n"
                                           "max_connection_age = \"7ms\"\n"
                                           "max_connection_age_grace = \"8ms\"\n"
                                           "drain_announce = \"9ms\"\n"
                                           "drain_timeout = \"10ms\"\n"
                                           "time_wait = \"11ms\"\n"
                                           "tcp_user_timeout = \"12s\"\n"
                                           "tcp_keepalive = \"13ms\"\n"
                                           "[limits]\nmax_connection_streams = 14\n"));
  const auto s = load(files.path("sluiced.toml")).snapshot;
  ASSERT_TRUE(s) << mistakes(files);
  EXPECT_EQ(s->timeouts, (config::Timeouts{.connect = 1ms,
                                           .queue = 2ms,
                                           .call = 3ms,
                                           .stream_idle = 4ms,
                                           .max_stream_age = 5ms,
                                           .client_idle = 6ms,
                                           .max_connection_age = 7ms,
                                           .max_connection_age_grace = 8ms,
                                           .drain_announce = 9ms,
                                           .drain = 10ms,
                                           .time_wait = 11ms,
                                           .tcp_user = 12s,
                                           .tcp_keepalive = 13ms}));
  EXPECT_EQ(s->limits.max_connection_streams, 14u);
  EXPECT_EQ(s->services.at(0).call_timeout, 3ms);
  files.write("sluiced.toml", files.config("[timeouts]\nmax_connection_age = -1\n"
                                           "[limits]\nmax_connection_streams = 0\n"));
  EXPECT_NE(mistakes(files).find("max_connection_age"), std::string::npos) << mistakes(files);
  EXPECT_NE(mistakes(files).find("max_connection_streams = 0 is out of range"), std::string::npos);
}

TEST(Load, every_guard_has_its_key) {
  Files files;
  std::string text = "[guards]\n";
  uint32_t n = 100;
  for (const char* rate :
       {"resets", "provoked_resets", "pod_resets", "settings", "pings", "priorities",
        "window_updates", "unknown_frames", "empty_data", "tiny_data", "padding", "dribble",
        "table_sizes", "empty_names", "key_updates", "empty_records", "tiny_records",
        "warning_alerts", "pod_tickets"}) {
    text += std::string(rate) + " = { burst = " + std::to_string(n) +
            ", per_second = " + std::to_string(n + 1) + " }\n";
    n += 2;
  }
  text +=
      "continuations = 1\nfield_block_size = 2000\nheader_fields = 30\nsettings_entries = 40\n"
      "unread_answers = 5000\ndiscarded = 6000\npreface_timeout = \"6s\"\nsettings_timeout = "
      "\"7s\"\n"
      "headers_timeout = \"8s\"\nstall_timeout = \"9s\"\nclosing_timeout = \"10s\"\n"
      "handshake_timeout = \"11s\"\nhandshake_size = 12000\nwaiting_handshakes = 13\n"
      "min_rate = 14\nmin_rate_grace = \"15s\"\nrecord_timeout = \"16s\"\n"
      "handshake_records = 17\n";
  files.write("sluiced.toml", files.config(text));
  const auto s = load(files.path("sluiced.toml")).snapshot;
  ASSERT_TRUE(s) << mistakes(files);
  config::Guards g;
  n = 100;
  for (config::Rate* rate :
       {&g.resets, &g.provoked_resets, &g.pod_resets, &g.settings, &g.pings, &g.priorities,
        &g.window_updates, &g.unknown_frames, &g.empty_data, &g.tiny_data, &g.padding, &g.dribble,
        &g.table_sizes, &g.empty_names, &g.key_updates, &g.empty_records, &g.tiny_records,
        &g.warning_alerts, &g.pod_tickets}) {
    *rate = {n, n + 1};
    n += 2;
  }
  g.continuations = 1;
  g.field_block_size = 2000;
  g.header_fields = 30;
  g.settings_entries = 40;
  g.unread_answers = 5000;
  g.discarded = 6000;
  g.preface_timeout = 6s;
  g.settings_timeout = 7s;
  g.headers_timeout = 8s;
  g.stall_timeout = 9s;
  g.closing_timeout = 10s;
  g.handshake_timeout = 11s;
  g.handshake_size = 12000;
  g.waiting_handshakes = 13;
  g.min_rate = 14;
  g.min_rate_grace = 15s;
  g.record_timeout = 16s;
  g.handshake_records = 17;
  EXPECT_EQ(s->guards, g);
  files.write("sluiced.toml", files.config("[guards]\nresets = 5\nping = { burst = 1 }\n"
                                           "pings = { burst = -1 }\n"));
  for (const char* part : {"resets is an integer", "unknown key ping in [guards]", "burst = -1"})
    EXPECT_NE(mistakes(files).find(part), std::string::npos) << mistakes(files);
}

TEST(Load, a_service_tries_again_only_when_it_says_what_for) {
  Files files;
  const auto service = [&](const std::string& retry) {
    files.write("sluiced.toml", files.config(retry));
    return load(files.path("sluiced.toml")).snapshot;
  };
  EXPECT_FALSE(service("")->services.at(0).retry.any());
  config::Retry all;
  all.grpc_statuses.set(14).set(8);
  all.http_statuses.set(502).set(503);
  all.resets = all.idempotent = true;
  all.per_try_timeout = 2s;
  all.attempts = 5;
  all.backoff = 10ms;
  all.backoff_max = 1s;
  all.budget_percent = 10;
  all.budget_per_second = 3;
  EXPECT_EQ(service("[service.retry]\ngrpc_statuses = [\"UNAVAILABLE\", \"RESOURCE_EXHAUSTED\"]\n"
                    "http_statuses = [502, 503]\nresets = true\nidempotent = true\n"
                    "per_try_timeout = \"2s\"\nattempts = 5\nbackoff = \"10ms\"\n"
                    "backoff_max = \"1s\"\nbudget_percent = 10\nbudget_per_second = 3\n")
                ->services.at(0)
                .retry,
            all);
  const auto expect_mistake = [&](const std::string& retry, const std::string& text) {
    service("[service.retry]\n" + retry);
    EXPECT_NE(mistakes(files).find(text), std::string::npos) << mistakes(files);
  };
  expect_mistake("attempts = 3\n", "[service.retry] says nothing to try again for");
  expect_mistake("grpc_statuses = [\"OK\"]\n", "grpc_statuses contains \"OK\"; allowed: CANCELLED");
  expect_mistake("grpc_statuses = [14]\n", "it must be an array of strings");
  expect_mistake("http_statuses = [200]\n", "400 to 599");
  expect_mistake("resets = true\nattempts = 1\n", "allowed are 2 to 10");
  expect_mistake("resets = true\nbackoff = \"2s\"\nbackoff_max = \"1s\"\n",
                 "backoff_max is shorter than backoff");
  expect_mistake("resets = true\nbudget_percent = 101\n", "allowed are 0 to 100");
  expect_mistake("resets = true\nbudget = 1\n", "unknown key budget in [service.retry]");
}

TEST(Load, names_and_addresses_must_differ) {
  Files files;
  files.write("sluiced.toml", files.config(R"([[service]]
name = "echo"
endpoints = []
[[listener]]
name = "grpc"
address = "198.18.0.10:50051"
protocol = "h2c"
service = "echo"
)"));
  const std::string all = mistakes(files);
  EXPECT_NE(all.find("a second service echo; names must differ"), std::string::npos) << all;
  EXPECT_NE(all.find("a second listener grpc; names must differ"), std::string::npos) << all;
  EXPECT_NE(all.find("a second listener on 198.18.0.10:50051"), std::string::npos) << all;
}

TEST(Load, a_gateway_must_be_a_neighbour) {
  Files files;
  std::string text = files.config_without_routes();
  const std::string addresses = "addresses = [\"198.18.0.2/24\"]\n";
  text.replace(text.find(addresses), addresses.size(),
               addresses +
                   "routes = [{ to = \"10.0.0.0/8\", via = \"198.18.0.254\" },\n"
                   "{ to = \"10.0.0.0/8\", via = \"198.18.7.254\" }]\n");
  files.write("sluiced.toml", text);
  EXPECT_EQ(
      mistakes(files),
      "sluiced.toml:11: via = \"198.18.7.254\" is in none of the port's networks; the gateway "
      "must be a neighbour\n");
}

TEST(Load, ports_with_different_vlans_may_share_their_devices) {
  Files files;
  const std::string device = "device = \"net_tap0\"\n";
  const auto with = [&](const std::string& first, const std::string& second) {
    std::string text = files.config();
    const size_t at = text.find("[[port]]");
    const size_t end = text.find("[[", at + 2);
    const std::string port = text.substr(at, end - at);
    std::string other = port;
    const auto change = [](std::string& s, const std::string& from, const std::string& to) {
      s.replace(s.find(from), from.size(), to);
    };
    change(other, "\"north\"", "\"second\"");
    change(other, "198.18.0.2/24", "198.18.7.2/24");
    change(other, "198.18.0.254", "198.18.7.254");
    text.replace(at, end - at, port + first + other + second);
    files.write("sluiced.toml", text);
    return mistakes(files);
  };
  EXPECT_EQ(with("", "vlan = 20\n"), "");
  EXPECT_EQ(with("vlan = 4094\n", "vlan = 20\n"), "");
  EXPECT_NE(with("", "").find("is used twice"), std::string::npos);
  EXPECT_NE(with("vlan = 20\n", "vlan = 20\n").find("is used twice"), std::string::npos);
  EXPECT_NE(with("", "vlan = 20\nmtu = 1400\n").find("must be the same"), std::string::npos);
  EXPECT_NE(with("", "vlan = 4095\n").find("vlan"), std::string::npos);
}

TEST(Load, ipv6_endpoints_are_endpoints) {
  Files files;
  files.write("endpoints.toml", "endpoints = [{ address = \"[2001:db8::1]:80\" }]\n");
  EXPECT_EQ(mistakes(files), "");
}

TEST(Load, a_route_has_one_family) {
  Files files;
  const std::string addresses = "addresses = [\"198.18.0.2/24\"]\n";
  std::string text = files.config_without_routes();
  text.replace(text.find(addresses), addresses.size(),
               "addresses = [\"198.18.0.2/24\", \"2001:db8::2/64\"]\n"
               "routes = [{ to = \"::/0\", via = \"198.18.0.254\" },\n"
               "{ to = \"::/0\", via = \"fe80::1\" },\n"
               "{ to = \"2001:db8:1::/48\", via = \"2001:db8::fe\" },\n"
               "{ to = \"2001:db8:2::/48\", via = \"2001:db8:7::fe\" }]\n");
  files.write("sluiced.toml", text);
  EXPECT_EQ(
      mistakes(files),
      "sluiced.toml:10: to = \"::/0\" and via = \"198.18.0.254\" are of different families\n"
      "sluiced.toml:13: via = \"2001:db8:7::fe\" is in none of the port's networks; the gateway "
      "must be a neighbour\n");
}

TEST(Load, endpoints_of_kubernetes_need_a_cluster_and_are_read_as_references) {
  Files files;
  std::string text = files.config();
  const std::string file = "{ file = \"endpoints.toml\" }";
  const auto with = [&](const std::string& reference, const std::string& tail) {
    std::string out = text;
    out.replace(out.find(file), file.size(), "{ kubernetes = \"" + reference + "\" }");
    files.write("sluiced.toml", out + tail);
    return mistakes(files);
  };
  EXPECT_NE(with("default/echo:grpc", "").find("there is no table [kubernetes]"),
            std::string::npos);
  const std::string table = "[kubernetes]\nserver = \"https://10.0.0.1\"\nzone = \"west\"\n";
  EXPECT_EQ(with("default/echo:grpc", table), "");
  const Loaded l = load(files.path("sluiced.toml"));
  EXPECT_EQ(l.endpoints.at(0).kubernetes->str(), "default/echo:grpc");
  EXPECT_EQ(l.kubernetes->server.str(), "https://10.0.0.1:443");
  EXPECT_EQ(l.kubernetes->zone, "west");
  EXPECT_NE(with("echo", table).find("is not a service with a port"), std::string::npos);
  EXPECT_NE(with("default/echo", table + "namespaces = [\"a\"]\n").find("has no \"default\""),
            std::string::npos);
  EXPECT_NE(with("default/echo", "[kubernetes]\nkubeconfig = \"none\"\n").find("cannot be read"),
            std::string::npos);
}

TEST(Load, learned_routes_of_nodes_need_a_cluster) {
  Files files;
  const std::string text = files.config();
  EXPECT_FALSE(load(files.path("sluiced.toml")).routes.kernel);
  files.write("sluiced.toml", text + "[routes]\nkernel = true\n");
  const Loaded kernel = load(files.path("sluiced.toml"));
  EXPECT_TRUE(kernel.snapshot);
  EXPECT_TRUE(kernel.routes.kernel);
  EXPECT_FALSE(kernel.routes.nodes);
  files.write("sluiced.toml", text + "[routes]\nnodes = true\n");
  EXPECT_NE(mistakes(files).find("nodes needs the table [kubernetes]"), std::string::npos);
  files.write("sluiced.toml",
              text + "[routes]\nnodes = true\n[kubernetes]\nserver = \"https://10.0.0.1\"\n");
  EXPECT_EQ(mistakes(files), "");
}

TEST(Load, the_access_log) {
  Files files;
  const auto with = [&](const std::string& keys) {
    files.write("sluiced.toml", files.config("[access_log]\n" + keys + "\n"));
    return mistakes(files);
  };
  EXPECT_EQ(with("file = \"access.log\"\none_in = 100\nfailures = false\nquery = true"), "");
  const config::AccessLog log = load(files.path("sluiced.toml")).snapshot->access_log;
  EXPECT_EQ(log.file, files.path("access.log"));
  EXPECT_EQ(log.one_in, 100u);
  EXPECT_FALSE(log.failures);
  EXPECT_TRUE(log.query);
  EXPECT_EQ(with("file = \"stderr\""), "");
  EXPECT_EQ(load(files.path("sluiced.toml")).snapshot->access_log.file, "stderr");
  EXPECT_NE(with("one_in = 1").find("lacks file"), std::string::npos);
  EXPECT_NE(with("file = \"a\"\none_in = 0\nfailures = false").find("nothing would be logged"),
            std::string::npos);
}

TEST(Load, a_health_path_is_an_absolute_path) {
  Files files;
  const auto with = [&](const std::string& path) {
    files.write("sluiced.toml", files.config("[[listener]]\nname = \"second\"\n"
                                             "address = \"198.18.0.10:80\"\nprotocol = \"http\"\n"
                                             "service = \"echo\"\nhealth_path = \"" +
                                             path + "\"\n"));
    return mistakes(files);
  };
  EXPECT_EQ(with("/healthz"), "");
  EXPECT_EQ(load(files.path("sluiced.toml")).snapshot->listeners.at(1).health_path, "/healthz");
  EXPECT_NE(with(""), "");
  for (const char* bad : {"healthz", "/a?b", "/a#b", "/a b"})
    EXPECT_NE(with(bad).find("is no path like"), std::string::npos) << bad;
}

TEST(Load, the_admin_http_server_stays_on_loopback_without_tls_and_a_token) {
  Files files;
  const auto with = [&](const std::string& keys) {
    files.write("sluiced.toml", files.config("[admin]\n" + keys + "\n"));
    return mistakes(files);
  };
  for (const char* good : {"127.0.0.1:9464", "127.8.0.1:80", "[::1]:9464"}) {
    EXPECT_EQ(with("http = \"" + std::string(good) + "\"\nhosts = [\"LB1.example\"]"), "");
    const Loaded l = load(files.path("sluiced.toml"));
    EXPECT_EQ(l.admin_http.address->str(), good);
    EXPECT_EQ(l.admin_http.hosts, std::vector<std::string>{"lb1.example"});
  }
  for (const char* bad : {"0.0.0.0:9464", "[::]:9464", "198.18.0.2:9464"})
    EXPECT_NE(with("http = \"" + std::string(bad) + "\"").find("the server needs TLS and a token"),
              std::string::npos)
        << bad;
  const test::Issued issued = test::issue("lb1", {"DNS:lb1.example"}, nullptr);
  files.write("a.pem", issued.pem());
  files.write("a.key", issued.key_pem());
  files.write("token", "0123456789abcdef\n");
  const std::string tls = "http = \"0.0.0.0:9464\"\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";
  EXPECT_EQ(with(tls + "token_file = \"token\""), "");
  const Loaded l = load(files.path("sluiced.toml"));
  EXPECT_EQ(l.admin_http.certificate, issued.pem());
  EXPECT_EQ(l.admin_http.key, issued.key_pem());
  EXPECT_EQ(l.admin_http.token, "0123456789abcdef");
  for (const char* file : {"a.pem", "a.key", "token"})
    EXPECT_NE(std::find(l.files.begin(), l.files.end(), files.path(file)), l.files.end())
        << file << " is watched";
  EXPECT_NE(with(tls).find("token_file is not set"), std::string::npos);
  files.write("token", "short\n");
  EXPECT_NE(with(tls + "token_file = \"token\"").find("has no token of 16 to 1024"),
            std::string::npos);
  EXPECT_NE(with("token_file = \"nowhere\"").find("has no token"), std::string::npos);
  EXPECT_NE(with("certificate = \"a.pem\"").find("need each other"), std::string::npos);
  EXPECT_NE(with("certificate = \"token\"\nkey = \"a.key\"").find("token: "), std::string::npos);
  EXPECT_NE(with("hosts = [\"http://a\"]").find("is not a name or an address"), std::string::npos);
}

}  // namespace
}  // namespace sluice::loader
