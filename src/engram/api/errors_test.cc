#include "engram/api/errors.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engram/api/json_value.h"

namespace engram::api {
namespace {

Status Sample() {
  return Status(Reason::DIMENSION_MISMATCH, "Embedding has 2 numbers, space 'default' takes 4.")
      .Expected("4 finite float32")
      .Suggest("make a space for this model")
      .Example("engram space create notes --dimension 2")
      .With("space", "default")
      .With("actual", 2);
}

TEST(ErrorsTest, DetailsGoThereAndBack) {
  const Status sent = Sample();
  const Status got = DecodeError(3, ErrorText(sent), EncodeErrorDetails(sent));
  EXPECT_EQ(got.reason(), Reason::DIMENSION_MISMATCH);
  EXPECT_EQ(got.metadata(), sent.metadata());
  EXPECT_EQ(got.ToString(), sent.ToString());
}

TEST(ErrorsTest, EveryReasonGoesThereAndBack) {
  for (int i = 0; i < kReasonCount; ++i) {
    const Status sent(static_cast<Reason>(i), "x");
    EXPECT_EQ(DecodeError(13, "x", EncodeErrorDetails(sent)).reason(), sent.reason());
  }
}

TEST(ErrorsTest, ACodeWithoutDetailsHasAReason) {
  EXPECT_EQ(DecodeError(14, "connection refused", "").reason(), Reason::CONNECTION_TIMEOUT);
  EXPECT_EQ(DecodeError(8, "larger than max", "").reason(), Reason::TOO_LARGE);
  EXPECT_EQ(DecodeError(2, "?", "not a message").reason(), Reason::IO);
}

TEST(ErrorsTest, WhatGoesIntoHeadersIsBounded) {
  const Status status = Status(Reason::INVALID_EPISODE, std::string(100'000, 'x'))
                            .Expected(std::string(100'000, 'y'))
                            .With("id", std::string(100'000, 'z'));
  EXPECT_LT(ErrorText(status).size(), 1300u);
  EXPECT_LT(EncodeErrorDetails(status).size(), 2000u);
  EXPECT_LT(ProblemJson(status, std::string(9'000, 'p'), "id").size(), 6000u);
}

TEST(ErrorsTest, AProblemIsJsonWithEveryPart) {
  const std::string json = ProblemJson(Sample(), "/api/v1/memories/remember", "01J");
  const Result<JsonValue> value = ParseJson(json);
  ASSERT_TRUE(value.ok()) << json;
  EXPECT_EQ(value->Find("type")->AsString(), "urn:engram:error:DIMENSION_MISMATCH");
  EXPECT_EQ(value->Find("status")->AsInt64(), 400);
  EXPECT_EQ(value->Find("reason")->AsString(), "DIMENSION_MISMATCH");
  EXPECT_EQ(value->Find("metadata")->Find("space")->AsString(), "default");
  EXPECT_EQ(value->Find("request_id")->AsString(), "01J");
}

TEST(ErrorsTest, SaysWhenToRetry) {
  EXPECT_EQ(RetryAfterMs(Status(Reason::OVERLOADED, "x")), 100u);
  EXPECT_EQ(RetryAfterMs(Status(Reason::DISK_FULL, "x").With("retry_after_ms", 7)), 7u);
  EXPECT_EQ(RetryAfterMs(Sample()), 0u);
}

TEST(ErrorsTest, TheDocumentationIsOfThisTable) {
  std::ifstream file(std::string(ENGRAM_SOURCE_DIR) + "/docs/errors.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), ErrorsReference()) << "write docs/errors.md again: engram docs --out docs";
}

}  // namespace
}  // namespace engram::api
