#include "engram/space/token.h"

#include <algorithm>
#include <charconv>

namespace engram::space {
namespace {

Status NotAToken(std::string_view token) {
  return Status(Reason::INVALID_REQUEST, "This is no token.")
      .Expected("what an earlier reply gave: 1.<26 characters>.<epoch>.<sequence>")
      .Suggest("pass a token on as it came, or leave it out")
      .With("field", "at_least_token")
      .With("actual", std::string(token.substr(0, 80)));
}

// Takes the digits before the next '.', or all that is left.
bool TakeNumber(std::string_view* text, uint64_t* number) {
  const size_t dot = text->find('.');
  const std::string_view part = text->substr(0, dot);
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), *number);
  if (error != std::errc() || end != part.data() + part.size() || part.empty()) return false;
  text->remove_prefix(dot == std::string_view::npos ? text->size() : dot + 1);
  return true;
}

}  // namespace

std::string FormatToken(Incarnation incarnation, Position position) {
  return "1." + FormatBase32(incarnation.bytes, false) + "." + ToString(position.epoch) + "." +
         ToString(position.sequence);
}

std::string FormatToken(Incarnation incarnation, Position position, uint64_t changes) {
  return FormatToken(incarnation, position) + "." + std::to_string(changes);
}

Result<Position> ParseToken(std::string_view token, Incarnation incarnation, uint64_t* changes) {
  std::string_view rest = token;
  if (rest.substr(0, 2) != "1." || rest.size() < 29 || rest[28] != '.') return NotAToken(token);
  const auto bytes = ParseBase32(rest.substr(2, 26));
  if (!bytes.ok()) return NotAToken(token);
  rest.remove_prefix(29);
  const auto parts = std::count(rest.begin(), rest.end(), '.') + 1;
  uint64_t epoch = 0, sequence = 0, inside = 0;
  const bool numbers = TakeNumber(&rest, &epoch) && TakeNumber(&rest, &sequence) &&
                       (parts == 2 || (TakeNumber(&rest, &inside) && inside > 0));
  if (!numbers || parts > 3) return NotAToken(token);
  if (*bytes != incarnation.bytes) {
    return Status(Reason::TOKEN_FOREIGN,
                  "This token is of another space, or of an earlier one of this name.")
        .Expected("a token that this space gave")
        .Suggest(
            "leave the token out: the space was made anew since, or the request goes elsewhere")
        .With("expected", FormatBase32(incarnation.bytes, false))
        .With("actual", FormatBase32(*bytes, false));
  }
  if (changes != nullptr) *changes = inside;
  return Position{Epoch(epoch), Sequence(sequence)};
}

TokenCheck CheckPosition(Position wanted, std::span<const wal::EpochBegin> history,
                         Sequence visible) {
  Epoch epoch;  // of the entry at that sequence, as far as it is visible
  bool known = false;
  for (const wal::EpochBegin& begin : history) {
    if (begin.first > visible || begin.first > wanted.sequence) break;
    if (begin.epoch > wanted.epoch) return {TokenVerdict::kLost, begin.first.prev()};
    epoch = begin.epoch;
    known = true;
  }
  if (wanted.sequence > visible || history.empty()) return {TokenVerdict::kAhead, {}};
  // Older than the history reaches: it holds the newest 1,000 starts.
  if (!known) epoch = std::min(wanted.epoch, history.front().epoch);
  return {epoch == wanted.epoch ? TokenVerdict::kShown : TokenVerdict::kAhead, {}};
}

}  // namespace engram::space
