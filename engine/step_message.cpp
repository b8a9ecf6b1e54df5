#include "engine/step_message.h"

#include <bit>
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

// Two numbers of 32 bits in a word.
std::int64_t Pair(std::uint32_t high, std::uint32_t low) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(high) << 32 | low);
}
std::uint32_t High(std::int64_t word) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(word) >> 32);
}
std::uint32_t Low(std::int64_t word) { return static_cast<std::uint32_t>(word); }

std::int64_t WordOf(const Candidate& one) {
  return Pair(static_cast<std::uint32_t>(one.token), std::bit_cast<std::uint32_t>(one.logit));
}
Candidate CandidateOf(std::int64_t word) {
  return {static_cast<std::int32_t>(High(word)), std::bit_cast<float>(Low(word))};
}

void PutQuestion(Writer& writer, const RowQuestion& question) {
  const auto& key = question.key.words;
  writer.Put(question.row);
  writer.Put(question.target);
  writer.PutAll(question.taken);
  writer.Put(question.likeliest);
  writer.Put(question.leaders);
  writer.Put(Pair(key[0], key[1]));
  writer.Put(Pair(key[2], key[3]));
  writer.Put(std::bit_cast<std::int64_t>(question.temperature));
  writer.Put(WordOf(question.before));
  writer.Put(static_cast<std::int64_t>(question.bounds.size()));
  for (const Candidate& bound : question.bounds) writer.Put(WordOf(bound));
  writer.Put(Pair(0, std::bit_cast<std::uint32_t>(question.reference)));
}

RowQuestion GetQuestion(Reader& reader) {
  RowQuestion question;
  question.row = reader.Get();
  question.target = static_cast<std::int32_t>(reader.Get());
  question.taken = reader.GetAll<std::int32_t>();
  question.likeliest = reader.Get();
  question.leaders = reader.Get();
  for (std::size_t i = 0; i < 4; i += 2) {
    const std::int64_t words = reader.Get();
    question.key.words[i] = High(words);
    question.key.words[i + 1] = Low(words);
  }
  question.temperature = std::bit_cast<double>(reader.Get());
  question.before = CandidateOf(reader.Get());
  question.bounds.resize(reader.GetCount());
  for (Candidate& bound : question.bounds) bound = CandidateOf(reader.Get());
  question.reference = std::bit_cast<float>(Low(reader.Get()));
  return question;
}

}  // namespace

std::vector<std::byte> Flatten(const StepMessage& message) {
  Writer writer;
  writer.Put(message.shutdown ? 1 : 0);
  writer.Put(message.vocab_limit);
  writer.Put(message.batch.hidden_layer);
  writer.PutAll(message.batch.ids);
  writer.PutAll(message.batch.logit_rows);
  writer.Put(static_cast<std::int64_t>(message.batch.page_copies.size()));
  for (const PageCopy& copy : message.batch.page_copies) {
    writer.Put(copy.from);
    writer.Put(copy.to);
  }
  writer.Put(static_cast<std::int64_t>(message.batch.sequences.size()));
  for (const SequenceRows& sequence : message.batch.sequences) {
    writer.Put(sequence.first_row);
    writer.Put(sequence.token_count);
    writer.Put(sequence.start);
    writer.PutAll(sequence.page_table);
  }
  writer.Put(static_cast<std::int64_t>(message.questions.size()));
  for (const RowQuestion& question : message.questions) PutQuestion(writer, question);
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
  message.batch.page_copies.resize(reader.GetCount());
  for (PageCopy& copy : message.batch.page_copies) {
    copy.from = static_cast<std::int32_t>(reader.Get());
    copy.to = static_cast<std::int32_t>(reader.Get());
  }
  message.batch.sequences.resize(reader.GetCount());
  for (SequenceRows& sequence : message.batch.sequences) {
    sequence.first_row = reader.Get();
    sequence.token_count = reader.Get();
    sequence.start = reader.Get();
    sequence.page_table = reader.GetAll<std::int32_t>();
  }
  message.questions.resize(reader.GetCount());
  for (RowQuestion& question : message.questions) question = GetQuestion(reader);
  LOCKSTEP_CHECK(reader.done(), "step message with bytes left over");
  return message;
}

}  // namespace lockstep
