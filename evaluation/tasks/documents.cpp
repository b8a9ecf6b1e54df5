#include "evaluation/tasks/documents.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/files/file.h"
#include "core/heartbeat.h"

namespace lockstep {
namespace {

std::string ReadPart(const DocumentFiles& files, std::string_view name) {
  const std::filesystem::path path = files.folder / name;
  if (!FileExists(path))
    throw BadInput(
        "{}: there is no such file, which {} needs; put it there, or give --data another folder",
        path.string(), files.purpose);
  return ReadFile(path);
}

bool IsBlankLine(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// Calls take(line, number) for each line that is not blank.
void ForEachLine(std::string_view text, const auto& take) {
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!IsBlankLine(line)) take(line, number);
    Heartbeat();
  }
}

std::int64_t ReadLabel(std::string_view line, std::string_view where) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  std::int64_t label = 0;
  const auto read = std::from_chars(line.data(), line.data() + line.size(), label);
  if (read.ec != std::errc() || read.ptr != line.data() + line.size())
    throw BadInput("{}: found {}; expected a label, the number of an answer", where,
                   ShownJson(std::string(line)));
  return label;
}

void AddLabels(const DocumentFiles& files, std::vector<Document>& documents) {
  const std::string path = (files.folder / files.labels).string();
  const std::string text = ReadPart(files, files.labels);
  std::size_t count = 0;
  ForEachLine(text, [&](std::string_view line, int number) {
    const std::int64_t label = ReadLabel(line, fmt::format("{}:{}", path, number));
    if (count < documents.size()) documents[count].fields["label"] = label;
    ++count;
  });
  if (count != documents.size())
    throw BadInput("{}: has {} labels for the {} documents of {}; expected one for each", path,
                   count, documents.size(), files.documents);
}

[[noreturn]] void RefuseField(const Document& document, std::string_view name,
                              std::string_view expected) {
  const auto found = document.fields.find(name);
  throw BadInput("{}: \"{}\" is {}; expected {}", document.where, name,
                 found == document.fields.end() ? "missing" : ShownJson(Json(*found)), expected);
}

}  // namespace

std::string Document::Text(std::string_view name) const {
  const auto found = fields.find(name);
  if (found == fields.end() || !found->is_string()) RefuseField(*this, name, "a text");
  return found->get<std::string>();
}

std::vector<std::string> Document::Texts(std::string_view name) const {
  const auto found = fields.find(name);
  const bool list = found != fields.end() && found->is_array() && found->size() >= 2;
  if (!list || !std::ranges::all_of(*found, [](const auto& one) { return one.is_string(); }))
    RefuseField(*this, name, "a list of two texts or more");
  return found->get<std::vector<std::string>>();
}

std::int64_t Document::Index(std::string_view name, std::int64_t count) const {
  const auto found = fields.find(name);
  const bool fits = found != fields.end() && found->is_number_integer() &&
                    found->get<std::int64_t>() >= 0 && found->get<std::int64_t>() < count;
  if (!fits) RefuseField(*this, name, fmt::format("an integer from 0 to {}", count - 1));
  return found->get<std::int64_t>();
}

std::vector<Document> ReadDocuments(const DocumentFiles& files) {
  const std::string path = (files.folder / files.documents).string();
  const std::string text = ReadPart(files, files.documents);
  std::vector<Document> documents;
  ForEachLine(text, [&](std::string_view line, int number) {
    Document one{.fields = {}, .where = fmt::format("{}:{}", path, number)};
    const Json checked = ParseJson(line, one.where);
    if (!checked.is_object())
      throw BadInput("{}: found {}; expected an object", one.where, ShownJson(checked));
    one.fields = OrderedJson::parse(line);
    documents.push_back(std::move(one));
  });
  if (documents.empty())
    throw BadInput("{}: holds no documents; expected JSON lines, one for each", path);
  if (!files.labels.empty()) AddLabels(files, documents);
  return documents;
}

}  // namespace lockstep
