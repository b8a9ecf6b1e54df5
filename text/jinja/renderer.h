#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/values/value.h"

namespace lockstep::jinja {

// What one rendering may take, so that no template holds up who renders it.
struct Limits {
  std::int64_t steps = 2'000'000;  // expressions, and values that are gone through
  std::size_t output_bytes = std::size_t{16} << 20;
  int depth = 600;  // expressions and statements within each other
};

// A loop on its way: what `loop` tells.
struct LoopState {
  std::shared_ptr<const Values> items;
  std::size_t index = 0;
};

// The names of a part of a template.
struct Scope {
  std::unordered_map<std::string, Value> names = {};
  std::shared_ptr<Scope> parent = {};
  std::shared_ptr<const LoopState> loop = {};
};

// The state of one rendering: names, output, and what is left of the limits. What is over a limit
// is a Fault. Not thread-safe.
class Renderer {
 public:
  // The variables stay the caller's and outlive the renderer.
  Renderer(const Dict& variables, const Limits& limits, std::chrono::system_clock::time_point now);

  // A value that is missing where nobody has it.
  Value Lookup(const std::string& name) const;
  void Assign(const std::string& name, Value value) { scope_->names[name] = std::move(value); }

  void Write(std::string_view text);
  void Charge(std::int64_t steps);
  // What is done with the whole of a long text.
  void ChargeText(const Value& value);
  std::chrono::system_clock::time_point now() const { return now_; }
  std::string TakeOutput() { return std::move(output_); }

  // Owned by the renderer, because they can hold themselves.
  Namespace* NewNamespace();
  // A scope that macros were defined in, for as long as the rendering lasts.
  std::size_t Keep();

  // Names that are set from here on end with it.
  class Inner {
   public:
    explicit Inner(Renderer& renderer) : Inner(renderer, renderer.scope_) {}
    // Within a scope that was kept.
    Inner(Renderer& renderer, std::size_t kept) : Inner(renderer, renderer.kept_[kept]) {}
    ~Inner() { renderer_.scope_ = std::move(outer_); }
    Inner(const Inner&) = delete;
    Inner& operator=(const Inner&) = delete;

    void SetLoop(LoopState loop) {
      renderer_.scope_->loop = std::make_shared<const LoopState>(std::move(loop));
    }

   private:
    Inner(Renderer& renderer, std::shared_ptr<Scope> parent);
    Renderer& renderer_;
    std::shared_ptr<Scope> outer_;
  };

  // What is written from here on is the caller's.
  class Capture {
   public:
    explicit Capture(Renderer& renderer) : renderer_(renderer) { renderer_.output_.swap(outer_); }
    ~Capture() { renderer_.output_.swap(outer_); }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    std::string Take() { return std::move(renderer_.output_); }

   private:
    Renderer& renderer_;
    std::string outer_;
  };

  // One more expression or statement within the others.
  class Deeper {
   public:
    explicit Deeper(Renderer& renderer);
    ~Deeper() { --renderer_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Renderer& renderer_;
  };

 private:
  const Dict& variables_;
  const Limits limits_;
  const std::chrono::system_clock::time_point now_;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  std::vector<std::shared_ptr<Scope>> kept_;
  std::shared_ptr<Scope> scope_ = std::make_shared<Scope>();
  std::string output_;
  std::int64_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace lockstep::jinja
