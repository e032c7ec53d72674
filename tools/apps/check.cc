#include "check.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "echo.grpc.pb.h"
#include "json.h"
#include "load.h"
#include "pattern.h"

namespace sluice::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto kCallDeadline = 20s;             // so that a check that hangs ends
constexpr std::size_t kBigMessage = 4'000'000;  // a little below gRPC's default limit of 4 MiB

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

void expect_ok(const grpc::Status& status) {
  if (!status.ok())
    throw std::runtime_error(std::string(status_name(status.error_code())) + ": " +
                             status.error_message());
}

std::uint32_t crc_of(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

struct Context : grpc::ClientContext {
  Context() { set_deadline(std::chrono::system_clock::now() + kCallDeadline); }
};

using Stub = Echo::Stub;

void unary(Stub& stub) {
  Context context;
  EchoRequest request;
  request.set_payload("hello");
  EchoReply reply;
  expect_ok(stub.Unary(&context, request, &reply));
  expect(reply.payload() == "hello", "the reply is not the request");
  expect(!reply.pod().empty(), "no pod name");
}

void big_unary(Stub& stub) {
  Context context;
  EchoRequest request;
  request.set_payload(pattern(kBigMessage));
  EchoReply reply;
  expect_ok(stub.Unary(&context, request, &reply));
  expect(reply.payload() == request.payload(), "4 MB came back changed");
  expect(reply.received_crc() == crc_of(request.payload()), "4 MB arrived changed");
}

void server_stream(Stub& stub) {
  constexpr std::uint32_t kReplies = 500;
  Context context;
  EchoRequest request;
  request.set_replies(kReplies);
  request.set_reply_bytes(10'000);
  const std::string expected = pattern(10'000);
  const auto reader = stub.ServerStream(&context, request);
  EchoReply reply;
  std::uint32_t count = 0;
  std::string pod;
  while (reader->Read(&reply)) {
    expect(reply.sequence() == count, "replies out of order");
    expect(reply.payload() == expected, "a reply changed on its way");
    expect(count == 0 || reply.pod() == pod, "one stream was answered by two pods");
    pod = reply.pod();
    ++count;
  }
  expect_ok(reader->Finish());
  expect(count == kReplies, "got " + std::to_string(count) + " replies");
}

void client_stream(Stub& stub) {
  constexpr std::uint32_t kRequests = 500;
  Context context;
  EchoReply reply;
  const auto writer = stub.ClientStream(&context, &reply);
  uLong crc = crc32(0, nullptr, 0);
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    EchoRequest request;
    request.set_payload(pattern(1 + i * 37 % 9'000));
    crc = crc32(crc, reinterpret_cast<const Bytef*>(request.payload().data()),
                static_cast<uInt>(request.payload().size()));
    expect(writer->Write(request), "a write failed");
  }
  writer->WritesDone();
  expect_ok(writer->Finish());
  expect(reply.received_messages() == kRequests, "messages were lost");
  expect(reply.received_crc() == crc, "bytes were changed");
}

void bidi_ping_pong(Stub& stub) {
  Context context;
  const auto stream = stub.Bidi(&context);
  EchoReply reply;
  for (std::uint32_t i = 0; i < 200; ++i) {
    EchoRequest request;
    request.set_payload("message " + std::to_string(i));
    expect(stream->Write(request), "a write failed");
    expect(stream->Read(&reply), "no answer to message " + std::to_string(i));
    expect(reply.payload() == request.payload() && reply.sequence() == i, "a wrong answer");
  }
  stream->WritesDone();
  expect(!stream->Read(&reply), "an answer too many");
  expect_ok(stream->Finish());
}

void bidi_both_ways_at_once(Stub& stub) {
  constexpr std::uint32_t kMessages = 400;
  Context context;
  const auto stream = stub.Bidi(&context);
  const std::string payload = pattern(20'000);
  std::thread writer([&] {
    EchoRequest request;
    request.set_payload(payload);
    for (std::uint32_t i = 0; i < kMessages; ++i) {
      if (!stream->Write(request)) break;
    }
    stream->WritesDone();
  });
  EchoReply reply;
  std::uint32_t count = 0;
  bool intact = true;
  while (stream->Read(&reply)) {
    intact = intact && reply.payload() == payload && reply.sequence() == count;
    ++count;
  }
  writer.join();
  expect_ok(stream->Finish());
  expect(intact, "a message changed on its way");
  expect(count == kMessages, "got " + std::to_string(count) + " messages");
}

void metadata(Stub& stub) {
  std::string binary;
  for (int i = 0; i < 256; ++i) binary += static_cast<char>(i);
  Context context;
  context.AddMetadata("x-text", "plain text, with spaces");
  context.AddMetadata("x-raw-bin", binary);
  context.AddMetadata("x-long", std::string(3'000, 'l'));
  EchoRequest request;
  request.set_echo_metadata(true);
  EchoReply reply;
  expect_ok(stub.Unary(&context, request, &reply));
  const auto check = [](const auto& map, const std::string& key, const std::string& value) {
    const auto found = map.find(key);
    expect(found != map.end(), key + " is missing");
    expect(std::string(found->second.data(), found->second.size()) == value, key + " changed");
  };
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"x-text", "plain text, with spaces"},
                                                        {"x-raw-bin", binary},
                                                        {"x-long", std::string(3'000, 'l')}}) {
    check(context.GetServerInitialMetadata(), key, value);
    check(context.GetServerTrailingMetadata(), "t-" + key, value);
  }
}

void error_status(Stub& stub) {
  Context context;
  EchoRequest request;
  request.set_fail_code(grpc::FAILED_PRECONDITION);
  request.set_fail_message("not now: 100 % \xc3\xbc");
  EchoReply reply;
  const grpc::Status status = stub.Unary(&context, request, &reply);
  expect(status.error_code() == grpc::FAILED_PRECONDITION, status_name(status.error_code()));
  expect(status.error_message() == request.fail_message(), "message: " + status.error_message());
}

void error_after_replies(Stub& stub) {
  Context context;
  EchoRequest request;
  request.set_replies(3);
  request.set_fail_code(grpc::DATA_LOSS);
  request.set_fail_message("after three");
  const auto reader = stub.ServerStream(&context, request);
  EchoReply reply;
  int count = 0;
  while (reader->Read(&reply)) ++count;
  const grpc::Status status = reader->Finish();
  expect(count == 3, "got " + std::to_string(count) + " replies");
  expect(status.error_code() == grpc::DATA_LOSS, status_name(status.error_code()));
  expect(status.error_message() == "after three", status.error_message());
}

void deadline(Stub& stub) {
  grpc::ClientContext context;
  const auto began = std::chrono::steady_clock::now();
  context.set_deadline(std::chrono::system_clock::now() + 200ms);
  EchoRequest request;
  request.set_delay_ms(10'000);
  EchoReply reply;
  const grpc::Status status = stub.Unary(&context, request, &reply);
  expect(status.error_code() == grpc::DEADLINE_EXCEEDED, status_name(status.error_code()));
  expect(std::chrono::steady_clock::now() - began < 2s, "the deadline came late");
}

// Asks until a pod says that it saw the call: each question may reach another pod.
bool seen(Stub& stub, const std::string& tag, bool cancelled) {
  const auto until = std::chrono::steady_clock::now() + 5s;
  while (std::chrono::steady_clock::now() < until) {
    Context context;
    SeenRequest request;
    request.set_tag(tag);
    SeenReply reply;
    expect_ok(stub.Seen(&context, request, &reply));
    if (reply.seen() && reply.cancelled() == cancelled) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

void cancellation(Stub& stub) {
  const std::string tag = "cancelled by " + std::to_string(::getpid());
  Context context;
  EchoRequest request;
  request.set_tag(tag);
  request.set_delay_ms(100);
  request.set_replies(1'000'000);
  const auto reader = stub.ServerStream(&context, request);
  EchoReply reply;
  expect(reader->Read(&reply), "no first reply");
  context.TryCancel();
  const grpc::Status status = reader->Finish();
  expect(status.error_code() == grpc::CANCELLED, status_name(status.error_code()));
  expect(seen(stub, tag, true), "no pod saw the call cancelled");
}

struct Check {
  const char* name;
  std::function<void(Stub&)> run;
};

}  // namespace

int run_checks(const std::string& target, const Security& security) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  const auto stub = Echo::NewStub(make_channel(target, security, arguments));
  const std::vector<Check> checks = {
      {"unary", unary},
      {"big_unary", big_unary},
      {"server_stream", server_stream},
      {"client_stream", client_stream},
      {"bidi_ping_pong", bidi_ping_pong},
      {"bidi_both_ways_at_once", bidi_both_ways_at_once},
      {"metadata", metadata},
      {"error_status", error_status},
      {"error_after_replies", error_after_replies},
      {"deadline", deadline},
      {"cancellation", cancellation},
  };
  int failed = 0;
  for (const Check& check : checks) {
    std::string why;
    try {
      check.run(*stub);
    } catch (const std::runtime_error& error) {
      why = error.what();
      ++failed;
    }
    std::cout << "{\"check\": " << json_text(check.name)
              << ", \"ok\": " << (why.empty() ? "true" : "false") << ", \"why\": " << json_text(why)
              << "}" << std::endl;
  }
  return failed;
}

}  // namespace sluice::lab
