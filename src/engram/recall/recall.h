// Recall: a cue in, a ranked list out, over one view of one space (docs/recall.md has the formula
// and why). Pure over the view: no state, no clock (now is given), no writes. Thread-safe.
#pragma once

#include "engram/base/status.h"
#include "engram/model/time.h"
#include "engram/space/view.h"
#include "engram/v1/service.pb.h"

namespace engram::recall {

// Everything of RecallResponse but served_by and recall_time. Reasons: INVALID_CUE, INVALID_FILTER,
// INVALID_TIME, DIMENSION_MISMATCH, MODEL_MISMATCH, PAGE_TOKEN_INVALID, TOO_LARGE,
// UNIMPLEMENTED_FEATURE (as_of, pattern cues, reinforce).
Result<engram::v1::RecallResponse> Recall(space::View& view,
                                          const engram::v1::RecallRequest& request,
                                          model::UtcTime now);

Result<engram::v1::ReminisceResponse> Reminisce(space::View& view,
                                                const engram::v1::ReminisceRequest& request,
                                                model::UtcTime now);

Result<engram::v1::GetResponse> Get(space::View& view, const engram::v1::GetRequest& request);

Result<engram::v1::ListResponse> List(space::View& view, const engram::v1::ListRequest& request);

// Ids of all live memories that a filter, or a cue (those above min_relevance 0.3), names: what
// Forget by filter or pattern means. EMPTY_FILTER for a filter that asks for nothing.
Result<std::vector<std::string>> SelectForForget(space::View& view,
                                                 const engram::v1::ForgetRequest& request,
                                                 model::UtcTime now);

}  // namespace engram::recall
