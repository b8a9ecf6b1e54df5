#pragma once

#include <string>
#include <vector>

namespace lockstep {

// A table in Markdown. Bars in cells are escaped.
std::string MarkdownTable(const std::vector<std::string>& header,
                          const std::vector<std::vector<std::string>>& rows);

// Expects `table` between the lines "<!-- table: name -->" and "<!-- end of table -->" of a page
// ("docs/guide/formats.md"). With $LOCKSTEP_WRITE_DOCS set it is written there instead, and the
// test fails, so that nobody leaves it set.
void ExpectTableInPage(const std::string& page, const std::string& name, const std::string& table);

}  // namespace lockstep
