// The HTTP doors: one for clients, and one for operators with health and metrics alone, so that a
// busy client door cannot fail a probe. One connection a thread. Thread-safe.
#pragma once

#include <memory>

#include "engram/api/http_router.h"

namespace engram::api {

class HttpServer {
 public:
  // Listens on return. CONFIGURATION when the address is not valid or in use. Node and service
  // outlive the server.
  static Result<std::unique_ptr<HttpServer>> Start(runtime::Node& node, Service& service,
                                                   const HttpOptions& options);
  virtual ~HttpServer() = default;  // as Shutdown
  virtual int port() const = 0;
  // Takes no new connections, and waits until the requests under way are answered (their deadlines
  // bound it). Blocks.
  virtual void Shutdown() = 0;
};

class OpsServer {
 public:
  // Listens on return, before there is a node.
  static Result<std::unique_ptr<OpsServer>> Start(const std::string& address);
  virtual ~OpsServer() = default;
  virtual int port() const = 0;
  // The node from now on; null before it ends.
  virtual void Attach(runtime::Node* node) = 0;
  virtual void Shutdown() = 0;
};

}  // namespace engram::api
