#pragma once

#include <string>
#include <vector>

#include "text/text_request.h"

namespace lockstep {

// A field of a line: what docs/guide/formats.md says of it, and what ParseLine() takes.
struct LineField {
  std::string name;
  std::string expected;  // "a text"; in answers what it is
  std::string meaning;
};

// The fields that an input line of the command may have, those that it needs first; of generate
// all keys of `sampling.`, too.
const std::vector<LineField>& InputFields(Task task);

// The fields that an answer may have. None that is passed through may be called so.
const std::vector<LineField>& AnswerFields(Task task);

// Their names.
std::vector<std::string> FieldNames(const std::vector<LineField>& fields);

}  // namespace lockstep
