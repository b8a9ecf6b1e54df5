#pragma once

#include <gtest/gtest.h>

#include "comm/self_communicator.h"
#include "partition/model/config_json.h"
#include "server/service.h"
#include "serving/engine_loop.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/golden/golden_model.h"
#include "tests/support/test_data.h"

namespace lockstep {

// A small model behind a service, called "served". Tests run its loop themselves, or not at all.
class ServedModel : public testing::Test {
 protected:
  std::filesystem::path folder_ = SourceFolder() / "tests/golden/cases/gptj_saved_single";
  SelfCommunicator self_;
  GoldenModel model_{folder_, self_, {}};
  ModelSpec spec_ = LoadModelSpec(folder_);
  Tokenizer tokenizer_ = Tokenizer::FromJson(ByteTokenizerJson(90), "tokenizer.json");
  Engine engine_{model_.decoder(), self_, {.sampled_vocab = 90}};
  EngineLoop loop_{engine_, &tokenizer_};
  Options defaults_;
  Service service_{{.queue = loop_,
                    .tokenizer = tokenizer_,
                    .spec = spec_,
                    .defaults = defaults_,
                    .model = "served",
                    .end_tokens = {5},
                    .chat = {.chat_template = ChatTemplate(
                                 "{% for m in messages %}{{ m.content }}{% endfor %}", {})}}};
};

}  // namespace lockstep
