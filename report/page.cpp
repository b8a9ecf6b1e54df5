#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "report/style.h"
#include "report/svg.h"

namespace lockstep {
namespace {

constexpr std::string_view kLayout = R"(
*{box-sizing:border-box}
body{margin:0;padding:2rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif}
main{max-width:84rem;margin:0 auto}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 1rem}
h1,h2,p{overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.5rem 0 .75rem}
p{max-width:50rem;margin:.5rem 0}
.table{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding-bottom:.4rem}
th,td{padding:.3rem .75rem;border-bottom:1px solid var(--grid);text-align:left;white-space:nowrap}
th{font-weight:600;border-bottom-color:var(--muted)}
.n{text-align:right}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem 1rem;font-size:.9rem;margin:1rem 0}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr));gap:1.5rem}
figure{margin:0}
figcaption{font-size:.85rem;color:var(--muted)}
svg.plot{display:block;width:100%;height:auto}
a{color:var(--accent)}
@media print{body{padding:0}figure,tr{break-inside:avoid}figcaption a{display:none}}
)";

// Attributes of the drawings are the colours of paper: style sheets come before them.
std::string ColoursOf(const Palette& palette) {
  std::string css = fmt::format(
      ":root{{--paper:{};--ink:{};--muted:{};--grid:{};--accent:{}}}"
      ".plot .paper{{fill:var(--paper)}}.plot .ink{{fill:var(--ink)}}"
      ".plot .grid{{stroke:var(--grid)}}.plot .axis{{stroke:var(--ink)}}",
      palette.paper, palette.ink, palette.muted, palette.grid, palette.accent);
  for (std::size_t i = 0; i < palette.colours.size(); ++i)
    css += fmt::format(".plot .line{0}{{stroke:{1}}}.plot .fill{0}{{fill:{1}}}", i,
                       palette.colours[i]);
  return css;
}

// "-12.5", "40 %", "3.1 (3 to 3.2)", "-": what is read as a number, or as none.
bool IsNumeric(std::string_view cell) {
  if (cell.empty() || cell == "-") return true;
  if (cell.front() == '-' || cell.front() == '+') cell.remove_prefix(1);
  return !cell.empty() && std::isdigit(static_cast<unsigned char>(cell.front())) != 0;
}

std::vector<bool> NumericColumns(const ReportTable& table) {
  std::vector<bool> numeric(table.columns.size(), true);
  for (const std::vector<std::string>& row : table.rows)
    for (std::size_t i = 0; i < std::min(row.size(), numeric.size()); ++i)
      numeric[i] = numeric[i] && IsNumeric(row[i]);
  return numeric;
}

std::string PercentEncoded(std::string_view text) {
  constexpr std::string_view kPlain = "-_.~/ =:;,()";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || kPlain.find(c) != kPlain.npos)
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", byte);
  }
  return encoded;
}

}  // namespace

ReportPage::ReportPage(std::string title) : title_(std::move(title)) {}

void ReportPage::EndPlots() {
  if (in_plots_) body_ += "</div>\n";
  in_plots_ = false;
}

void ReportPage::AddHeading(std::string_view text) {
  EndPlots();
  body_ += fmt::format("<h2>{}</h2>\n", EscapedXml(text));
}

void ReportPage::AddParagraph(std::string_view text) {
  EndPlots();
  body_ += fmt::format("<p>{}</p>\n", EscapedXml(text));
}

void ReportPage::AddTable(const ReportTable& table) {
  EndPlots();
  const std::vector<bool> numeric = NumericColumns(table);
  const auto mark = [&](std::size_t i) {
    return i < numeric.size() && numeric[i] ? R"( class="n")" : "";
  };
  body_ += "<div class=\"table\"><table>";
  if (!table.caption.empty())
    body_ += fmt::format("<caption>{}</caption>", EscapedXml(table.caption));
  body_ += "<thead><tr>";
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    body_ += fmt::format(R"(<th scope="col"{}>{}</th>)", mark(i), EscapedXml(table.columns[i]));
  body_ += "</tr></thead><tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    body_ += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      body_ += fmt::format("<td{}>{}</td>", mark(i), EscapedXml(row[i]));
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table></div>\n";
}

void ReportPage::AddFacts(const std::vector<std::pair<std::string, std::string>>& facts) {
  EndPlots();
  body_ += "<dl>";
  for (const auto& [name, value] : facts)
    body_ += fmt::format("<dt>{}</dt><dd>{}</dd>\n", EscapedXml(name), EscapedXml(value));
  body_ += "</dl>\n";
}

void ReportPage::AddPlot(std::string_view svg, std::string_view file_name,
                         std::string_view caption) {
  if (!in_plots_) body_ += "<div class=\"plots\">\n";
  in_plots_ = true;
  body_ += fmt::format(
      R"(<figure>{}<figcaption>{}{}<a download="{}" href="data:image/svg+xml;charset=utf-8,{}">SVG</a>)"
      "</figcaption></figure>\n",
      svg, EscapedXml(caption), caption.empty() ? "" : " ", EscapedXml(file_name),
      PercentEncoded(svg));
}

std::string ReportPage::Html() const {
  return fmt::format(
      R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{0}</title>
<style>{1}{2}
@media screen and (prefers-color-scheme:dark){{{3}}}
</style></head><body><main>
<h1>{0}</h1>
{4}{5}</main></body></html>
)",
      EscapedXml(title_), kLayout, ColoursOf(kPaper), ColoursOf(kDark), body_,
      in_plots_ ? "</div>\n" : "");
}

}  // namespace lockstep
