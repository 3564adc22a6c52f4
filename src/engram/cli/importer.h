// Sends a stream of episodes in batches and counts what was acknowledged. One thread. A batch has
// an idempotency key; one that is refused for load is sent again, under the same key, after the
// delay that the server asks for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engram/cli/client.h"
#include "engram/cli/output.h"

namespace engram::cli {

struct ImportTotals {
  uint64_t sent = 0, created = 0, updated = 0, unchanged = 0, refused = 0;
  uint64_t stored() const { return created + updated + unchanged; }
};

struct ImporterOptions {
  size_t batch = 500;
  size_t batch_bytes = 4u << 20;
  Progress* progress = nullptr;
  // Called for each episode that the server acknowledged, with the id that it has now.
  std::function<void(const v1::Episode& sent, const std::string& id)> acknowledged;
};

class Importer {
 public:
  Importer(Client& client, std::string space, ImporterOptions options);
  // The first error of the connection ends the import; refused episodes are only counted.
  Status Add(v1::Episode episode);
  Status Flush();
  const ImportTotals& totals() const { return totals_; }
  const Status& first_refusal() const { return first_refusal_; }
  const v1::WriteResult& last_write() const { return last_write_; }

 private:
  Result<v1::RememberBatchResponse> Send();
  void Count(const v1::RememberResponse& result, const v1::Episode& sent);

  Client& client_;
  ImporterOptions options_;
  v1::RememberBatchRequest batch_;
  size_t batch_bytes_ = 0;
  std::string space_;
  ImportTotals totals_;
  Status first_refusal_;
  v1::WriteResult last_write_;
};

}  // namespace engram::cli
