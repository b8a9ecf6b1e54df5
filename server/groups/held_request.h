#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "serving/request_sink.h"
#include "text/text_request.h"

namespace lockstep {

// A request that the server has accepted and whose end its client has not heard of, with all that
// the client has. It can be given to ranks again and again, and goes on where it was. Not
// thread-safe.
class HeldRequest {
 public:
  HeldRequest(TextRequest request, std::shared_ptr<RequestSink> sink);

  // With what it has reached.
  const TextRequest& request() const { return request_; }
  const std::shared_ptr<RequestSink>& sink() const { return sink_; }
  // What it takes of the ranks: tokens to compute at most, and texts at the same time.
  std::int64_t tokens() const;
  std::int64_t sequences() const;

  // New tokens that its client has got.
  std::int64_t reached_tokens() const;

  // The group that has it.
  std::optional<std::size_t> group() const { return group_; }
  void GiveTo(std::size_t group);
  void TakeBack() { group_.reset(); }

  // Notes what the client gets.
  void Take(const KeptPiece& piece);
  // Has something of its text, from whichever ranks: no other weights may go on with it.
  bool begun() const { return !request_.reached.samples.empty(); }
  // Has got a token from the ranks that have it now.
  bool progressed() const { return progressed_; }

 private:
  TextRequest request_;
  std::shared_ptr<RequestSink> sink_;
  std::optional<std::size_t> group_;
  bool progressed_ = false;
};

}  // namespace lockstep
