// The kinds of writes, as operations for the Writer. Each answers `done` once.
#pragma once

#include <memory>

#include "engram/space/operation.h"

namespace engram::space {

std::shared_ptr<Operation> MakeRemember(Core& core, v1::Episode episode, v1::WriteOptions options,
                                        Done<v1::RememberResponse> done);
std::shared_ptr<Operation> MakeRememberBatch(Core& core, v1::RememberBatchRequest request,
                                             Done<v1::RememberBatchResponse> done);
std::shared_ptr<Operation> MakeUpdate(Core& core, v1::UpdateRequest request,
                                      Done<v1::UpdateResponse> done);
std::shared_ptr<Operation> MakeForget(Core& core, ForgetCommand command,
                                      Done<v1::ForgetResponse> done);
std::shared_ptr<Operation> MakeRestore(Core& core, v1::RestoreRequest request,
                                       Done<v1::RestoreResponse> done);

}  // namespace engram::space
