#pragma once

#include <array>
#include <string_view>

namespace lockstep {

// Colours of plots and pages. Those of series can be told apart by people who do not see all
// colours (after Okabe and Ito), on paper and on a dark screen.
struct Palette {
  std::string_view paper;
  std::string_view ink;
  std::string_view muted;  // less important words
  std::string_view grid;
  std::string_view accent;  // links
  std::array<std::string_view, 8> colours;
};

inline constexpr Palette kPaper{.paper = "#ffffff",
                                .ink = "#1f2328",
                                .muted = "#59636e",
                                .grid = "#e1e4e8",
                                .accent = "#0b5cad",
                                .colours = {"#0072b2", "#d55e00", "#009e73", "#b5578f", "#c58b00",
                                            "#4a9fd8", "#7a6a5a", "#444444"}};

inline constexpr Palette kDark{.paper = "#16191d",
                               .ink = "#e6e9ec",
                               .muted = "#9aa4af",
                               .grid = "#30363d",
                               .accent = "#6cb6ff",
                               .colours = {"#4ba3e3", "#ff8c42", "#3fcf9f", "#e08fc0", "#f2c14e",
                                           "#8fd3ff", "#c2b09e", "#c9d1d9"}};

}  // namespace lockstep
