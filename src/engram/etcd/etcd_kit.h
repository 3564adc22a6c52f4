// For tests: real etcd servers, started on free loopback ports with data of their own, paused,
// killed, started again, and asked through etcd's HTTP door. One that is left dies with the thread
// that started it, and its data go with the object. What should work and does not throws.
//
// Not thread-safe. Requires etcd and setpriv in the PATH.
#pragma once

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;  // NOLINT

namespace engram::etcd {

struct HttpAnswer {
  int code = 0;  // 0: none
  std::string body;
};

namespace kit {

inline constexpr auto kDeadline = std::chrono::seconds(30);
inline constexpr auto kLook = std::chrono::milliseconds(5);

// Looks again and again for a state. False when it does not come.
template <class Condition>
bool Until(Condition condition, std::chrono::nanoseconds within = kDeadline) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kLook);
  }
  return true;
}

inline sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Below the ports that connections are given: a server that was killed gets its own again.
inline int FreePort() {
  static std::random_device entropy;
  while (true) {
    const int port = std::uniform_int_distribution(15000, 32000)(entropy);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(port);
    const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    close(fd);
    if (bound == 0) return port;
  }
}

// `header`: one more, with its line end, or empty.
inline HttpAnswer Http(int port, const std::string& method, const std::string& path,
                       const std::string& body, const std::string& header = "") {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval within = {5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof within);
  const sockaddr_in address = Loopback(port);
  std::string text;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = method + " " + path + " HTTP/1.0\r\n" + header +
                                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                                body;
    send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    char block[4096];
    for (ssize_t size; (size = recv(fd, block, sizeof block, 0)) > 0;)
      text.append(block, static_cast<size_t>(size));
  }
  close(fd);
  const size_t head = text.find("\r\n\r\n");
  if (head == std::string::npos) return {};
  return {std::stoi(text.substr(text.find(' '))), text.substr(head + 4)};
}

// For the HTTP door, which wants keys and values so.
inline std::string Base64(const std::string& bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      out += i + k > bytes.size() ? '=' : kDigits[three >> (18 - 6 * k) & 63];
  }
  return out;
}

}  // namespace kit

class Etcd {
 public:
  struct Settings {
    bool tls = false;  // for clients, by a certificate of its own: ca_file()
    // Tokens of logins carry their end and the state of users, and do not outlive the server; 0:
    // the usual ones, of which etcd keeps a list.
    int web_token_seconds = 0;
  };
  Etcd() : Etcd(Settings()) {}
  explicit Etcd(Settings settings) : Etcd("etcd", settings) {
    for (int tries = 1; !(Spawn(), WaitHealthy()); ++tries) {
      if (tries == 5) throw std::runtime_error("etcd does not start:\n" + Log());
      PickPorts();  // somebody else had one of them
    }
  }
  ~Etcd() {
    if (pid_ != 0) Kill();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Etcd(const Etcd&) = delete;
  Etcd& operator=(const Etcd&) = delete;

  // On the same ports, with the same data; waits until it is healthy.
  void Start() {
    Spawn();
    if (!WaitHealthy()) throw std::runtime_error("etcd does not start again:\n" + Log());
  }
  void Kill() { End(SIGKILL); }  // waits until it is gone
  void Stop() { End(SIGTERM); }  // the same
  // Connections are taken, nothing is answered; waits until it stands still.
  void Pause() {
    kill(pid_, SIGSTOP);
    waitpid(pid_, nullptr, WUNTRACED);
  }
  void Resume() { kill(pid_, SIGCONT); }

  std::string endpoint() const { return Url(client_port_); }
  std::string address() const { return "127.0.0.1:" + std::to_string(client_port_); }
  std::string ca_file() const { return directory_ + "/data/fixtures/client/cert.pem"; }
  const std::string& directory() const { return directory_; }
  // Through the HTTP door, in JSON: Post("/v3/kv/range", …). Not with tls.
  HttpAnswer Post(const std::string& path, const std::string& json,
                  const std::string& header = "") const {
    return kit::Http(client_port_, "POST", path, json, header);
  }
  // It has a leader.
  bool healthy() const {
    const HttpAnswer answer = kit::Http(health_port_, "GET", "/health", "");
    return answer.body.find("\"true\"") != std::string::npos;
  }
  // From then on it serves only root/root and `user`, who may read and write keys with `prefix`.
  void AskForUsers(const std::string& user, const std::string& password,
                   const std::string& prefix) const {
    std::string end = prefix;
    ++end.back();
    Must("/v3/auth/user/add", R"({"name":"root","password":"root"})");
    Must("/v3/auth/role/add", R"({"name":"root"})");
    Must("/v3/auth/user/grant", R"({"user":"root","role":"root"})");
    Must("/v3/auth/user/add", R"({"name":")" + user + R"(","password":")" + password + R"("})");
    Must("/v3/auth/role/add", R"({"name":"keys"})");
    Must("/v3/auth/role/grant", R"({"name":"keys","perm":{"permType":"READWRITE","key":")" +
                                    kit::Base64(prefix) + R"(","range_end":")" + kit::Base64(end) +
                                    R"("}})");
    Must("/v3/auth/user/grant", R"({"user":")" + user + R"(","role":"keys"})");
    Must("/v3/auth/enable", "{}");
  }
  // How many calls of a method it has begun, since it was started: "Authenticate".
  int Calls(const std::string& method) const {
    const std::string text = kit::Http(health_port_, "GET", "/metrics", "").body;
    const size_t at = text.find("grpc_server_started_total{grpc_method=\"" + method + "\"");
    if (at == std::string::npos) return 0;
    return std::stoi(text.substr(text.find(' ', at)));
  }
  // As root: a change of users or roles, which makes web tokens old.
  void AddRole(const std::string& role) const {
    Must("/v3/auth/role/add", R"({"name":")" + role + R"("})", Root());
  }

 private:
  friend class EtcdCluster;

  Etcd(std::string name, Settings settings) : name_(std::move(name)), settings_(settings) {
    std::string made = std::filesystem::temp_directory_path().string() + "/engram-etcd-XXXXXX";
    if (mkdtemp(made.data()) == nullptr) throw std::runtime_error("no directory for etcd");
    directory_ = made;
    PickPorts();
  }
  std::string Url(int port) const {
    return std::string(settings_.tls && port == client_port_ ? "https" : "http") +
           "://127.0.0.1:" + std::to_string(port);
  }
  void PickPorts() {
    client_port_ = kit::FreePort();
    peer_port_ = kit::FreePort();
    health_port_ = kit::FreePort();
    members_ = name_ + "=" + Url(peer_port_);
    std::filesystem::remove_all(directory_ + "/data");
  }

  // Elections are fast when it is alone, which also makes leases of 1 s possible.
  void Spawn() {
    const bool alone = members_.find(',') == std::string::npos;
    std::vector<std::string> words = {"setpriv",
                                      "--pdeathsig",
                                      "KILL",
                                      "etcd",
                                      "--name=" + name_,
                                      "--data-dir=" + directory_ + "/data",
                                      "--listen-client-urls=" + Url(client_port_),
                                      "--advertise-client-urls=" + Url(client_port_),
                                      "--listen-peer-urls=" + Url(peer_port_),
                                      "--initial-advertise-peer-urls=" + Url(peer_port_),
                                      "--initial-cluster=" + members_,
                                      "--listen-metrics-urls=" + Url(health_port_),
                                      "--log-level=warn",
                                      "--logger=zap",
                                      alone ? "--heartbeat-interval=10" : "--heartbeat-interval=50",
                                      alone ? "--election-timeout=100" : "--election-timeout=500"};
    if (settings_.tls) words.emplace_back("--auto-tls");
    if (settings_.web_token_seconds > 0) {
      std::ofstream(directory_ + "/key") << kit::FreePort();
      words.push_back("--auth-token=jwt,sign-method=HS256,priv-key=" + directory_ +
                      "/key,ttl=" + std::to_string(settings_.web_token_seconds) + "s");
    }
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string log = directory_ + "/log";
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    const int failed = posix_spawnp(&pid_, "setpriv", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error("setpriv cannot be started");
  }
  // False: it ended.
  bool WaitHealthy() {
    bool gone = false;
    const bool came = kit::Until([&] {
      gone = waitpid(pid_, nullptr, WNOHANG) == pid_;
      return gone || healthy();
    });
    if (gone) pid_ = 0;
    return came && !gone;
  }
  void End(int signal) {
    kill(pid_, signal);
    if (signal != SIGKILL) Resume();
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  // A token of root's, as a header.
  std::string Root() const {
    const std::string body = Must("/v3/auth/authenticate", R"({"name":"root","password":"root"})");
    const size_t at = body.find(R"("token":")") + 9;
    return "Authorization: " + body.substr(at, body.find('"', at) - at) + "\r\n";
  }
  std::string Must(const std::string& path, const std::string& json,
                   const std::string& header = "") const {
    HttpAnswer answer = Post(path, json, header);
    if (answer.code != 200) throw std::runtime_error("etcd refuses " + path + ": " + answer.body);
    return std::move(answer.body);
  }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(directory_ + "/log").rdbuf();
    return text.str();
  }

  std::string name_;
  Settings settings_;
  std::string directory_;
  std::string members_;  // name=url,… of the peers
  int client_port_ = 0, peer_port_ = 0, health_port_ = 0;
  pid_t pid_ = 0;  // 0: it does not run
};

// Members of one cluster, most often three: a majority serves.
class EtcdCluster {
 public:
  explicit EtcdCluster(size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) {
      members_.emplace_back(new Etcd("etcd" + std::to_string(i), {}));
      all += (i > 0 ? "," : "") + members_[i]->members_;
    }
    for (const auto& member : members_) {
      member->members_ = all;
      member->Spawn();
    }
    for (const auto& member : members_) {
      if (!member->WaitHealthy())
        throw std::runtime_error("a member of etcd does not start:\n" + member->Log());
    }
  }
  Etcd& operator[](size_t place) { return *members_[place]; }
  std::vector<std::string> endpoints() const {
    std::vector<std::string> all;
    for (const auto& member : members_) all.push_back(member->endpoint());
    return all;
  }

 private:
  std::vector<std::unique_ptr<Etcd>> members_;
};

}  // namespace engram::etcd
