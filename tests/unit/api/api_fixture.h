#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/openai/api_error.h"
#include "api/openai/api_request.h"
#include "partition/model/config_json.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/test_data.h"

namespace lockstep {

// What requests of all kinds are read with: a small model, called "served".
class ApiRequestTest : public testing::Test {
 protected:
  RequestRules Rules() const { return {"served", defaults_, tokenizer_, spec_}; }

  // "400: message" of what is refused.
  template <typename Parse>
  static std::string RefusalBy(const Parse& parse) {
    try {
      parse();
    } catch (const ApiError& error) {
      return fmt::format("{}: {}", error.status(), error.what());
    }
    return "accepted";
  }

  Options defaults_;
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(90), "tokenizer.json");
  ModelSpec spec_ = LoadModelSpec(SourceFolder() / "tests/golden/cases/gptj_saved_single");
};

}  // namespace lockstep
