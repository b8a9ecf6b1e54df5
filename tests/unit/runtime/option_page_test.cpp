#include <gtest/gtest.h>

#include "runtime/options/option_table.h"
#include "tests/support/documentation.h"

namespace lockstep {
namespace {

TEST(OptionPage, HasEveryKeyOfTheConfiguration) {
  std::vector<std::vector<std::string>> rows;
  for (const OptionKey& key : OptionTable())
    rows.push_back(
        {"`" + key.path + "`", key.expected, "`" + key.print(Options{}) + "`", MeaningOf(key)});
  ExpectTableInPage("docs/guide/configuration.md", "keys",
                    MarkdownTable({"key", "value", "default", "meaning"}, rows));
}

}  // namespace
}  // namespace lockstep
