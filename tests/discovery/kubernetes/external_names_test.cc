#include "discovery/kubernetes/external_names.h"

#include "support.h"

namespace sluice::discovery::kubernetes {
namespace {

std::string service(const std::string& name, const std::string& spec) {
  return R"({"metadata":{"namespace":"default","name":")" + name + R"("},"spec":)" + spec + "}";
}

struct ExternalNamesTest : testing::Test {
  // "host:port"; "host:" without such a port; "" for another service.
  std::string find(const std::string& reference) const {
    const auto found = names.find(*ServicePort::parse(reference));
    if (!found) return {};
    return found->host + ":" + (found->port ? std::to_string(*found->port) : "");
  }
  void list(const std::vector<std::string>& all) {
    names.begin_list();
    for (const std::string& text : all) names.listed(object(text));
    names.end_list();
  }
  ExternalNames names;
};

TEST_F(ExternalNamesTest, the_port_of_a_reference_is_a_number_or_a_name_of_the_services) {
  list({service("db", R"({"type":"ExternalName","externalName":"db.example.com"})"),
        service("web", R"({"type":"ExternalName","externalName":"web.example.com",)"
                       R"("ports":[{"name":"http","port":80},{"name":"grpc","port":50051}]})"),
        service("one", R"({"type":"ExternalName","externalName":"one.example.com",)"
                       R"("ports":[{"port":9000}]})"),
        service("ip", R"({"type":"ClusterIP","clusterIP":"10.96.0.1"})")});
  EXPECT_EQ(find("default/db:5432"), "db.example.com:5432");
  EXPECT_EQ(find("default/db:sql"), "db.example.com:");
  EXPECT_EQ(find("default/db"), "db.example.com:");
  EXPECT_EQ(find("default/web:grpc"), "web.example.com:50051");
  EXPECT_EQ(find("default/web"), "web.example.com:");
  EXPECT_EQ(find("default/one"), "one.example.com:9000");
  EXPECT_EQ(find("default/ip:80"), "");
  EXPECT_EQ(find("other/db:5432"), "");
}

TEST_F(ExternalNamesTest, a_service_changes_its_name_or_its_type_or_goes) {
  list({service("db", R"({"type":"ExternalName","externalName":"a.example.com"})")});
  names.changed(object(service("db", R"({"type":"ExternalName","externalName":"b.example.com"})")));
  EXPECT_EQ(find("default/db:1"), "b.example.com:1");
  names.changed(object(service("db", R"({"type":"ClusterIP"})")));
  EXPECT_EQ(find("default/db:1"), "");
  names.changed(object(service("db", R"({"type":"ExternalName","externalName":"c.example.com"})")));
  names.deleted(object(R"({"metadata":{"namespace":"default","name":"db"}})"));
  EXPECT_EQ(find("default/db:1"), "");
}

TEST_F(ExternalNamesTest, one_that_cannot_be_read_stays_as_it_was) {
  list({service("db", R"({"type":"ExternalName","externalName":"a.example.com"})")});
  const std::string bad = service("db", R"({"type":"ExternalName","externalName":7})");
  names.changed(object(bad));
  EXPECT_EQ(find("default/db:1"), "a.example.com:1");
  list({bad});
  EXPECT_EQ(find("default/db:1"), "a.example.com:1");
}

}  // namespace
}  // namespace sluice::discovery::kubernetes
