// Users, passwords and certificates, with real etcds that ask for them; and options that cannot be.
#include <fstream>

#include "engram/etcd/test_kit.h"

namespace engram::etcd {
namespace {

using testing::HasSubstr;

class EtcdLoginTest : public testing::Test {
 protected:
  explicit EtcdLoginTest(Etcd::Settings settings = {}) : etcd_(settings) {
    etcd_.AskForUsers("engram", "word", kPrefix);
    WritePassword("word");
  }
  void WritePassword(const std::string& word) {
    std::ofstream(options_.password_file) << word << "\n";
  }

  Etcd etcd_;
  EtcdOptions options_{{etcd_.endpoint()}, kPrefix, {}, "engram", etcd_.directory() + "/password"};
};

TEST_F(EtcdLoginTest, AUserWithThePasswordIsServed) {
  Store store(options_);
  EXPECT_TRUE(store.Put("k", "1").done);
  const Result<int64_t> lease = store.Grant(60s);
  ASSERT_TRUE(lease.ok()) << lease.status().ToString();
  EXPECT_TRUE(store.Put("l", "1", *lease).done);
  EXPECT_EQ(*store.KeepAlive(*lease), 60s);
  EXPECT_TRUE(store.Revoke(*lease).ok());
  EXPECT_FALSE(store.Read("l").has_value());
}

TEST_F(EtcdLoginTest, WithoutAUserItIsRefused) {
  Store store(etcd_);
  const Status status = store.Commit({.reads = {"k"}}).status();
  EXPECT_EQ(ReasonOf(status), Reason::UNAUTHENTICATED) << status.ToString();
  EXPECT_THAT(status.suggestion(), HasSubstr("etcd_user"));
}

TEST_F(EtcdLoginTest, AWrongPasswordIsRefused) {
  WritePassword("wrong");
  Store store(options_);
  const Status status = store.Commit({.reads = {"k"}}).status();
  EXPECT_EQ(ReasonOf(status), Reason::UNAUTHENTICATED) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(etcd_.endpoint()));
  EXPECT_EQ(status.ToString().find("wrong"), std::string::npos) << "it says the password";
}

TEST_F(EtcdLoginTest, KeysOfOthersAreRefused) {
  options_.prefix = "/another/";
  Store store(options_);
  const Status status = store.Commit({.put = {{"k", "1"}}}).status();
  EXPECT_EQ(ReasonOf(status), Reason::PERMISSION_DENIED) << status.ToString();
}

TEST_F(EtcdLoginTest, ADeadEndpointDoesNotKeepAUserFromLoggingIn) {
  options_.endpoints.insert(options_.endpoints.begin(),
                            "127.0.0.1:" + std::to_string(kit::FreePort()));
  Store store(options_);
  const Result<StoreResult> result = store.Commit({.put = {{"k", "1"}}}, 10s);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
}

class EtcdWebTokenTest : public EtcdLoginTest {
 protected:
  EtcdWebTokenTest() : EtcdLoginTest({.web_token_seconds = 3}) {}
};

TEST_F(EtcdWebTokenTest, ATokenThatRanOutIsRenewed) {
  Store store(options_);
  ASSERT_TRUE(store.Put("k", "1").done);
  const HttpAnswer mine =
      etcd_.Post("/v3/auth/authenticate", R"({"name":"engram","password":"word"})");
  const std::string after = mine.body.substr(mine.body.find(R"("token":")") + 9);
  const std::string header = "Authorization: " + after.substr(0, after.find('"')) + "\r\n";
  const std::string key = R"({"key":")" + kit::Base64(kPrefix) + R"("})";
  ASSERT_TRUE(kit::Until([&] { return etcd_.Post("/v3/kv/range", key, header).code == 401; }));
  EXPECT_TRUE(store.Put("k", "2").done);
}

class EtcdOldTokenTest : public EtcdLoginTest {
 protected:
  EtcdOldTokenTest() : EtcdLoginTest({.web_token_seconds = 3600}) {}
};

// Each request that is refused for its token is sent again with a new one, and the many of them log
// in once.
TEST_F(EtcdOldTokenTest, ATokenThatIsForgottenIsRenewed) {
  Store store(options_);
  ASSERT_TRUE(store.Put("k", "1").done);
  etcd_.Stop();
  etcd_.Start();
  // Connected again, by what needs no token.
  ASSERT_TRUE(kit::Until([&] { return store.KeepAlive(1, 2s).ok(); }));
  std::vector<std::future<Status>> told;
  for (int i = 0; i < 32; ++i) {
    auto promise = std::make_shared<std::promise<Status>>();
    told.push_back(promise->get_future());
    store->Commit({.put = {{"k" + std::to_string(i), "1"}}}, kPatient,
                  [promise](const Result<StoreResult>& result) {
                    promise->set_value(result.ok() ? OkStatus() : result.status());
                  });
  }
  for (std::future<Status>& one : told) {
    const Status status = one.get();
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_EQ(etcd_.Calls("Authenticate"), 1);
}

TEST_F(EtcdOldTokenTest, ATokenOfOlderUsersIsRenewed) {
  Store store(options_);
  ASSERT_TRUE(store.Put("k", "1").done);
  etcd_.AddRole("later");
  EXPECT_EQ(store.Put("k", "2").read.at("k").value, "2");
}

TEST(EtcdTlsTest, ACertificateOfTheCaIsTrustedAndNoOther) {
  Etcd etcd({.tls = true}), other({.tls = true});
  Store store({{etcd.address()}, kPrefix, etcd.ca_file(), {}, {}});
  EXPECT_TRUE(store.Put("k", "1").done);
  EXPECT_THAT(store->Describe(), HasSubstr("https://" + etcd.address()));
  Store stranger({{etcd.endpoint()}, kPrefix, other.ca_file(), {}, {}});
  EXPECT_EQ(ReasonOf(stranger.Commit({}, 2s).status()), Reason::STORE_UNAVAILABLE);
  Store system({{etcd.endpoint()}, kPrefix, {}, {}, {}});
  EXPECT_EQ(ReasonOf(system.Commit({}, 2s).status()), Reason::STORE_UNAVAILABLE);
  Store plain({{"http://" + etcd.address()}, kPrefix, {}, {}, {}});
  EXPECT_EQ(ReasonOf(plain.Commit({}, 2s).status()), Reason::STORE_UNAVAILABLE);
}

TEST(EtcdOptionsTest, WhatCannotBeIsSaid) {
  const std::string here = testing::TempDir() + "/etcd_options_test";
  std::ofstream(here + ".empty").flush();
  std::ofstream(here) << "word";
  struct Case {
    EtcdOptions options;
    std::string says;
  };
  const Case cases[] = {
      {{{}, {}, {}, {}, {}}, "No address"},
      {{{"10.0.0.1"}, {}, {}, {}, {}}, "does not end in a port"},
      {{{"10.0.0.1:0"}, {}, {}, {}, {}}, "does not end in a port"},
      {{{"10.0.0.1:65536"}, {}, {}, {}, {}}, "does not end in a port"},
      {{{":2379"}, {}, {}, {}, {}}, "no host"},
      {{{"http://h:2379/v3"}, {}, {}, {}, {}}, "a path"},
      {{{"etcd://h:2379"}, {}, {}, {}, {}}, "a path"},
      {{{"h:1", "http://h:2"}, {}, here, {}, {}}, "every address is https"},
      {{{"h:1"}, {}, here + ".none", {}, {}}, "etcd_ca_file cannot be read"},
      {{{"h:1"}, {}, here + ".empty", {}, {}}, "etcd_ca_file is empty"},
      {{{"h:1"}, {}, {}, "u", {}}, "only one"},
      {{{"h:1"}, {}, {}, {}, here}, "only one"},
      {{{"h:1"}, {}, {}, "u", here + ".none"}, "etcd_password_file cannot be read"},
  };
  for (const auto& [options, says] : cases) {
    const auto made = MakeEtcdStore(options);
    ASSERT_FALSE(made.ok()) << says;
    EXPECT_EQ(ReasonOf(made.status()), Reason::CONFIGURATION);
    EXPECT_THAT(made.status().message(), HasSubstr(says));
    EXPECT_FALSE(made.status().expected().empty() || made.status().suggestion().empty() ||
                 made.status().example().empty());
  }
  for (const char* good : {"h:1", "http://h:65535/", "https://[::1]:2379", "[::1]:2379"})
    EXPECT_TRUE(MakeEtcdStore({{good}, {}, {}, {}, {}}).ok()) << good;
}

}  // namespace
}  // namespace engram::etcd
