#include "batch/files/finished_output.h"

#include "batch/files/input_file.h"
#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"

namespace lockstep {
namespace {

constexpr const char* kFormat = "lockstep_output";
constexpr const char* kJob = "job";
constexpr int kVersion = 1;

std::string PathOf(const std::string& output) { return WithoutLinks(output).string() + ".done"; }

std::string HashText(const Fnv1a& hash) { return fmt::format("{:016x}", hash.value()); }

Error Damaged(const std::string& path) {
  return BadInput(
      "{}: is damaged; it tells what made the output beside it: give --restart to make that again, "
      "or --output another name",
      path);
}

// The output as it is now.
FinishedOutput ReadOutput(const std::string& output) {
  FinishedOutput found;
  InputFile file(output);
  for (auto block = file.ReadBlock(); !block.empty(); block = file.ReadBlock()) {
    Heartbeat();
    found.Add(block);
  }
  return found;
}

Json ReadRecord(const std::string& path) {
  const Json record = Json::parse(ReadFile(path), nullptr, false);
  if (!record.is_object() || record.value(kFormat, Json()) != kVersion || !record.contains(kJob) ||
      !record.value("lines", Json()).is_number_integer() ||
      !record.value("errors", Json()).is_number_integer())
    throw Damaged(path);
  return record;
}

std::optional<FinishedOutput> Find(const std::string& output, const JobIdentity& identity) {
  const std::string path = PathOf(output);
  if (!IsRegularFile(output) || !FileExists(path)) return std::nullopt;
  if (!IsRegularFile(path)) throw Damaged(path);
  const Json record = ReadRecord(path);
  if (const auto difference = Difference(identity, record[kJob]))
    throw BadInput(
        "{}: was made by a job with {}; give --restart to write over it, or --output another name",
        output, *difference);
  FinishedOutput found = ReadOutput(output);
  if (record.value("bytes", Json()) != found.bytes ||
      record.value("hash", Json()) != HashText(found.hash))
    throw BadInput(
        "{}: is not what this job wrote: it has {} bytes, {}, and {} says {}, {}; give --restart "
        "to make it again, or --output another name",
        output, found.bytes, HashText(found.hash), path, DumpJson(record.value("bytes", Json())),
        DumpJson(record.value("hash", Json())));
  found.lines = record["lines"].get<std::int64_t>();
  found.errors = record["errors"].get<std::int64_t>();
  return found;
}

}  // namespace

std::optional<FinishedOutput> FindFinished(const std::string& output, const JobIdentity& identity,
                                           OtherJob other) {
  try {
    return Find(output, identity);
  } catch (const Error& error) {
    if (other == OtherJob::kRefuse || error.code() != ExitCode::kBadInput) throw;
    return std::nullopt;
  }
}

void RecordFinished(const std::string& output, const JobIdentity& identity,
                    const FinishedOutput& finished) {
  const nlohmann::ordered_json record = {
      {kFormat, kVersion},       {"bytes", finished.bytes},   {"hash", HashText(finished.hash)},
      {"lines", finished.lines}, {"errors", finished.errors}, {kJob, ToJson(identity)}};
  AtomicFile file(PathOf(output));
  file.Write(record.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  file.Commit();
}

}  // namespace lockstep
