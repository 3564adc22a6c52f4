// Status and Result: how every fallible function of engram answers.
//
// An error has one Reason (reasons.def), a text of four parts (what happened, what was expected, a
// suggestion, an example) and named facts for programs. Status is a value: cheap when OK (a null
// pointer), immutable and shared between threads otherwise. Outcomes of a protocol (fenced, gap,
// truncate) are not errors; they are variants in their own types.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engram/base/check.h"

namespace engram {

// gRPC's codes, by their numbers.
enum class Code : uint8_t {
  OK = 0,
  CANCELLED = 1,
  UNKNOWN = 2,
  INVALID_ARGUMENT = 3,
  DEADLINE_EXCEEDED = 4,
  NOT_FOUND = 5,
  ALREADY_EXISTS = 6,
  PERMISSION_DENIED = 7,
  RESOURCE_EXHAUSTED = 8,
  FAILED_PRECONDITION = 9,
  ABORTED = 10,
  OUT_OF_RANGE = 11,
  UNIMPLEMENTED = 12,
  INTERNAL = 13,
  UNAVAILABLE = 14,
  DATA_LOSS = 15,
  UNAUTHENTICATED = 16,
};

// What a caller may do: nothing, after reading again, at another node, at once or later, only with
// the same idempotency key.
enum class Retry : uint8_t { NO, AFTER_READ, THERE, YES, WITH_KEY };

enum class Reason : uint8_t {
#define ENGRAM_REASON(name, code, http, exit, retry, title) name,
#include "engram/base/reasons.def"
#undef ENGRAM_REASON
};

struct ReasonInfo {
  Reason reason;
  std::string_view name;
  Code code;
  int http_status;
  int exit_code;
  Retry retry;
  std::string_view title;
};

const ReasonInfo& InfoOf(Reason reason);
std::optional<Reason> ReasonFromName(std::string_view name);
inline constexpr int kReasonCount = 0
#define ENGRAM_REASON(name, code, http, exit, retry, title) +1
#include "engram/base/reasons.def"
#undef ENGRAM_REASON
    ;

class [[nodiscard]] Status {
 public:
  using Metadata = std::map<std::string, std::string>;

  Status() = default;
  Status(Reason reason, std::string message);

  bool ok() const { return rep_ == nullptr; }
  Reason reason() const { return rep().reason; }
  Code code() const { return ok() ? Code::OK : InfoOf(reason()).code; }
  const std::string& message() const { return rep().message; }
  const std::string& expected() const { return rep().expected; }
  const std::string& suggestion() const { return rep().suggestion; }
  const std::string& example() const { return rep().example; }
  const Metadata& metadata() const { return rep().metadata; }

  // The other parts of the text, and facts; each returns a changed copy.
  Status Expected(std::string text) &&;
  Status Suggest(std::string text) &&;
  Status Example(std::string text) &&;
  Status With(std::string key, std::string value) &&;
  Status With(std::string key, uint64_t value) && {
    return std::move(*this).With(std::move(key), std::to_string(value));
  }
  // The same error with "prefix: " before its message.
  Status Annotate(std::string_view prefix) const;

  // The text of four parts, as a person reads it; parts that were not given are left out.
  std::string ToString() const;

 private:
  struct Rep {
    Reason reason;
    std::string message, expected, suggestion, example;
    Metadata metadata;
  };
  const Rep& rep() const {
    ENGRAM_CHECK(rep_ != nullptr);
    return *rep_;
  }
  Rep& Mutable();

  std::shared_ptr<const Rep> rep_;
};

inline Status OkStatus() {
  return Status();
}

// A T or an error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                                        // NOLINT
  Result(Status status) : status_(std::move(status)) { ENGRAM_CHECK(!status_.ok()); }  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & {
    ENGRAM_CHECK(ok());
    return *value_;
  }
  const T& value() const& {
    ENGRAM_CHECK(ok());
    return *value_;
  }
  T&& value() && {
    ENGRAM_CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

#define ENGRAM_CONCAT_(a, b) a##b
#define ENGRAM_CONCAT(a, b) ENGRAM_CONCAT_(a, b)

// RETURN_IF_ERROR(expr): expr is a Status; leaves the function with it unless it is OK.
#define RETURN_IF_ERROR(expr)                                                                  \
  do {                                                                                         \
    if (::engram::Status engram_status_ = (expr); !engram_status_.ok()) return engram_status_; \
  } while (0)

// ASSIGN_OR_RETURN(declaration, expr): expr is a Result.
#define ASSIGN_OR_RETURN(declaration, expr) \
  ASSIGN_OR_RETURN_IMPL_(ENGRAM_CONCAT(engram_result_, __LINE__), declaration, expr)
#define ASSIGN_OR_RETURN_IMPL_(result, declaration, expr) \
  auto result = (expr);                                   \
  if (!result.ok()) return result.status();               \
  declaration = std::move(result).value()

}  // namespace engram
