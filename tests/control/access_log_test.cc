// The access log: its lines, its file, and the notes of workers on their way to it.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <boost/json/parse.hpp>

#include "control/access_line.h"
#include "control/line_writer.h"
#include "controller_fixture.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using stats::Access;
using Text = Access::Text;

std::string read(const std::filesystem::path& file) {
  std::ostringstream all;
  all << std::ifstream(file).rdbuf();
  return all.str();
}

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 5'000 && !condition(); ++i) std::this_thread::sleep_for(1ms);
  return condition();
}

Access note() {
  Access a;
  a.duration = 1'234'567ns;
  a.first_byte = 500us;
  a.client = *Endpoint::parse("198.18.0.1:4000");
  a.pod = 1;
  a.status = 200;
  a.tries = 2;
  a.result = stats::Result::kOk;
  a.request_bytes = 5;
  a.answer_bytes = 7;
  a.protocol = "2.0";
  a.tls = "TLSv1.3";
  a.set(Text::kServerName, "lb.example");
  a.set(Text::kMethod, "POST");
  a.set(Text::kAuthority, "lb.example");
  a.set(Text::kPath, "/sluice.lab.Echo/Unary");
  a.set(Text::kRequestId, "r1");
  a.set(Text::kTraceParent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  a.set(Text::kUserAgent, "grpc-c++/1.51");
  return a;
}
constexpr AccessNames kNames{
    .listener = "grpc", .service = "echo", .name_space = "shop", .pod = "pod1"};
const std::chrono::system_clock::time_point kThen{1'764'412'215'000'042us};

TEST(AccessLine, has_all_fields_in_their_order) {
  EXPECT_EQ(
      access_line(note(), kNames, kThen),
      R"({"time":"2025-11-29T10:30:15.000042Z","listener":"grpc",)"
      R"("client":"198.18.0.1:4000","sni":"lb.example","tls":"TLSv1.3",)"
      R"("protocol":"HTTP/2.0","method":"POST","authority":"lb.example",)"
      R"("path":"/sluice.lab.Echo/Unary","route":null,"namespace":"shop","service":"echo","pod":"pod1",)"
      R"("http_status":200,"grpc_status":"OK","request_bytes":5,"response_bytes":7,)"
      R"("duration_ms":1.235,"first_byte_ms":0.500,"tries":2,"request_id":"r1",)"
      R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","user_agent":"grpc-c++/1.51",)"
      R"("end":null})"
      "\n");
}

TEST(AccessLine, fields_without_a_value_are_null) {
  Access a;
  a.result = stats::Result::kIncomplete;
  a.end = "the client reset the stream";
  const auto line = boost::json::parse(access_line(a, {}, kThen)).as_object();
  for (const char* name : {"listener", "service", "pod", "sni", "tls", "path", "http_status",
                           "grpc_status", "first_byte_ms", "request_id", "trace_id", "user_agent"})
    EXPECT_TRUE(line.at(name).is_null()) << name;
  EXPECT_EQ(line.at("end").as_string(), "the client reset the stream");
  EXPECT_EQ(line.size(), 24u);
}

TEST(AccessLine, the_route_is_the_name_that_leads_to_the_service) {
  config::Listener listener;
  listener.routes = {{.names = {"a.example.com", "*.example.com"}}, {.names = {"*.b.example.com"}}};
  EXPECT_EQ(route_of(listener, "a.example.com"), "a.example.com");
  EXPECT_EQ(route_of(listener, "c.example.com"), "*.example.com");
  EXPECT_EQ(route_of(listener, "x.b.example.com"), "*.b.example.com");
  EXPECT_EQ(route_of(listener, "b.example.com"), "*.example.com");
  for (const char* other : {"", "example.com", ".example.com", "a.example.org"})
    EXPECT_EQ(route_of(listener, other), "") << other;
  AccessNames names = kNames;
  names.route = "*.example.com";
  EXPECT_EQ(boost::json::parse(access_line(note(), names, kThen)).at("route").as_string(),
            "*.example.com");
}

TEST(AccessLine, no_bytes_of_a_client_end_a_line_or_a_string) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  Access a = note();
  a.set(Text::kPath, all);
  a.set(Text::kUserAgent, "\",\"end\":\"forged\"}\n{");
  const std::string text = access_line(a, kNames, kThen);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  for (const char c : text.substr(0, text.size() - 1)) EXPECT_TRUE(c >= ' ' && c <= '~');
  const auto line = boost::json::parse(text).as_object();
  EXPECT_TRUE(line.at("end").is_null());
  EXPECT_EQ(line.at("user_agent").as_string(), "\",\"end\":\"forged\"}\n{");
}

TEST(AccessLine, a_trace_id_is_32_hexadecimal_digits_or_absent) {
  for (const char* text : {"", "x", "00-4bf9-00f067aa0ba902b7-01",
                           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e473\"-00f067aa0ba902b7-01"}) {
    Access a = note();
    a.set(Text::kTraceParent, text);
    EXPECT_TRUE(boost::json::parse(access_line(a, kNames, kThen)).at("trace_id").is_null()) << text;
  }
}

TEST(LineWriter, after_reopen_lines_go_to_the_new_file) {
  const test::Files files;
  const auto file = files.path("access.log"), old = files.path("access.log.1");
  LineWriter writer(file.string());
  writer.write("one\n");
  EXPECT_TRUE(soon([&] { return read(file) == "one\n"; }));
  std::filesystem::rename(file, old);
  writer.write("two\n");
  EXPECT_TRUE(soon([&] { return read(old) == "one\ntwo\n"; }));
  writer.reopen();
  EXPECT_TRUE(soon([&] { return std::filesystem::exists(file); }));
  writer.write("three\n");
  EXPECT_TRUE(soon([&] { return read(file) == "three\n"; }));
  EXPECT_EQ(read(old), "one\ntwo\n");
}

TEST(LineWriter, a_pipe_that_nobody_reads_holds_up_neither_the_writer_nor_its_end) {
  const test::Files files;
  const auto pipe = files.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  const auto began = std::chrono::steady_clock::now();
  {
    LineWriter writer(pipe.string());
    const std::string line(1'000, 'x');
    uint64_t taken = 0;
    while (writer.write(line + "\n")) ++taken;
    EXPECT_GE(taken, LineWriter::kMost / 1'001);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
  ::close(reader);
}

// A pipe that is full, with a reader that does not read.
class Stuck {
 public:
  explicit Stuck(const std::filesystem::path& path) : path_(path) {
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    reader_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  }
  ~Stuck() { ::close(reader_); }
  // Reads until the text has come, or does not.
  bool reads(const std::string& wanted) {
    return soon([&] {
      char buffer[65'536];
      const ssize_t n = ::read(reader_, buffer, sizeof buffer);
      if (n > 0) text_.append(buffer, static_cast<size_t>(n));
      return text_.ends_with(wanted);
    });
  }

 private:
  std::filesystem::path path_;
  int reader_;
  std::string text_;
};

TEST(LineWriter, a_stuck_pipe_does_not_hold_up_the_end_and_its_lines_count_as_lost) {
  const test::Files files;
  const Stuck pipe(files.path("pipe"));
  const auto lost = std::make_shared<std::atomic<uint64_t>>(0);
  auto writer = std::make_unique<LineWriter>(files.path("pipe").string(), lost);
  EXPECT_EQ(writer->write(std::string(100'000, 'x') + "\none\n"), 2u);
  const auto began = std::chrono::steady_clock::now();
  writer.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 500ms);
  EXPECT_TRUE(soon([&] { return *lost == 2; }));
}

TEST(LineWriter, whole_lines_are_taken_as_far_as_there_is_room) {
  const test::Files files;
  const Stuck pipe(files.path("pipe"));
  LineWriter writer(files.path("pipe").string());
  const std::string line = std::string(999'999, 'x') + "\n";
  EXPECT_EQ(writer.write(line + line + line + line + line + line), 4u);
  EXPECT_EQ(writer.lost(), 2u);
}

TEST(LineWriter, reopen_frees_it_from_a_stuck_pipe_and_the_new_file_has_whole_lines) {
  const test::Files files;
  const auto file = files.path("access.log");
  const Stuck pipe(file);
  LineWriter writer(file.string());
  const std::string lines = std::string(100'000, 'x') + "\none\n";
  writer.write(lines);
  std::filesystem::rename(file, files.path("old"));
  writer.reopen();
  EXPECT_TRUE(soon([&] { return read(file) == lines; }));
  EXPECT_EQ(writer.lost(), 0u);
}

TEST(LineWriter, behind_a_part_of_a_line_the_next_one_begins_at_the_margin) {
  const test::Files files;
  Stuck pipe(files.path("pipe"));
  LineWriter writer(files.path("pipe").string());
  const std::string line = std::string(100'000, 'x') + "\n";
  writer.write(line);
  std::this_thread::sleep_for(50ms);  // a part is in the pipe, most likely
  writer.reopen();
  std::this_thread::sleep_for(250ms);
  EXPECT_TRUE(pipe.reads("x\n" + line));
}

TEST(LineWriter, a_file_that_cannot_be_opened_is_named) {
  try {
    LineWriter writer("/nonexistent/access.log");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "/nonexistent/access.log: No such file or directory");
  }
}

class AccessLogTest : public ControllerTest {
 protected:
  void SetUp() override {
    files.write("sluiced.toml", files.config(access_log("access.log")));
    ControllerTest::SetUp();
  }
  static std::string access_log(const std::string& file) {
    return "\n[access_log]\nfile = \"" + file + "\"\n";
  }
  void push() {
    Access a = note();
    a.listener = controller->current().listeners.at(0).slot;
    a.service = controller->current().services.at(0).slot;
    worker->access().push(a);
  }
  std::filesystem::path file() const { return files.path("access.log"); }
  bool has_lines(size_t n) {
    return turns_until(
               [&] {
                 const std::string text = read(file());
                 return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) == n;
               },
               5'000) < 5'000;
  }
};

TEST_F(AccessLogTest, notes_become_lines_with_the_names_of_the_configuration) {
  push();
  ASSERT_TRUE(has_lines(1));
  const auto line = boost::json::parse(read(file())).as_object();
  EXPECT_EQ(line.at("listener").as_string(), controller->current().listeners.at(0).name);
  EXPECT_EQ(line.at("service").as_string(), controller->current().services.at(0).name);
  const std::string metrics(controller->answer_http("/metrics").content());
  EXPECT_NE(metrics.find("\nsluice_access_log_lines_total 1\n"), std::string::npos);
  EXPECT_NE(metrics.find("\nsluice_access_log_lost_total 0\n"), std::string::npos);
}

TEST_F(AccessLogTest, SIGHUP_opens_the_file_again) {
  push();
  ASSERT_TRUE(has_lines(1));
  std::filesystem::rename(file(), files.path("old"));
  std::raise(SIGHUP);
  turns_until([&] { return std::filesystem::exists(file()); }, 5'000);
  push();
  EXPECT_TRUE(has_lines(1));
}

TEST_F(AccessLogTest, another_file_that_cannot_be_opened_leaves_the_one_before) {
  files.write("sluiced.toml", files.config(access_log("nowhere/access.log")));
  wait_for(2);
  push();
  EXPECT_TRUE(has_lines(1));
}

TEST_F(AccessLogTest, a_worker_that_is_always_busy_does_not_keep_control) {
  std::atomic<bool> end{false};
  std::thread busy([&] {
    for (const auto until = std::chrono::steady_clock::now() + 5s;
         !end && std::chrono::steady_clock::now() < until;)
      push();
  });
  const auto began = std::chrono::steady_clock::now();
  run(30ms);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 4s);
  end = true;
  busy.join();
}

TEST_F(AccessLogTest, the_last_notes_are_in_the_file_when_finish_returns) {
  for (int i = 0; i < 100; ++i) push();
  controller->finish();
  const std::string text = read(file());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
}

TEST_F(AccessLogTest, a_log_whose_file_cannot_be_opened_counts_its_lines_and_tries_again) {
  files.write("sluiced.toml", files.config());
  wait_for(2);
  files.write("sluiced.toml", files.config(access_log("later/access.log")));
  wait_for(3);
  push();
  const auto counted = [&] {
    return controller->answer_http("/metrics")
               .content()
               .find("\nsluice_access_log_lost_total 1\n") != std::string_view::npos;
  };
  EXPECT_LT(turns_until(counted, 5'000), 5'000);
  std::filesystem::create_directory(files.path("later"));
  EXPECT_LT(
      turns_until([&] { return std::filesystem::exists(files.path("later/access.log")); }, 5'000),
      5'000);
}

TEST_F(AccessLogTest, without_the_table_it_ends) {
  files.write("sluiced.toml", files.config());
  wait_for(2);
  push();
  run(50ms);
  EXPECT_EQ(read(file()), "");
}

}  // namespace
}  // namespace sluice::control
