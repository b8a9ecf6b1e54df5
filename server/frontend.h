#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "api/openai/chat/chat_request.h"
#include "runtime/generation_config.h"
#include "runtime/model_files.h"
#include "runtime/options/arguments.h"
#include "server/http_server.h"
#include "server/service.h"

namespace lockstep {

// What a server knows before it answers.
struct ServerInput {
  Arguments arguments;  // as they were given
  Options options;      // with the model's defaults
  GenerationConfig generation;
  AppliedDefaults defaults;
  ModelSpec spec;
  WeightFormat format = WeightFormat::kF32;  // of the weights
  Tokenizer tokenizer;
  std::vector<std::string> api_keys;  // empty: anybody may ask
  int ranks = 1;                      // that share the model
  ChatSupport chat = {};
  std::int64_t hidden_layer = 0;  // of vectors

  std::string ModelName() const;
};

// ranks: that share the model. Throws BadInput or EnvironmentError.
ServerInput ReadServerInput(const Arguments& arguments, const ModelFiles& model, int ranks);

// HTTP before a queue of requests, from its first connection until it has been told to stop and all
// is answered. For one thread.
class Frontend {
 public:
  // Listens at once. All stay the caller's and outlive it.
  Frontend(const ServerInput& input, RequestQueue& queue, WeightLoader& loader);

  // Everything that answers is there.
  void SayReady() const;
  // To be called some times a second: notices that it is to stop, drains the queue then, and aborts
  // it when the time for that has passed.
  void Look();
  // To be called when the queue has ended: waits a while until the answers are sent.
  void Finish() const;

 private:
  using Clock = std::chrono::steady_clock;

  void BeginToStop();

  const ServerInput& input_;
  RequestQueue& queue_;
  const Checkpoints checkpoints_;
  Service service_;
  HttpServer http_;
  std::optional<Clock::time_point> until_;  // it is stopping
};

}  // namespace lockstep
