#include "tokenizer/pre_tokenizer.h"

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace lockstep {
namespace {

// Length of 's 't 'm 'd 're 've 'll at the front of the text, or 0.
std::size_t ContractionLength(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  if (std::string_view("stmd").find(text[1]) != std::string_view::npos) return 2;
  const std::string_view pair = text.substr(1, 2);
  return pair == "re" || pair == "ve" || pair == "ll" ? 3 : 0;
}

struct Run {
  std::size_t last;  // where the last character starts
  std::size_t end;
};

// The longest run of characters of one class from `begin`, whose character is of that class.
Run RunOf(CharClass char_class, std::string_view text, std::size_t begin) {
  const UnicodeTables& tables = UnicodeTables::Get();
  Run run{begin, begin};
  while (run.end < text.size()) {
    const CodePointAt at = DecodeUtf8(text, run.end);
    if (tables.ClassOf(at.code_point) != char_class) break;
    run.last = run.end;
    run.end += at.length;
  }
  return run;
}

CharClass ClassAt(std::string_view text, std::size_t position) {
  return UnicodeTables::Get().ClassOf(DecodeUtf8(text, position).code_point);
}

}  // namespace

std::size_t WordEnd(std::string_view text, std::size_t begin) {
  if (const std::size_t length = ContractionLength(text.substr(begin)); length != 0)
    return begin + length;

  // " ?": one plain space, no other white space, belongs to the word after it.
  const bool space = text[begin] == ' ' && begin + 1 < text.size();
  const std::size_t core =
      space && ClassAt(text, begin + 1) != CharClass::kSpace ? begin + 1 : begin;
  const CharClass char_class = ClassAt(text, core);
  const Run run = RunOf(char_class, text, core);
  if (char_class != CharClass::kSpace) return run.end;

  // "\s+(?!\S)": white space before a word leaves its last character to that word; a single one
  // stands for itself ("\s+").
  return run.end == text.size() || run.last == begin ? run.end : run.last;
}

}  // namespace lockstep
