#include "engram/space/token.h"

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

Result<Position> ParseToken(std::string_view token, Incarnation incarnation) {
  std::string_view rest = token;
  if (rest.substr(0, 2) != "1." || rest.size() < 29 || rest[28] != '.') return NotAToken(token);
  const auto bytes = ParseBase32(rest.substr(2, 26));
  if (!bytes.ok()) return NotAToken(token);
  rest.remove_prefix(29);
  uint64_t epoch = 0, sequence = 0;
  if (!TakeNumber(&rest, &epoch) || rest.find('.') != std::string_view::npos ||
      !TakeNumber(&rest, &sequence)) {
    return NotAToken(token);
  }
  if (*bytes != incarnation.bytes) {
    return Status(Reason::TOKEN_FOREIGN,
                  "This token is of another space, or of an earlier one of this name.")
        .Expected("a token that this space gave")
        .Suggest(
            "leave the token out: the space was made anew since, or the request goes elsewhere")
        .With("expected", FormatBase32(incarnation.bytes, false))
        .With("actual", FormatBase32(*bytes, false));
  }
  return Position{Epoch(epoch), Sequence(sequence)};
}

TokenCheck CheckPosition(Position wanted, std::span<const wal::EpochBegin> history,
                         Sequence visible) {
  if (history.empty() || wanted.epoch > history.back().epoch) return {TokenVerdict::kAhead, {}};
  for (size_t i = history.size(); i-- > 0;) {
    if (history[i].epoch > wanted.epoch) continue;
    const bool newest = i + 1 == history.size();
    const Sequence last = newest ? Sequence(UINT64_MAX) : history[i + 1].first.prev();
    if (history[i].epoch != wanted.epoch) return {TokenVerdict::kLost, last};
    size_t begin = i;  // an epoch may have further rows, where its in-sync set changed
    while (begin > 0 && history[begin - 1].epoch == wanted.epoch) --begin;
    if (wanted.sequence < history[begin].first || wanted.sequence > last) {
      return {TokenVerdict::kLost, newest ? history[begin].first : last};
    }
    return {wanted.sequence <= visible ? TokenVerdict::kShown : TokenVerdict::kAhead, {}};
  }
  // Older than the history reaches: it holds the newest 1,000 epochs.
  return {wanted.sequence < history.front().first ? TokenVerdict::kShown : TokenVerdict::kLost,
          history.front().first.prev()};
}

}  // namespace engram::space
