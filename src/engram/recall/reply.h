// Memories and sentences of a reply. Pure but for loading through the view.
#pragma once

#include <string>

#include "engram/recall/ranking.h"

namespace engram::recall {

// The episode as a Memory, with what is known of it but nothing of a query.
v1::Memory MemoryOf(const v1::Episode& episode);
// A version as the log has it, with what the store knows about it but whether it is suppressed.
v1::Episode EpisodeOf(space::View::Version version, bool with_embedding);

struct ReplyOptions {
  bool include_embedding = false;
  size_t context_before = 0;
  size_t context_after = 0;
};
// The memory of a ranked row with its numbers and, if asked, its surroundings. Errors are those of
// reading its entry; surroundings that cannot be read are left out.
Result<v1::Memory> LoadMemory(space::View& view, const Scores& scores, const Ranked& ranked,
                              const ReplyOptions& options);

v1::Confidence ConfidenceAs(float value, std::string reasoning);
// Why the best relevance is what it is, in words.
v1::Confidence RecallConfidence(const Question& question, const Legs& legs,
                                const std::vector<Ranked>& candidates);
// "RESULT_UNREADABLE: …" for a memory that had to be left out.
v1::Warning UnreadableWarning(space::View& view, space::RowIndex row, const Status& status);
v1::Warning MakeWarning(std::string reason, std::string message);

// "78 %"
std::string Percent(double share);
// Two digits after the point.
std::string Digits2(double value);

}  // namespace engram::recall
