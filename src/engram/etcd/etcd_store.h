// The configuration store over etcd (version 3.4 or newer), by gRPC: runtime::ConfigStore. Made of:
// endpoints (whom to ask), calls (what is under way), login (the token of a user), sender (the way
// of one request), codec and errors. README.md has the map.
//
// Thread-safe. `done` runs on gRPC's threads, which are few: it must not block, and must neither
// Stop nor destroy the store. Owned by whoever composes the node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engram/base/status.h"
#include "engram/runtime/config_store.h"

namespace engram::etcd {

struct EtcdOptions {
  // host:port, http://host:port or https://host:port. Members of one etcd cluster, each of which
  // may be asked; without a scheme it is https when there is a ca_file.
  std::vector<std::string> endpoints;
  std::string prefix;   // before every key; nobody else writes there
  std::string ca_file;  // PEM, who signed etcd's certificates; empty: whom the system trusts
  std::string user;     // empty: no login
  std::string password_file;
};

// Sends nothing yet. CONFIGURATION when the options are not valid or a file cannot be read.
//
// Errors of its calls: STORE_UNAVAILABLE; UNAUTHENTICATED, PERMISSION_DENIED and INVALID_REQUEST
// when etcd refused (a lease that is gone, under which a key was to be put, among them).
//
// A change is sent once. With several endpoints, one that has not answered last is asked something
// harmless before, so that a dead one does not cost the request; a failure makes the next endpoint
// the first to be asked.
Result<std::unique_ptr<runtime::ConfigStore>> MakeEtcdStore(EtcdOptions options);

}  // namespace engram::etcd
