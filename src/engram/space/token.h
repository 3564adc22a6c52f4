// Tokens: positions in the history of one space, as clients carry them:
// "1.<space incarnation, 26 characters>.<epoch>.<sequence>". Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engram/base/ids.h"
#include "engram/base/status.h"
#include "engram/base/types.h"
#include "engram/wal/log.h"

namespace engram::space {

std::string FormatToken(Incarnation incarnation, Position position);
// INVALID_REQUEST when it is no token; TOKEN_FOREIGN when it is of another incarnation.
Result<Position> ParseToken(std::string_view token, Incarnation incarnation);

// What the history of a copy says of a position.
enum class TokenVerdict {
  kShown,  // at or below `visible`
  kAhead,  // may come: an epoch not heard of yet, or beyond `visible` in the newest epoch
  kLost,   // can never come: its epoch ended below it, or never was
};
struct TokenCheck {
  TokenVerdict verdict = TokenVerdict::kAhead;
  Sequence fork_point;  // kLost: the last entry of that epoch here (or before it)
};
TokenCheck CheckPosition(Position wanted, std::span<const wal::EpochBegin> history,
                         Sequence visible);

}  // namespace engram::space
