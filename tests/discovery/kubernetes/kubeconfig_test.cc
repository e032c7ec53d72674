#include "discovery/kubernetes/kubeconfig.h"

#include <gtest/gtest.h>

#include <string>

#include "support/configuration_files.h"

namespace sluice::discovery::kubernetes {
namespace {

class KubeconfigTest : public testing::Test {
 protected:
  ApiServer read(const std::string& user, const std::string& cluster = "",
                 const std::string& context = "") {
    files.write("kubeconfig", R"(apiVersion: v1
kind: Config
current-context: one
contexts:
- name: one
  context: {cluster: here, user: "me"}
- name: two
  context: {cluster: there, user: nobody}
clusters:
- cluster:
    server: https://10.0.0.1:6443
    certificate-authority-data: aGVsbG8=
)" + cluster + R"(  name: here
users:
- name: me
  user:
)" + user);
    return read_kubeconfig(files.path("kubeconfig"), context);
  }
  std::string refusal(const std::string& user, const std::string& cluster = "",
                      const std::string& context = "") {
    try {
      read(user, cluster, context);
    } catch (const std::exception& e) {
      const std::string file = files.path("kubeconfig").string() + ": ";
      const std::string text = e.what();
      EXPECT_TRUE(text.starts_with(file)) << text;
      return text.substr(file.size());
    }
    return {};
  }
  test::Files files;
};

TEST_F(KubeconfigTest, a_context_leads_to_a_server_and_a_token) {
  const ApiServer s = read("    token: secret\n");
  EXPECT_EQ(s.str(), "https://10.0.0.1:6443");
  EXPECT_EQ(s.ca.read(), "hello");
  EXPECT_EQ(s.token.read(), "secret");
  EXPECT_TRUE(s.verify);
}

TEST_F(KubeconfigTest, files_are_relative_to_the_kubeconfig_and_read_at_each_use) {
  const ApiServer s =
      read("    client-certificate: me.crt\n    client-key: me.key\n    tokenFile: token\n");
  EXPECT_EQ(s.certificate.file, files.path("me.crt"));
  EXPECT_THROW(s.token.read(), std::runtime_error);
  files.write("token", "first\n");
  EXPECT_EQ(s.token.read(), "first");
  files.write("token", "second\n");
  EXPECT_EQ(s.token.read(), "second");
}

TEST_F(KubeconfigTest, a_command_for_credentials_is_refused_in_a_sentence) {
  EXPECT_EQ(refusal("    exec:\n      command: aws\n      args: [eks, get-token]\n"),
            "the user \"me\" gets its credentials from the command \"aws\" (exec), and Sluice runs "
            "no commands; give the user a token or a certificate, for example the token of a "
            "ServiceAccount (docs/kubernetes.md)");
  EXPECT_NE(refusal("    auth-provider: {name: gcp}\n").find("auth-provider"), std::string::npos);
  EXPECT_NE(refusal("    username: me\n    password: x\n").find("password"), std::string::npos);
}

TEST_F(KubeconfigTest, other_mistakes_are_named) {
  EXPECT_EQ(refusal("    token: x\n", "", "three"), "contexts has no \"three\"");
  EXPECT_EQ(refusal("    token: x\n", "", "two"), "clusters has no \"there\"");
  EXPECT_NE(refusal("    client-key: x\n").find("only one of"), std::string::npos);
  EXPECT_NE(refusal("    token: [1\n").find("line "), std::string::npos);
  EXPECT_NE(refusal("    client-certificate-data: '*'\n").find("base64"), std::string::npos);
  EXPECT_EQ(refusal("    token: x\n", "    proxy-url: http://p\n"), "proxy-url is not supported");
}

TEST(ApiServer, has_a_url_with_or_without_port_and_path) {
  const auto parsed = [](const char* url) {
    ApiServer s;
    set_url(s, url);
    return s.str();
  };
  EXPECT_EQ(parsed("https://kubernetes.default.svc"), "https://kubernetes.default.svc:443");
  EXPECT_EQ(parsed("http://127.0.0.1:8001/"), "http://127.0.0.1:8001");
  EXPECT_EQ(parsed("https://[2001:db8::1]:6443/k8s/cluster"),
            "https://[2001:db8::1]:6443/k8s/cluster");
  for (const char* bad :
       {"", "10.0.0.1:6443", "ftp://x", "https://", "https://x:0", "https://x:y", "https://[::1"})
    EXPECT_THROW(parsed(bad), std::runtime_error) << bad;
}

}  // namespace
}  // namespace sluice::discovery::kubernetes
