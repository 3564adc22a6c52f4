// What a server acknowledged, kept outside of it: id and digest of the content of each episode, by
// space. Compared with what the server returns after it was killed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "engram/cli/client.h"

namespace engram::cli {

struct Account {
  uint64_t acknowledged = 0, found = 0, missing = 0, changed = 0;
  uint64_t lost() const { return missing + changed; }
};

class Ledger {
 public:
  void Add(const std::string& space, const std::string& id, const v1::Episode& sent);
  uint64_t size() const;
  // Looks every id up and compares the content.
  Result<Account> Compare(Client& client) const;

 private:
  using Digests = std::unordered_map<std::string, uint64_t>;
  static Status CompareSpace(Client& client, const std::string& space, const Digests& ids,
                             Account* account);

  std::map<std::string, Digests> spaces_;
};

}  // namespace engram::cli
