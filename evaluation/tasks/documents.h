#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace lockstep {

// The members in the order of the file.
using OrderedJson = nlohmann::ordered_json;

// One line of a data set.
struct Document {
  OrderedJson fields;  // an object
  std::string where;   // "data/sciq_train.jsonl:17", for messages

  // Throw BadInput where the field is missing, of another type or out of range.
  std::string Text(std::string_view name) const;
  std::vector<std::string> Texts(std::string_view name) const;  // at least two
  std::int64_t Index(std::string_view name, std::int64_t count) const;
};

// Documents that a task is made of: JSON lines, and where their answers lie in a file of their own,
// a label in each line of that, which becomes the field "label". Throws BadInput naming the file
// and the line; for a file that is missing with what it is for.
struct DocumentFiles {
  std::filesystem::path folder;
  std::string_view documents;
  std::string_view labels = {};  // empty: none
  std::string purpose;           // "task piqa"
};
std::vector<Document> ReadDocuments(const DocumentFiles& files);

}  // namespace lockstep
