#include "api/line_table.h"

#include <gmock/gmock.h>

#include "api/requests.h"
#include "tests/support/documentation.h"
#include "tests/support/message_of.h"

namespace lockstep {
namespace {

std::string TableOf(const std::vector<LineField>& fields) {
  std::vector<std::vector<std::string>> rows;
  for (const LineField& field : fields)
    rows.push_back({"`" + field.name + "`", field.expected, field.meaning});
  return MarkdownTable({"field", "value", "meaning"}, rows);
}

TEST(LineTable, StandsInThePageOfFormats) {
  const std::string page = "docs/guide/formats.md";
  const std::pair<const char*, Task> commands[] = {
      {"generate", Task::kGenerate}, {"score", Task::kScore}, {"embed", Task::kEmbed}};
  for (const auto& [name, task] : commands) {
    ExpectTableInPage(page, std::string(name) + " input", TableOf(InputFields(task)));
    ExpectTableInPage(page, std::string(name) + " answer", TableOf(AnswerFields(task)));
  }
}

TEST(LineTable, HasWhatLinesMayHaveAndNothingElse) {
  for (const Task task : {Task::kGenerate, Task::kScore, Task::kEmbed}) {
    for (const LineField& field : InputFields(task)) {
      // An object is nothing that a field can be, but logit_bias.
      const std::string message = MessageOf(
          [&] { ParseLine(task, "{\"" + field.name + "\": {\"x\": 1}}", "line 1", 0, Options{}); });
      EXPECT_THAT(message, testing::Not(testing::HasSubstr("not known"))) << field.name;
      EXPECT_FALSE(field.meaning.empty()) << field.name;
    }
    EXPECT_THAT(MessageOf([&] { ParseLine(task, R"({"colour": 1})", "line 1", 0, Options{}); }),
                testing::HasSubstr("colour"));
  }
}

}  // namespace
}  // namespace lockstep
