#include "planning/goal/goal.h"

#include <charconv>

#include "core/error.h"

namespace lockstep {
namespace {

constexpr std::string_view kExpected =
    "\"50 tokens/s for 64 users\", with \", first token within 200 ms\" behind it if you like";

// Takes words off the front of a text.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text), rest_(text) {}

  double Number() {
    SkipBlanks();
    double number = 0.0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    if (error != std::errc() || !(number > 0.0) || number > 1e12) Refuse();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return number;
  }

  // The first of these that the text goes on with.
  std::string_view OneOf(std::initializer_list<std::string_view> words) {
    SkipBlanks();
    for (const std::string_view word : words)
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word;
      }
    Refuse();
  }

  bool AtEnd() {
    SkipBlanks();
    return rest_.empty();
  }

  [[noreturn]] void Refuse() const {
    throw BadInput("--goal \"{}\": not understood at \"{}\"; expected {}", text_, rest_, kExpected);
  }

 private:
  void SkipBlanks() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }

  std::string_view text_;
  std::string_view rest_;
};

}  // namespace

Goal ParseGoal(std::string_view text) {
  Words words(text);
  Goal goal;
  goal.tokens_per_second = words.Number();
  words.OneOf({"tokens/s", "token/s", "tok/s"});
  words.OneOf({"for"});
  const double users = words.Number();
  goal.users = static_cast<std::int64_t>(users);
  if (static_cast<double>(goal.users) != users || goal.users > (1 << 20)) words.Refuse();
  words.OneOf({"users", "user", "texts", "text"});
  if (words.AtEnd()) return goal;
  words.OneOf({","});
  words.OneOf({"first"});
  words.OneOf({"token"});
  words.OneOf({"within"});
  const double time = words.Number();
  goal.first_token_seconds = words.OneOf({"ms", "s"}) == "ms" ? 1e-3 * time : time;
  if (!words.AtEnd()) words.Refuse();
  return goal;
}

bool Meets(const Prediction& prediction, const Goal& goal) {
  return prediction.memory.fits &&
         prediction.tokens_per_second_of_text() >= goal.tokens_per_second &&
         (!goal.first_token_seconds || prediction.time.prompt.total() <= *goal.first_token_seconds);
}

}  // namespace lockstep
