// The command against real sockets: which server is asked, and what an import's end says.
#include "engram/cli/client.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engram/api/grpc_server.h"
#include "engram/api/test_kit.h"
#include "engram/cli/command.h"

namespace engram::cli {
namespace {

// A port of this machine. Unless it listens, nobody answers there.
class Port {
 public:
  Port() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    number_ = ntohs(address.sin_port);
  }
  ~Port() { close(socket_); }
  std::string Address() const { return "127.0.0.1:" + std::to_string(number_); }
  int handle() const { return socket_; }

 private:
  int socket_;
  int number_ = 0;
};

// Speaks enough of HTTP/2 to be a connection, and breaks it as soon as it has seen `text`.
class BreaksInMidCall {
 public:
  explicit BreaksInMidCall(std::string text) : text_(std::move(text)) {
    EXPECT_EQ(listen(port_.handle(), 8), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~BreaksInMidCall() {
    shutdown(port_.handle(), SHUT_RDWR);
    thread_.join();
  }
  std::string Address() const { return port_.Address(); }
  int seen() const { return seen_; }

 private:
  void Serve() {
    for (int peer; (peer = accept(port_.handle(), nullptr, nullptr)) >= 0; close(peer)) {
      const std::string settings("\0\0\0\4\0\0\0\0\0", 9), acknowledged("\0\0\0\4\1\0\0\0\0", 9);
      const std::string hello = settings + acknowledged;
      (void)send(peer, hello.data(), hello.size(), MSG_NOSIGNAL);
      std::string bytes;
      char buffer[4096];
      for (ssize_t n; bytes.find(text_) == std::string::npos;) {
        if ((n = recv(peer, buffer, sizeof buffer, 0)) <= 0) break;
        bytes.append(buffer, static_cast<size_t>(n));
      }
      if (bytes.find(text_) != std::string::npos) ++seen_;
    }
  }

  const std::string text_;
  Port port_;
  std::atomic<int> seen_{0};
  std::thread thread_;
};

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    api::GrpcOptions options;
    options.address = "127.0.0.1:0";
    auto server = api::GrpcServer::Start(node_.node(), node_.service(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  std::string Address() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  static Result<v1::RememberResponse> Remember(Client& client, const std::string& what) {
    v1::RememberRequest request;
    request.mutable_episode()->set_what(what);
    return client.Remember(request);
  }
  uint64_t Stored() { return (*node_.node().spaces().Get("default"))->GetStatus()->episodes(); }

  api::TestNode node_;
  std::unique_ptr<api::GrpcServer> server_;
};

TEST_F(ClientTest, AsksTheNextServerWhenNoneAnswersAtTheFirst) {
  const Port dead;
  Client client({.servers = dead.Address() + "," + Address()});
  const auto stored = Remember(client, "somewhere");
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(Stored(), 1u);
  Client lost({.servers = dead.Address()});
  EXPECT_EQ(Remember(lost, "nowhere").status().reason(), Reason::CONNECTION_TIMEOUT);
}

// The request may have been carried out: only its sender can say whether to repeat it.
TEST_F(ClientTest, AsksNobodyElseWhenTheConnectionBreaksInMidCall) {
  const BreaksInMidCall broken("said once");
  Client client({.servers = broken.Address() + "," + Address()});
  const auto answer = Remember(client, "said once");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.status().reason(), Reason::CONNECTION_TIMEOUT);
  EXPECT_EQ(broken.seen(), 1);
  EXPECT_EQ(Stored(), 0u);
}

class ImportTest : public ClientTest {
 protected:
  // The exit code of `engram import jsonl` for these lines.
  int Import(const std::string& lines) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const auto path = std::filesystem::path(testing::TempDir()) / (std::string(test->name()));
    std::ofstream(path) << lines;
    Context context;
    CLI::App app;
    AddImport(&app, &context);
    app.parse("import jsonl " + path.string() + " --server " + Address());
    std::filesystem::remove(path);
    return context.exit_code;
  }
};

TEST_F(ImportTest, EndsWithZeroWhenEveryEpisodeIsStored) {
  EXPECT_EQ(Import(R"({"id":"a","what":"x"})"
                   "\n"
                   R"({"id":"b","what":"y"})"),
            0);
  EXPECT_EQ(Stored(), 2u);
}

TEST_F(ImportTest, EndsWithOneWhenAnEpisodeIsRefused) {
  EXPECT_EQ(Import(R"({"id":"a","what":"x"})"
                   "\n"
                   R"({"id":"b","what":"y","embedding":[1,2]})"),
            1);
  EXPECT_EQ(Stored(), 1u);
}

TEST_F(ImportTest, EndsWithOneWhenNothingCanBeRead) {
  EXPECT_EQ(Import("nonsense"), 1);
  EXPECT_EQ(Stored(), 0u);
}

}  // namespace
}  // namespace engram::cli
