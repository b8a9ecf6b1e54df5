#include "engine/step_message.h"

#include "core/message_bytes.h"

namespace lockstep {
namespace {

void PutQuestion(MessageWriter& writer, const RowQuestion& question) {
  writer.Put(question.row);
  writer.Put(question.target);
  writer.PutList(question.taken);
  writer.Put(question.likeliest);
  writer.Put(question.leaders);
  writer.Put(question.key);
  writer.Put(question.temperature);
  writer.Put(question.before);
  writer.PutList(question.bounds);
  writer.Put(question.reference);
}

RowQuestion GetQuestion(MessageReader& reader) {
  RowQuestion question;
  question.row = reader.Get<std::int64_t>();
  question.target = reader.Get<std::int32_t>();
  question.taken = reader.GetList<std::int32_t>();
  question.likeliest = reader.Get<std::int64_t>();
  question.leaders = reader.Get<std::int64_t>();
  question.key = reader.Get<NoiseKey>();
  question.temperature = reader.Get<double>();
  question.before = reader.Get<Candidate>();
  question.bounds = reader.GetList<Candidate>();
  question.reference = reader.Get<float>();
  return question;
}

void PutBatch(MessageWriter& writer, const Batch& batch) {
  writer.Put(batch.hidden_layer);
  writer.PutList(batch.ids);
  writer.PutList(batch.logit_rows);
  writer.PutList(batch.page_copies);
  writer.PutCount(batch.sequences.size());
  for (const SequenceRows& sequence : batch.sequences) {
    writer.Put(sequence.first_row);
    writer.Put(sequence.token_count);
    writer.Put(sequence.start);
    writer.PutList(sequence.page_table);
  }
}

Batch GetBatch(MessageReader& reader) {
  Batch batch;
  batch.hidden_layer = reader.Get<std::int64_t>();
  batch.ids = reader.GetList<std::int32_t>();
  batch.logit_rows = reader.GetList<std::int64_t>();
  batch.page_copies = reader.GetList<PageCopy>();
  batch.sequences.resize(reader.GetCount(sizeof(std::int64_t)));
  for (SequenceRows& sequence : batch.sequences) {
    sequence.first_row = reader.Get<std::int64_t>();
    sequence.token_count = reader.Get<std::int64_t>();
    sequence.start = reader.Get<std::int64_t>();
    sequence.page_table = reader.GetList<std::int32_t>();
  }
  return batch;
}

}  // namespace

std::vector<std::byte> Flatten(const StepMessage& message) {
  MessageWriter writer;
  writer.Put(message.step);
  writer.Put(message.shutdown);
  writer.Put(message.vocab_limit);
  PutBatch(writer, message.batch);
  writer.PutList(message.stages);
  writer.PutCount(message.questions.size());
  for (const RowQuestion& question : message.questions) PutQuestion(writer, question);
  writer.PutText(message.words);
  return writer.Take();
}

StepMessage ParseStepMessage(std::span<const std::byte> bytes) {
  MessageReader reader(bytes);
  StepMessage message;
  message.step = reader.Get<std::int64_t>();
  message.shutdown = reader.Get<bool>();
  message.vocab_limit = reader.Get<std::int64_t>();
  message.batch = GetBatch(reader);
  message.stages = reader.GetList<std::int64_t>();
  message.questions.resize(reader.GetCount(sizeof(std::int64_t)));
  for (RowQuestion& question : message.questions) question = GetQuestion(reader);
  message.words = reader.GetText();
  reader.End();
  return message;
}

}  // namespace lockstep
