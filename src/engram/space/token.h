// Tokens: positions in the history of one space, as clients carry them:
// "1.<space incarnation, 26 characters>.<epoch>.<sequence>". A watch may stand inside of an entry
// that changed many memories: then ".<changes of that entry so far>" follows. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/wal/log.h"

namespace engram::space {

std::string FormatToken(Incarnation incarnation, Position position);
// `changes` of the entry at `position`, at least 1, and not its last.
std::string FormatToken(Incarnation incarnation, Position position, uint64_t changes);
// INVALID_REQUEST when it is no token; TOKEN_FOREIGN when it is of another incarnation. `changes`
// (may be null) gets 0 for a token that stands after its entry.
Result<Position> ParseToken(std::string_view token, Incarnation incarnation,
                            uint64_t* changes = nullptr);

// What the committed history of a copy says of a position. An earlier epoch at that sequence, or a
// later one that is not committed, may both be cut yet: the position may come.
enum class TokenVerdict {
  kShown,  // it is there, at or below `visible`
  kAhead,  // it may come
  kLost,   // it can never come: a later epoch begins, committed, at or below it
};
struct TokenCheck {
  TokenVerdict verdict = TokenVerdict::kAhead;
  Sequence fork_point;  // kLost: the last entry before that epoch
};
// `history` has a row for every EpochStart; those at or below `visible` are committed.
TokenCheck CheckPosition(Position wanted, std::span<const wal::EpochBegin> history,
                         Sequence visible);

}  // namespace engram::space
