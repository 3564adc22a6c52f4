// Whom to ask: etcd's addresses, a channel for each, and which of them answered last. An endpoint
// is *proved* while its last answer was one and its connection stands.
//
// Thread-safe; nothing blocks. The channels live as long as this, which must not be destroyed by a
// thread of gRPC.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include "engram/base/status.h"
#include "engram/base/thread_annotations.h"

namespace engram::etcd {

struct Endpoint {
  std::string url;      // http://host:port or https://host:port
  std::string address;  // host:port
  bool tls = false;
};

// CONFIGURATION when the text is not an address, or is http:// while there is a CA.
Result<Endpoint> ParseEndpoint(const std::string& text, bool with_ca);

class Endpoints {
 public:
  // At least one; `ca`: PEM, empty for the system's.
  Endpoints(std::vector<Endpoint> endpoints, const std::string& ca);

  size_t size() const { return all_.size(); }
  const std::string& url(size_t place) const { return all_[place].endpoint.url; }
  const std::shared_ptr<grpc::Channel>& channel(size_t place) const { return all_[place].channel; }

  // Whom to ask first.
  size_t current() const EXCLUDES(mutex_);
  bool Proved(size_t place) const EXCLUDES(mutex_);
  void Answered(size_t place) EXCLUDES(mutex_);
  // The next one is asked first from now on.
  void Failed(size_t place) EXCLUDES(mutex_);
  std::string Describe() const EXCLUDES(mutex_);
  // The addresses, with commas between them.
  std::string List() const;

 private:
  struct One {
    Endpoint endpoint;
    std::shared_ptr<grpc::Channel> channel;
    bool answered = false;  // last time; guarded by mutex_
  };

  std::vector<One> all_;
  mutable Mutex mutex_;
  size_t current_ GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::etcd
