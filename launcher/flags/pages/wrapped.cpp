#include "launcher/flags/pages/wrapped.h"

#include "runtime/options/words/word_list.h"

namespace lockstep {

std::string Wrapped(std::string_view text, std::size_t columns, std::size_t indent,
                    std::size_t used) {
  std::string lines;
  std::size_t column = used;
  bool is_first_word = true;
  for (const std::string_view word : SplitAt(text, ' ')) {
    if (!is_first_word && column + 1 + word.size() > columns) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!is_first_word) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
    is_first_word = false;
  }
  return lines;
}

}  // namespace lockstep
