// The configuration store outside of the cluster, as a node asks it: keys with revisions, leases,
// and transactions that compare and then write (the model of etcd's version 3, of which this is the
// part that is needed). What carries it is etcd (engram/etcd) or a simulated store (sim/).
//
// Thread-safe. No call blocks. `done` is called once, on any thread, and not from inside of the
// call, unless Stop comes before. An error means that nobody knows: the change may have been made,
// or may be made yet; only reading, or another write, settles it. STORE_UNAVAILABLE: not reached,
// or no answer within the time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engram/base/instant.h"
#include "engram/base/status.h"

namespace engram::runtime {

struct StoredKey {
  std::string value;
  int64_t created = 0;  // revision of the store at which the key came to be, this time
  int64_t changed = 0;  // … at which it was written last
  int64_t lease = 0;    // 0: none; else the key goes with it
  bool operator==(const StoredKey&) const = default;
};

// Holds, or not, when the transaction is carried out. A key that is not there has revisions 0.
struct StoreCompare {
  enum class What { kCreated, kChanged };
  std::string key;
  What what = What::kChanged;
  bool equal = true;  // false: holds when the revision is another
  int64_t revision = 0;
};

// All of it at one moment: if all of `compares` hold, `erase` and `put` are done (no key in both);
// then, in any case, `reads` are read.
struct StoreTransaction {
  std::vector<StoreCompare> compares = {};
  struct Put {
    std::string key, value;
    int64_t lease = 0;
  };
  std::vector<Put> put = {};
  std::vector<std::string> erase = {};
  std::vector<std::string> reads = {};
};

struct StoreResult {
  bool done = false;                           // the compares held
  int64_t revision = 0;                        // of the store, after it
  std::map<std::string, StoredKey> read = {};  // keys that are there
};

class ConfigStore {
 public:
  virtual ~ConfigStore() = default;

  virtual void Commit(StoreTransaction transaction, Duration timeout,
                      std::function<void(Result<StoreResult>)> done) = 0;
  // A lease that ends `ttl` (whole seconds, rounded up) after it was kept alive last.
  virtual void GrantLease(Duration ttl, Duration timeout,
                          std::function<void(Result<int64_t>)> done) = 0;
  // The time that it is kept alive for, from when the store took the call; zero when there is no
  // such lease any more.
  virtual void KeepAlive(int64_t lease, Duration timeout,
                         std::function<void(Result<Duration>)> done) = 0;
  // Its keys go at once.
  virtual void RevokeLease(int64_t lease, Duration timeout, std::function<void(Status)> done) = 0;
  // For people: the addresses, and which answered last.
  virtual std::string Describe() const = 0;
  // No `done` is called after this.
  virtual void Stop() = 0;
};

}  // namespace engram::runtime
