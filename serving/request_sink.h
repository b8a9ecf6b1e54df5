#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "core/logging/log_format.h"
#include "text/text_request.h"

namespace lockstep {

// The number of a request that a RequestQueue has accepted; never given twice.
using Ticket = std::int64_t;

// Gets what becomes of one request.
//
// Thread safety: the queue's thread makes one call at a time and waits meanwhile, so hand the event
// on and return. The first call may come before Submit() has returned. A sink may call the queue,
// also from these.
//
// A sink should not throw. One that does has its request ended and gets no further call; what it
// threw is logged, and no other request is touched.
class RequestSink {
 public:
  virtual ~RequestSink() = default;

  // By what the log names the request beside its ticket; null: by that alone.
  virtual const LogLabel* label() const { return nullptr; }

  // Its first step begins: until now it has waited. Comes once more where ranks have died since.
  // What it throws is logged, and nothing else.
  virtual void OnBegun() {}

  // A token of a sample.
  virtual void OnPiece(std::size_t sample, const TokenPiece& piece) {
    if (!piece.text.empty()) OnText(sample, piece.text);
  }
  // For whoever wants its text alone: whole characters, never a part of a stop string.
  virtual void OnText(std::size_t /*sample*/, std::string_view /*text*/) {}

  // The last call is one of these two, unless the request was cancelled: then there may be none.
  // When it comes the request no longer counts as one that the queue holds.
  virtual void OnResult(TextResult result) = 0;
  // Its code is kBadInput when something is wrong with the request, kInterrupted after Abort(), and
  // that of the engine's failure when the whole engine has failed.
  virtual void OnError(const Error& error) = 0;
};

}  // namespace lockstep
