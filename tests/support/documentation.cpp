#include "tests/support/documentation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/support/test_data.h"

namespace lockstep {
namespace {

std::string Row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) {
    row += " ";
    for (const char letter : cell) row += letter == '|' ? std::string("\\|") : std::string{letter};
    row += cell.empty() ? "|" : " |";
  }
  return row + "\n";
}

}  // namespace

std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows) {
  std::string table = Row(header) + Row(std::vector<std::string>(header.size(), "---"));
  for (const auto& row : rows) table += Row(row);
  return table;
}

void ExpectTableInPage(const std::string& page, const std::string& name, const std::string& table) {
  const std::filesystem::path path = SourceFolder() / page;
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "<!-- table: " + name + " -->\n", end = "<!-- end of table -->\n";
  const std::size_t from = text.find(begin);
  ASSERT_NE(from, std::string::npos) << page << " has no line " << begin;
  const std::size_t first = from + begin.size(), last = text.find(end, first);
  ASSERT_NE(last, std::string::npos) << page << ": no end of the table " << name;
  const std::string found = text.substr(first, last - first);
  if (std::getenv("LOCKSTEP_WRITE_DOCS") != nullptr) {
    WriteText(path, text.replace(first, last - first, table));
    FAIL() << page << " was written; unset LOCKSTEP_WRITE_DOCS and look at it";
  }
  EXPECT_EQ(found, table) << page << ": run this test with LOCKSTEP_WRITE_DOCS=1 to write it";
}

}  // namespace lockstep
