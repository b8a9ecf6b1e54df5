#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"
#include "text/text_request.h"
#include "tokenizer/tokenizer.h"

namespace lockstep {

// Text on top of the engine (rank 0 only): tokenizes, streams characters, finds stop strings,
// makes several samples of one prompt, searches with beams. Requests of all tasks may run together.
// Not thread-safe: the engine's thread makes every call, and gets the callbacks.
class TextSession {
 public:
  struct Callbacks {
    // The first step of a request is about to begin. It may not cancel.
    std::function<void(std::int64_t id)> on_begun = {};
    // A token of a sample, and the text that it completes. Beams give theirs at the end, as one.
    std::function<void(std::int64_t id, std::size_t sample, const TokenPiece& piece)> on_piece = {};
    // A request has ended. Requests end in any order.
    std::function<void(std::int64_t id, TextResult result)> on_result = {};
  };

  // Engine and tokenizer stay the caller's and outlive the session.
  TextSession(Engine& engine, const Tokenizer& tokenizer, Callbacks callbacks)
      : TextSession(engine, &tokenizer, std::move(callbacks)) {}
  // Null: no request generates, and all have tokens.
  TextSession(Engine& engine, const Tokenizer* tokenizer, Callbacks callbacks);
  ~TextSession();
  TextSession(const TextSession&) = delete;
  TextSession& operator=(const TextSession&) = delete;

  // Queues a request under an id of the caller's. Throws BadInput; then nothing is queued.
  void Submit(std::int64_t id, const TextRequest& request);
  // Ends a request; there will be no callback for it.
  void Cancel(std::int64_t id);

  // One step of the engine, with the callbacks for what it gave.
  void Step();

  std::size_t in_flight() const { return requests_.size(); }

 private:
  struct Sample;
  struct RequestState;

  std::vector<std::int32_t> TokensOf(const TextRequest& request) const;
  void GoOn(const TextRequest& request, const Request& one, std::size_t index,
            Sample& sample) const;
  void SubmitBeams(std::int64_t id, const TextRequest& request);
  void BranchBeams(std::int64_t id, RequestState& flight);
  void CancelBeams(RequestState& flight);
  void NoteBegun(std::int64_t engine_id);
  void Take(const TokenEvent& event);
  void TakeBeam(std::int64_t id, std::size_t beam, const TokenEvent& event);
  void FinishRequest(std::int64_t id);
  void Fail(std::int64_t id, const std::string& error);

  Engine& engine_;
  const Tokenizer* tokenizer_;
  Callbacks callbacks_;
  std::unordered_map<std::int64_t, std::unique_ptr<RequestState>> requests_;
  // The engine's requests are samples: which sample of which request each one is.
  std::unordered_map<std::int64_t, std::pair<std::int64_t, std::size_t>> samples_;
  std::int64_t next_sample_ = 0;
  std::vector<std::int64_t> complete_;  // requests that had reached their end when they came
};

}  // namespace lockstep
