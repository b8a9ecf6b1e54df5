#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep {

// Rows of words and numbers. Columns of numbers are set to the right.
struct ReportTable {
  std::string caption = {};
  std::vector<std::string> columns = {};
  std::vector<std::vector<std::string>> rows = {};
};

// A report: one HTML file that needs nothing beside it, neither a network nor a script. Everything
// is text that is escaped here, but for plots (report/plot.h). It follows the reader's choice of
// light or dark; on paper it is light. Not thread-safe.
class ReportPage {
 public:
  explicit ReportPage(std::string title);

  void AddHeading(std::string_view text);
  void AddParagraph(std::string_view text);
  void AddTable(const ReportTable& table);
  // Names and what belongs to them, such as the members of a result's "about".
  void AddFacts(const std::vector<std::pair<std::string, std::string>>& facts);
  // svg: of DrawLines() or DrawBars(). Below it is a link that saves it as `file_name`, which ends
  // in
  // ".svg". Plots that follow on each other stand beside each other where there is room.
  void AddPlot(std::string_view svg, std::string_view file_name, std::string_view caption = "");

  std::string Html() const;

 private:
  void EndPlots();

  std::string title_;
  std::string body_;
  bool in_plots_ = false;
};

}  // namespace lockstep
