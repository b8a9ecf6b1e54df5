#include "engine/step_message.h"

#include <cstring>

#include "core/error.h"

namespace lockstep {
namespace {

// Numbers behind each other, all as 64 bits: a step message is a few hundred of them.
class Writer {
 public:
  void Put(std::int64_t value) { words_.push_back(value); }

  template <typename T>
  void PutAll(const std::vector<T>& values) {
    Put(static_cast<std::int64_t>(values.size()));
    for (const T& value : values) Put(value);
  }

  std::vector<std::byte> Take() const {
    std::vector<std::byte> bytes(words_.size() * sizeof(std::int64_t));
    std::memcpy(bytes.data(), words_.data(), bytes.size());
    return bytes;
  }

 private:
  std::vector<std::int64_t> words_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::int64_t Get() {
    std::int64_t value;
    LOCKSTEP_CHECK(bytes_.size() >= sizeof(value), "step message too short");
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_ = bytes_.subspan(sizeof(value));
    return value;
  }

  std::size_t GetCount() {
    const std::int64_t count = Get();
    LOCKSTEP_CHECK(count >= 0 && static_cast<std::uint64_t>(count) <= bytes_.size() / 8,
                   "step message announces {} words, {} bytes are left", count, bytes_.size());
    return static_cast<std::size_t>(count);
  }

  template <typename T>
  std::vector<T> GetAll() {
    std::vector<T> values(GetCount());
    for (T& value : values) value = static_cast<T>(Get());
    return values;
  }

  bool done() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

std::vector<std::byte> Flatten(const StepMessage& message) {
  Writer writer;
  writer.Put(message.shutdown ? 1 : 0);
  writer.Put(message.vocab_limit);
  writer.Put(message.batch.hidden_layer);
  writer.PutAll(message.batch.ids);
  writer.PutAll(message.batch.logit_rows);
  writer.Put(static_cast<std::int64_t>(message.batch.sequences.size()));
  for (const SequenceRows& sequence : message.batch.sequences) {
    writer.Put(sequence.first_row);
    writer.Put(sequence.token_count);
    writer.Put(sequence.start);
    writer.PutAll(sequence.page_table);
  }
  writer.Put(static_cast<std::int64_t>(message.rows.size()));
  for (const RowRequest& row : message.rows) {
    writer.Put(row.target);
    writer.Put(row.likeliest);
    writer.Put(row.whole_row ? 1 : 0);
  }
  return writer.Take();
}

StepMessage ParseStepMessage(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  StepMessage message;
  message.shutdown = reader.Get() != 0;
  message.vocab_limit = reader.Get();
  message.batch.hidden_layer = reader.Get();
  message.batch.ids = reader.GetAll<std::int32_t>();
  message.batch.logit_rows = reader.GetAll<std::int64_t>();
  message.batch.sequences.resize(reader.GetCount());
  for (SequenceRows& sequence : message.batch.sequences) {
    sequence.first_row = reader.Get();
    sequence.token_count = reader.Get();
    sequence.start = reader.Get();
    sequence.page_table = reader.GetAll<std::int32_t>();
  }
  message.rows.resize(reader.GetCount());
  for (RowRequest& row : message.rows) {
    row.target = static_cast<std::int32_t>(reader.Get());
    row.likeliest = reader.Get();
    row.whole_row = reader.Get() != 0;
  }
  LOCKSTEP_CHECK(reader.done(), "step message with bytes left over");
  return message;
}

}  // namespace lockstep
