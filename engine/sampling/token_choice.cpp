#include "engine/sampling/token_choice.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "engine/sampling/random.h"
#include "engine/sampling/sampler.h"

namespace lockstep {
namespace {

// With top-p and min-p so many leaders of the race are looked at together: mostly one of them is
// left.
constexpr std::int64_t kLeaders = MassQuestion::kMostBounds;

bool Filters(const SamplingParams& params) { return params.top_p < 1.0 || params.min_p > 0.0; }

TokenLogprob Describe(const RowAnswer& row, const Candidate& token,
                      const std::vector<Candidate>& likeliest, std::int64_t count) {
  const auto logprob = [&](float of) { return static_cast<float>(of - row.log_sum_exp); };
  TokenLogprob described{
      .token = token.token, .logprob = logprob(token.logit), .top = row.argmax, .likeliest = {}};
  const auto most = std::min(likeliest.size(), static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < most; ++i)
    described.likeliest.emplace_back(likeliest[i].token, logprob(likeliest[i].logit));
  return described;
}

}  // namespace

TokenChoice::TokenChoice(const Request& request, const LogitControls& controls,
                         std::int64_t position)
    : request_(request),
      params_(request.sampling),
      controls_(controls),
      kind_(params_.temperature == 0.0                   ? Kind::kLikeliest
            : params_.top_k > 0 || controls.only_taken() ? Kind::kList
                                                         : Kind::kRace),
      key_(NoiseAt(params_.seed, params_.stream, static_cast<std::uint64_t>(position))) {
  question_.taken = controls.Taken();
  if (!controls.only_taken()) {
    // Of one alone a rank names no others that are as likely.
    if (kind_ == Kind::kList) question_.likeliest = std::max<std::int64_t>(params_.top_k, 2);
    // The likeliest is what weights and shares of probability are relative to.
    if (kind_ == Kind::kLikeliest || Filters(params_))
      question_.likeliest = std::max<std::int64_t>(question_.likeliest, 1);
  }
  question_.likeliest = std::max(question_.likeliest, request.logprobs.value_or(0));
  if (kind_ == Kind::kRace) AskLeaders();
}

void TokenChoice::AskLeaders() {
  question_.leaders = Filters(params_) ? kLeaders : 1;
  question_.key = key_;
  question_.temperature = params_.temperature;
}

bool TokenChoice::Take(RowAnswer answer) {
  if (!first_) {
    first_ = std::move(answer);
    return Begin();
  }
  return question_.bounds.empty() ? TakeLeaders(answer.leaders) : TakeMasses(answer.masses);
}

bool TokenChoice::Begin() {
  adjusted_ = controls_.Adjust(first_->taken);
  if (kind_ != Kind::kRace) return ChooseFromList();
  for (const std::vector<Candidate>* list : {&first_->likeliest, &adjusted_})
    for (const Candidate& one : *list)
      if (IsLikelier(one, likeliest_.value_or(kNoBound))) likeliest_ = one;
  return TakeLeaders(first_->leaders);
}

bool TokenChoice::ChooseFromList() {
  std::vector<Candidate> candidates = adjusted_;
  if (!controls_.only_taken())
    for (const Candidate& one : first_->likeliest)
      if (one.logit > kNoBound.logit) candidates.push_back(one);  // what is taken is impossible now
  if (candidates.empty()) return true;
  if (kind_ == Kind::kLikeliest)
    return Choose(*std::min_element(candidates.begin(), candidates.end(), IsLikelier));
  return Choose(
      InRaceOrder(KeepLikely(std::move(candidates), params_), key_, params_.temperature).front());
}

// The leaders of all ranks: the first of the race among what comes before question_.before. The
// chosen token is the first one that top-p and min-p leave.
bool TokenChoice::TakeLeaders(const std::vector<Candidate>& found) {
  std::vector<Candidate> leaders = found;
  for (const Candidate& one : adjusted_)
    if (IsLikelier(one, question_.before)) leaders.push_back(one);
  if (leaders.empty()) return true;
  leaders = InRaceOrder(std::move(leaders), key_, params_.temperature);
  const auto most = static_cast<std::size_t>(question_.leaders);
  if (leaders.size() > most) leaders.resize(most);  // behind these ranks may have kept others
  if (!Filters(params_)) return Choose(leaders.front());
  ahead_ = *std::min_element(leaders.begin(), leaders.end(), IsLikelier);
  std::erase_if(leaders, [&](const Candidate& one) {
    return WeightBeside(one, *likeliest_, params_.temperature) < params_.min_p;
  });
  open_ = std::move(leaders);
  return Decide();
}

// The likeliest token is always left; of the others top-p has to be asked about.
bool TokenChoice::Decide() {
  if (open_.empty()) return AskAhead();
  if (params_.top_p >= 1.0 || open_.front().token == likeliest_->token)
    return Choose(open_.front());
  return AskMasses();
}

// Two at first, one of which is mostly left; then all.
bool TokenChoice::AskMasses() {
  const std::size_t most = question_.leaders > 0 ? 2 : MassQuestion::kMostBounds;
  for (const Candidate& one : open_) {
    if (question_.bounds.size() == most || one.token == likeliest_->token) break;
    question_.bounds.push_back(one);
  }
  question_.taken.clear();
  question_.likeliest = question_.leaders = 0;
  question_.reference = likeliest_->logit;
  return false;
}

bool TokenChoice::TakeMasses(const std::vector<double>& masses) {
  const std::vector<Candidate> bounds = std::exchange(question_.bounds, {});
  LOCKSTEP_CHECK(masses.size() == bounds.size() + 1, "{} masses", masses.size());
  double all = masses.back();
  for (const Candidate& one : adjusted_) all += WeightBeside(one, *likeliest_, params_.temperature);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    double before = masses[i];
    for (const Candidate& one : adjusted_)
      if (IsLikelier(one, bounds[i])) before += WeightBeside(one, *likeliest_, params_.temperature);
    if (before < params_.top_p * all) return Choose(bounds[i]);
  }
  open_.erase(open_.begin(), open_.begin() + std::ssize(bounds));
  return Decide();
}

// None of the leaders is left. What is left comes before all of them.
bool TokenChoice::AskAhead() {
  question_.taken.clear();
  question_.likeliest = 0;
  question_.before = ahead_;
  AskLeaders();
  return false;
}

bool TokenChoice::Choose(const Candidate& token) {
  chosen_ = token;
  return true;
}

// Before the controls changed it.
float TokenChoice::LogitOfModel(const Candidate& one) const {
  for (const Candidate& taken : first_->taken)
    if (taken.token == one.token) return taken.logit;
  return one.logit;
}

TokenLogprob TokenChoice::Logprob() const {
  std::vector<Candidate> likeliest = first_->likeliest;
  std::erase_if(likeliest, [](const Candidate& one) { return one.logit == kNoBound.logit; });
  likeliest.insert(likeliest.end(), first_->taken.begin(), first_->taken.end());
  std::sort(likeliest.begin(), likeliest.end(), IsLikelier);
  return Describe(*first_, {chosen_->token, LogitOfModel(*chosen_)}, likeliest,
                  request_.logprobs.value_or(0));
}

TokenEvent TokenChoice::Event() const {
  if (!chosen_)
    return {.request = request_.id,
            .finish = FinishReason::kError,
            .error =
                "no token is left to choose from: allowed_token_ids, banned_token_ids and "
                "min_tokens exclude all; allow more"};
  TokenEvent event{.request = request_.id, .token = chosen_->token};
  if (request_.logprobs) event.logprob = Logprob();
  return event;
}

RowQuestion QuestionForPrompt(const Request& request, std::int32_t following) {
  RowQuestion question;
  question.target = following;
  question.likeliest = request.prompt_logprobs.value_or(0);
  return question;
}

TokenLogprob PromptLogprob(const RowAnswer& row, const Request& request, std::int32_t following) {
  return Describe(row, {following, row.target}, row.likeliest, request.prompt_logprobs.value_or(0));
}

}  // namespace lockstep
