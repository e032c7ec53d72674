// What gRPC's HTTP/2 document asks of a proxy: everything of a call crosses as it is, both ways.

#include "relay/fixture.h"

namespace sluice::relay {
namespace {

std::string joined(const FieldList& fields) {
  std::string out;
  for (const http::Field f : fields) out += (out.empty() ? "" : " ") + http2::text(f.name, f.value);
  return out;
}

struct GrpcPassing : RelayTest {
  GrpcPassing() {
    endpoints({1});
    pod(1).way = TestPod::Way::kSilent;
  }
  http2::Connection& pods_side() { return *pod(1).peer().h2; }
  const FieldList& asked(uint32_t id = 1) { return pod(1).peer().owner.streams[id].headers; }
  static FieldList call_of(std::string_view content_type) {
    FieldList f = http2::request("/sluice.lab.Echo/Unary");
    f.add(Name::kContentType, content_type);
    f.add(Name::kTe, "trailers");
    return f;
  }
};

TEST_F(GrpcPassing, te_and_all_metadata_reach_the_pod_in_their_order) {
  FieldList f = call_of("application/grpc");
  f.add("user-agent", "grpc-go/1.60");
  f.add("grpc-accept-encoding", "gzip,identity");
  f.add("twice", "a");
  f.add("trace-bin", "AAEC/w==");
  f.add("twice", "b");
  call(client(), true, f);
  EXPECT_EQ(joined(asked()), joined(f));
}

TEST_F(GrpcPassing, content_subtypes_that_nobody_knows_pass) {
  Peer& c = client();
  uint32_t id = 1;
  for (const char* type : {"application/grpc+thrift", "application/grpc;charset=x",
                           "application/grpc-web+proto", "application/x-whatever"}) {
    call(c, true, call_of(type));
    EXPECT_EQ(field(asked(id), Name::kContentType), type);
    id += 2;
  }
}

TEST_F(GrpcPassing, a_compressed_message_is_not_touched) {
  FieldList f = call_of("application/grpc");
  f.add(Name::kGrpcEncoding, "gzip");
  Peer& c = client();
  http2::Stream* s = call(c, false, f);
  const std::string message("\1\0\0\0\4\x1f\x8b\0\xff", 9);  // compressed, four bytes
  body(c, s, message, true);
  EXPECT_EQ(pod(1).peer().owner.streams[1].body, message);
}

TEST_F(GrpcPassing, trailers_only_stays_one_field_section_with_its_encoded_message) {
  Peer& c = client();
  call(c);
  FieldList only;
  only.add(Name::kStatus, "200");
  only.add(Name::kContentType, "application/grpc");
  only.add(Name::kGrpcStatus, "5");
  only.add(Name::kGrpcMessage, "100%25 %E4%B8%AD");
  only.add("grpc-status-details-bin", "CAUS");
  pods_side().send_headers(*pod(1).last, only, true);
  run();
  EXPECT_EQ(joined(heard(c).headers), joined(only));
  EXPECT_TRUE(heard(c).trailers.empty());
  EXPECT_TRUE(heard(c).closed);
}

TEST_F(GrpcPassing, trailers_and_statuses_that_nobody_knows_pass) {
  Peer& c = client();
  call(c);
  FieldList end;
  end.add(Name::kGrpcStatus, "77");
  end.add("x-trailer", "y");
  pods_side().send_headers(*pod(1).last, http2::response(), false);
  pods_side().send_headers(*pod(1).last, end, true);
  run();
  EXPECT_EQ(joined(heard(c).trailers), joined(end));
}

TEST_F(GrpcPassing, an_http_status_of_the_pod_is_the_clients_to_map) {
  Peer& c = client();
  call(c);
  FieldList refused;
  refused.add(Name::kStatus, "401");
  refused.add(Name::kContentType, "text/html");
  pods_side().send_headers(*pod(1).last, refused, true);
  run();
  EXPECT_EQ(joined(heard(c).headers), joined(refused));
}

TEST_F(GrpcPassing, informational_answers_pass_before_the_final_one) {
  Peer& c = client();
  call(c);
  FieldList hint;
  hint.add(Name::kStatus, "103");
  pods_side().send_headers(*pod(1).last, hint, false);
  run();
  EXPECT_TRUE(c.has("1 informational :status=103"));
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  EXPECT_TRUE(heard(c).closed);
  EXPECT_EQ(heard(c).body, "pod1");
}

TEST_F(GrpcPassing, an_answer_to_head_keeps_the_length_that_it_announces) {
  FieldList head;
  head.add(Name::kMethod, "HEAD");
  head.add(Name::kScheme, "http");
  head.add(Name::kPath, "/");
  Peer& c = client();
  call(c, true, head);
  FieldList answer = http2::response();
  answer.add(Name::kContentLength, "1234");
  pods_side().send_headers(*pod(1).last, answer, false);
  pods_side().send_data(*pod(1).last, {}, true);
  run();
  EXPECT_EQ(field(heard(c).headers, Name::kContentLength), "1234");
  EXPECT_TRUE(heard(c).closed);
}

TEST_F(GrpcPassing, metadata_over_the_limit_is_resource_exhausted_and_no_pod_hears_of_it) {
  FieldList f = grpc();
  for (int i = 0; i < 60; ++i) f.add("x-" + std::to_string(i), std::string(300, 'x'));
  Peer& c = client();
  call(c, true, f);
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "8");
  EXPECT_TRUE(heard(c).closed);
  EXPECT_EQ(pod(1).requests(), 0);
}

TEST_F(GrpcPassing, an_answer_with_more_metadata_than_allowed_is_resource_exhausted) {
  Peer& c = client();
  call(c);
  FieldList large = http2::response();
  large.add("x-large", std::string(20'000, 'x'));
  pod(1).peer().h2->send_headers(*pod(1).last, large, false);
  run();
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "8");
  EXPECT_TRUE(pod(1).peer().owner.streams[1].reset);
}

TEST_F(GrpcPassing, trailers_of_a_request_pass_without_what_must_stand_before_its_content) {
  Peer& c = client();
  http2::Stream* s = call(c, false);
  FieldList f;
  f.add("checksum", "abc");
  for (const auto& [name, value] : {std::pair{"content-length", "3"},
                                    {"host", "other"},
                                    {"te", "trailers"},
                                    {"authorization", "Bearer x"},
                                    {"cookie", "a=b"},
                                    {"expect", "100-continue"},
                                    {"x-forwarded-for", "10.0.0.1"},
                                    {"if-match", "\"x\""}})
    f.add(name, value);
  c.h2->send_headers(*s, f, true);
  run();
  const auto& asked = pod(1).peer().owner.streams[1];
  EXPECT_TRUE(asked.ended);
  EXPECT_EQ(joined(asked.trailers), "checksum=abc");
  EXPECT_EQ(worker->relay.trailers_dropped.get(), 8u);
}

TEST_F(GrpcPassing, trailers_of_an_answer_pass_without_what_must_stand_before_its_content) {
  Peer& c = client();
  call(c);
  pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
  FieldList f;
  for (const auto& [name, value] : {std::pair{"grpc-status", "0"},
                                    {"grpc-message", "fine"},
                                    {"grpc-status-details-bin", "AAAA"},
                                    {"x-custom-bin", "AAAA"},
                                    {"content-length", "3"},
                                    {"content_length", "3"},
                                    {"content-type", "text/html"},
                                    {"host", "other"},
                                    {"location", "/evil"},
                                    {"authorization", "Bearer x"},
                                    {"set-cookie", "a=b"},
                                    {"www-authenticate", "Basic"},
                                    {"x-forwarded-for", "10.0.0.1"}})
    f.add(name, value);
  pod(1).peer().h2->send_headers(*pod(1).last, f, true);
  run();
  EXPECT_EQ(joined(heard(c).trailers),
            "grpc-status=0 grpc-message=fine grpc-status-details-bin=AAAA x-custom-bin=AAAA");
  EXPECT_EQ(worker->relay.trailers_dropped.get(), 9u);
}

TEST_F(GrpcPassing, trailers_of_which_nothing_is_left_end_the_answer_all_the_same) {
  Peer& c = client();
  call(c);
  pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
  FieldList f;
  f.add("set-cookie", "a=b");
  pod(1).peer().h2->send_headers(*pod(1).last, f, true);
  run();
  EXPECT_TRUE(heard(c).closed);
  EXPECT_TRUE(heard(c).trailers.empty());
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(GrpcPassing, trailers_of_which_nothing_is_left_end_the_request_all_the_same) {
  Peer& c = client();
  http2::Stream* s = call(c, false);
  FieldList f;
  f.add("authorization", "Bearer x");
  c.h2->send_headers(*s, f, true);
  run();
  EXPECT_TRUE(pod(1).peer().owner.streams[1].ended);
  EXPECT_TRUE(pod(1).peer().owner.streams[1].trailers.empty());
}

}  // namespace
}  // namespace sluice::relay
