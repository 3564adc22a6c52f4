// For tests only: messages written as text, and short questions about errors.
#pragma once

#include <string>

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "engram/base/status.h"

namespace engram::model {

template <class Message>
Message Proto(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

inline std::string ReasonOf(const Status& status) {
  return status.ok() ? "OK" : std::string(InfoOf(status.reason()).name);
}

inline std::string FactOf(const Status& status, const std::string& key) {
  if (status.ok()) return "OK";
  auto found = status.metadata().find(key);
  return found == status.metadata().end() ? "" : found->second;
}

}  // namespace engram::model
