#include "engram/etcd/etcd_store.h"

#include <utility>

#include "engram/env/file_system.h"
#include "engram/etcd/calls.h"
#include "engram/etcd/codec.h"
#include "engram/etcd/endpoints.h"
#include "engram/etcd/errors.h"
#include "engram/etcd/login.h"
#include "engram/etcd/sender.h"

namespace engram::etcd {
namespace {

constexpr char kProbeKey[] = "answering";  // never written; reading it needs a leader

// What a call and its answer need to live for.
template <class Request, class Response>
struct Exchange {
  Request request;
  Response response;
};

class EtcdStore : public runtime::ConfigStore {
 public:
  EtcdStore(const EtcdOptions& options, std::vector<Endpoint> endpoints, const std::string& ca,
            std::string password)
      : prefix_(options.prefix),
        endpoints_(std::move(endpoints), ca),
        login_(calls_, options.user, std::move(password)),
        sender_(calls_, endpoints_, login_, options.prefix + kProbeKey) {}
  ~EtcdStore() override { Stop(); }

  void Commit(runtime::StoreTransaction transaction, Duration timeout,
              std::function<void(Result<runtime::StoreResult>)> done) override {
    auto exchange = std::make_shared<Exchange<pb::TxnRequest, pb::TxnResponse>>();
    exchange->request = ToTxn(transaction, prefix_);
    Unary<pb::KV>(&Async<pb::KV>::Txn, timeout, exchange, [=, this](const Outcome& outcome) {
      if (!outcome.status.ok()) return done(Error(outcome));
      done(FromTxn(exchange->response, prefix_));
    });
  }

  void GrantLease(Duration ttl, Duration timeout,
                  std::function<void(Result<int64_t>)> done) override {
    auto exchange = std::make_shared<Exchange<pb::LeaseGrantRequest, pb::LeaseGrantResponse>>();
    exchange->request.set_ttl(TtlSeconds(ttl));
    Unary<pb::Lease>(&Async<pb::Lease>::LeaseGrant, timeout, exchange,
                     [=, this](const Outcome& outcome) {
                       if (!outcome.status.ok()) return done(Error(outcome));
                       done(exchange->response.id());
                     });
  }

  void KeepAlive(int64_t lease, Duration timeout,
                 std::function<void(Result<Duration>)> done) override {
    auto exchange =
        std::make_shared<Exchange<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse>>();
    exchange->request.set_id(lease);
    sender_.Send(
        timeout,
        [=, this](const Target& target, Ended ended) {
          calls_.KeepAlive(target, &exchange->request, &exchange->response, std::move(ended));
        },
        [=, this](const Outcome& outcome) {
          if (!outcome.status.ok()) return done(Error(outcome));
          done(Duration(std::chrono::seconds(std::max<int64_t>(0, exchange->response.ttl()))));
        });
  }

  void RevokeLease(int64_t lease, Duration timeout, std::function<void(Status)> done) override {
    auto exchange = std::make_shared<Exchange<pb::LeaseRevokeRequest, pb::LeaseRevokeResponse>>();
    exchange->request.set_id(lease);
    Unary<pb::Lease>(&Async<pb::Lease>::LeaseRevoke, timeout, exchange,
                     [=, this](const Outcome& outcome) {
                       const bool gone = outcome.status.error_code() == grpc::StatusCode::NOT_FOUND;
                       done(outcome.status.ok() || gone ? OkStatus() : Error(outcome));
                     });
  }

  std::string Describe() const override { return endpoints_.Describe(); }
  void Stop() override { calls_.Stop(); }

 private:
  template <class Service, class Request, class Response>
  void Unary(void (Async<Service>::*method)(grpc::ClientContext*, const Request*, Response*,
                                            std::function<void(grpc::Status)>),
             Duration timeout, std::shared_ptr<Exchange<Request, Response>> exchange, Told told) {
    sender_.Send(
        timeout,
        [this, method, exchange = std::move(exchange)](const Target& target, Ended ended) {
          calls_.Unary<Service>(method, target, &exchange->request, &exchange->response,
                                std::move(ended));
        },
        std::move(told));
  }

  Status Error(const Outcome& outcome) const { return ToStatus(outcome, endpoints_.List()); }

  const std::string prefix_;
  Endpoints endpoints_;  // outlives the calls
  Calls calls_;
  Login login_;
  Sender sender_;
};

Status BadOption(const std::string& what) {
  return Status(Reason::CONFIGURATION, what)
      .Expected("addresses of etcd; a user with a password file, or neither; a CA file for https")
      .Suggest("correct cluster.etcd_endpoints, etcd_ca_file, etcd_user and etcd_password_file")
      .Example(
          "etcd_endpoints = [\"https://10.0.0.1:2379\"]\n"
          "etcd_ca_file = \"/etc/engram/etcd-ca.pem\"");
}

// The contents; empty for no path.
Result<std::string> ReadNamed(const std::string& option, const std::string& path) {
  if (path.empty()) return std::string();
  Result<std::string> contents = env::ReadWholeFile(env::PosixFileSystem(), path);
  if (!contents.ok()) return BadOption(option + " cannot be read: " + contents.status().message());
  if (contents->empty()) return BadOption(option + " is empty: " + path + ".");
  return contents;
}

std::string WithoutLineEnd(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

}  // namespace

Result<std::unique_ptr<runtime::ConfigStore>> MakeEtcdStore(EtcdOptions options) {
  if (options.endpoints.empty()) return BadOption("No address of etcd is configured.");
  if (options.user.empty() != options.password_file.empty())
    return BadOption("Of etcd_user and etcd_password_file only one is configured.");
  std::vector<Endpoint> endpoints;
  for (const std::string& text : options.endpoints) {
    ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(text, !options.ca_file.empty()));
    endpoints.push_back(std::move(endpoint));
  }
  ASSIGN_OR_RETURN(const std::string ca, ReadNamed("etcd_ca_file", options.ca_file));
  ASSIGN_OR_RETURN(std::string password, ReadNamed("etcd_password_file", options.password_file));
  return std::unique_ptr<runtime::ConfigStore>(std::make_unique<EtcdStore>(
      options, std::move(endpoints), ca, WithoutLineEnd(std::move(password))));
}

}  // namespace engram::etcd
