#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Puts the events of a stream (text/event-stream) together, however its bytes are cut: lines that
// end in LF, CR LF or CR, comments, fields other than data, data in several lines.
class EventStream {
 public:
  // More of the body.
  void Push(std::string_view bytes);

  // The data of the next event that is whole; false where there is none. The view lives until the
  // next call.
  bool Next(std::string_view& data);

  // Bytes that are not an event yet: what a stream that ends now has left unfinished.
  std::size_t pending_bytes() const { return buffer_.size() - begin_; }

 private:
  bool NextLine(std::string_view& line);

  std::string buffer_;
  std::size_t begin_ = 0;  // of what has not been read
  std::string data_;       // of the event that is being put together
  bool has_data_ = false;
  bool is_given_ = false;  // data_ was the caller's, and begins anew
};

}  // namespace lockstep
