#include "server/session.h"

#include <memory>
#include <utility>

#include "server/stop_matcher.h"
#include "tokenizer/stream_decoder.h"

namespace lockstep {
namespace {

// A request on its way through the engine.
struct InFlight {
  StreamDecoder decoder;
  StopMatcher matcher;
  TextResult result;

  InFlight(const Tokenizer& tokenizer, const TextRequest& request)
      : decoder(tokenizer), matcher(request.stop) {}
};

// Takes one token in; returns the new text to show. Sets result.finish when this ends the text.
std::string TakeToken(InFlight& request, const TokenEvent& event) {
  request.result.tokens.push_back(event.token);
  std::string shown;
  if (event.finish != FinishReason::kEos)
    shown = request.matcher.Push(request.decoder.Push(event.token));
  if (event.finish != FinishReason::kNone && !request.matcher.stopped())
    shown += request.matcher.Push(request.decoder.Flush());
  if (request.matcher.stopped()) {
    request.result.finish = FinishReason::kStop;
  } else if (event.finish != FinishReason::kNone) {
    shown += request.matcher.Flush();
    request.result.finish = event.finish;
  }
  request.result.text += shown;
  return shown;
}

}  // namespace

TextSession::TextSession(Engine& engine, const Tokenizer& tokenizer)
    : engine_(engine), tokenizer_(tokenizer) {}

bool TextSession::Run(const std::vector<TextRequest>& requests, const Callbacks& callbacks) {
  std::vector<std::unique_ptr<InFlight>> flights;
  for (std::size_t index = 0; index < requests.size(); ++index) {
    const TextRequest& request = requests[index];
    engine_.Submit(
        {.id = static_cast<std::int64_t>(index),
         .prompt = request.tokens.empty() ? tokenizer_.Encode(request.prompt) : request.tokens,
         .sampling = request.sampling});
    flights.push_back(std::make_unique<InFlight>(tokenizer_, request));
  }
  while (!engine_.idle()) {
    if (callbacks.interrupted && callbacks.interrupted()) return false;
    for (const TokenEvent& event : engine_.Step()) {
      const auto index = static_cast<std::size_t>(event.request);
      InFlight& flight = *flights[index];
      const std::string text = TakeToken(flight, event);
      if (callbacks.on_text && !text.empty()) callbacks.on_text(index, text);
      if (flight.result.finish == FinishReason::kNone) continue;
      if (event.finish == FinishReason::kNone) engine_.Cancel(event.request);
      if (callbacks.on_result) callbacks.on_result(index, flight.result);
      flights[index].reset();  // thousands of requests: their decoders need not stay
    }
  }
  return true;
}

}  // namespace lockstep
