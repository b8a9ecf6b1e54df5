#pragma once

#include <string>

#include "bench/load/load_report.h"

namespace lockstep {

// A result of `bench serve` as a page (report/page.h): tables, and plots to save as SVG.
std::string LoadPage(const LoadReport& report);

}  // namespace lockstep
