// All spaces of a node: known by name from the directory, opened when first needed, closed again
// when idle and over the bound. Nothing is done for each space at start. Owned by runtime::Node;
// thread-safe. Opening and closing block the caller, and only callers of the same space.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engram/space/space.h"

namespace engram::space {

struct RegistryOptions {
  size_t open_spaces_max = 512;
};

class Registry {
 public:
  // Lists the names under environment.spaces_directory (made when absent); opens nothing.
  static Result<std::unique_ptr<Registry>> Start(SpaceEnvironment environment,
                                                 RegistryOptions options);
  virtual ~Registry() = default;

  // Opens it when needed. SPACE_NOT_FOUND has the names that are similar and the call that creates.
  virtual Result<std::shared_ptr<Space>> Get(const std::string& id) = 0;
  // Only if it is open by now, without blocking; null otherwise. For doors that must not wait.
  virtual std::shared_ptr<Space> FindOpen(const std::string& id) const = 0;
  virtual bool Exists(const std::string& id) const = 0;
  virtual Result<std::shared_ptr<Space>> Create(const std::string& id,
                                                const engram::v1::SpaceSettings& settings) = 0;
  // As Space::CreateCopy and CreateFirst.
  virtual Result<std::shared_ptr<Space>> CreateCopy(const std::string& id,
                                                    Incarnation incarnation) = 0;
  virtual Result<std::shared_ptr<Space>> CreateFirst(const std::string& id,
                                                     const engram::v1::SpaceSettings& settings,
                                                     Incarnation incarnation, Epoch epoch,
                                                     std::string epoch_start_payload) = 0;
  // Closes the space and moves its folder to <data_dir>/foreign/: it is another of this name.
  // Returns where it lies now.
  virtual Result<std::string> MoveAway(const std::string& id) = 0;
  // Closes and removes a copy of a space that was deleted elsewhere.
  virtual Status Remove(const std::string& id) = 0;
  // Marks it deleted in its log, closes it, removes its folder. Returns episodes and bytes.
  virtual Result<engram::v1::DeleteSpaceResponse> Delete(const std::string& id) = 0;
  // Closes the space if it is open, and has `work` done with its files; nobody opens it meanwhile.
  // `closed`: as it was, null when it was not open. Afterwards Get opens it again, as soon as
  // nobody uses what was closed. SPACE_NOT_FOUND, and what `work` returns.
  virtual Status WhileClosed(const std::string& id,
                             const std::function<Status(Space* closed)>& work) = 0;
  // Sorted; those after `after`, with the prefix, at most `limit`.
  virtual std::vector<std::string> Ids(const std::string& prefix, const std::string& after,
                                       size_t limit) const = 0;
  virtual size_t known() const = 0;
  virtual size_t open() const = 0;
  // Those that are open now, for status and metrics.
  virtual std::vector<std::shared_ptr<Space>> Opened() const = 0;
  // Closes idle spaces above the bound; called by the node now and then and after each opening.
  virtual void Trim() = 0;
  virtual Status CloseAll() = 0;
};

}  // namespace engram::space
