#include "partition/model/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>

#include "tests/support/message_of.h"
#include "tests/support/test_data.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
constexpr const char* kOlder = "89abcdef0123456789abcdef0123456789abcdef";

// Every test starts without the variables that name the cache, and gets them back as they were.
class ModelFolder : public testing::Test {
 protected:
  ModelFolder() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME",
                             "HOME", "LOCKSTEP_TEST_DISK"}) {
      const char* value = std::getenv(name);
      saved_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
  }
  ~ModelFolder() override {
    for (const auto& [name, value] : saved_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }

  static void Set(const char* name, const fs::path& value) { ::setenv(name, value.c_str(), 1); }

  // Puts models--org--name with two snapshots into a cache; returns that of `main`.
  static fs::path FillCache(const fs::path& cache) {
    const fs::path model = cache / "models--org--name";
    fs::create_directories(model / "refs" / "refs/pr");
    fs::create_directories(model / "snapshots" / kCommit);
    fs::create_directories(model / "snapshots" / kOlder);
    WriteText(model / "refs" / "main", kCommit);
    WriteText(model / "refs" / "step1000", std::string(kOlder) + "\n");
    WriteText(model / "refs" / "refs/pr/1", kOlder);
    return model / "snapshots" / kCommit;
  }

  TemporaryFolder folder_;

 private:
  std::map<std::string, std::optional<std::string>> saved_;
};

TEST_F(ModelFolder, TakesAFolderAsItIs) {
  EXPECT_EQ(ResolveModel(folder_.path().string()), folder_.path());
}

TEST_F(ModelFolder, LooksInTheCacheThatTheFirstVariableNames) {
  Set("HOME", folder_ / "home");
  const fs::path at_home = FillCache(folder_ / "home/.cache/huggingface/hub");
  EXPECT_EQ(ResolveModel("org/name"), at_home);
  Set("XDG_CACHE_HOME", folder_ / "xdg");
  const fs::path at_xdg = FillCache(folder_ / "xdg/huggingface/hub");
  EXPECT_EQ(ResolveModel("org/name"), at_xdg);
  Set("HF_HOME", folder_ / "hf");
  const fs::path at_hf = FillCache(folder_ / "hf/hub");
  EXPECT_EQ(ResolveModel("org/name"), at_hf);
  Set("HUGGINGFACE_HUB_CACHE", folder_ / "old");
  const fs::path at_old_name = FillCache(folder_ / "old");
  EXPECT_EQ(ResolveModel("org/name"), at_old_name);
  ::unsetenv("HUGGINGFACE_HUB_CACHE");
  Set("HF_HUB_CACHE", folder_ / "cache");
  const fs::path at_cache = FillCache(folder_ / "cache");
  EXPECT_EQ(ResolveModel("org/name"), at_cache);
  Set("HF_HUB_CACHE", "~/.cache/huggingface/hub");
  EXPECT_EQ(ResolveModel("org/name"), at_home);
  Set("HF_HUB_CACHE", "");
  EXPECT_EQ(ResolveModel("org/name"), at_hf);
}

TEST_F(ModelFolder, ReplacesVariablesInThoseThatNameTheCache) {
  const fs::path there = FillCache(folder_ / "disk/hub");
  Set("LOCKSTEP_TEST_DISK", folder_ / "disk");
  for (const char* cache : {"$LOCKSTEP_TEST_DISK/hub", "${LOCKSTEP_TEST_DISK}/hub"}) {
    Set("HF_HUB_CACHE", cache);
    EXPECT_EQ(ResolveModel("org/name"), there) << cache;
  }
  for (const char* cache : {"$", "${LOCKSTEP_TEST_DISK", "$LOCKSTEP_NOT_SET/hub", "a$"}) {
    Set("HF_HUB_CACHE", cache);
    EXPECT_THAT(MessageOf([] { ResolveModel("org/name"); }),
                HasSubstr(std::string(cache) + "/models--org--name"));
  }
}

TEST_F(ModelFolder, ResolvesBranchesTagsAndCommits) {
  Set("HF_HUB_CACHE", folder_.path());
  const fs::path main = FillCache(folder_.path());
  const fs::path older = main.parent_path() / kOlder;
  EXPECT_EQ(ResolveModel("org/name@main"), main);
  EXPECT_EQ(ResolveModel("org/name@step1000"), older);
  EXPECT_EQ(ResolveModel("org/name@refs/pr/1"), older);
  EXPECT_EQ(ResolveModel(std::string("org/name@") + kOlder), older);
}

TEST_F(ModelFolder, SaysWhereItLookedAndHowToDownload) {
  Set("HF_HUB_CACHE", folder_.path());
  EXPECT_THAT(
      MessageOf([] { ResolveModel("org/name"); }),
      AllOf(HasSubstr("a folder \"org/name\""), HasSubstr((folder_ / "models--org--name").string()),
            HasSubstr("`hf download org/name` on a machine with a network")));
}

TEST_F(ModelFolder, ListsTheRevisionsItHas) {
  Set("HF_HUB_CACHE", folder_.path());
  FillCache(folder_.path());
  EXPECT_THAT(MessageOf([] { ResolveModel("org/name@step2"); }),
              AllOf(HasSubstr("no revision \"step2\""), HasSubstr("refs/step2"),
                    HasSubstr("main, refs/pr/1, step1000"), HasSubstr(kOlder),
                    HasSubstr("hf download org/name --revision step2")));
  // Hugging Face's own packages take whole commits only.
  EXPECT_THAT(MessageOf([] { ResolveModel("org/name@01234567"); }), HasSubstr("no revision"));
}

TEST_F(ModelFolder, ListsAFewOfManyRevisions) {
  Set("HF_HUB_CACHE", folder_.path());
  FillCache(folder_.path());
  for (int step = 100; step < 120; ++step)
    WriteText(folder_ / ("models--org--name/refs/step" + std::to_string(step)), kOlder);
  EXPECT_THAT(MessageOf([] { ResolveModel("org/name@step2"); }),
              AllOf(HasSubstr("main, refs/pr/1, step100, step1000, step101"),
                    HasSubstr(", step108 and 13 more; use"), testing::Not(HasSubstr("step109"))));
}

TEST_F(ModelFolder, RefusesASnapshotThatIsNotThere) {
  Set("HF_HUB_CACHE", folder_.path());
  const fs::path main = FillCache(folder_.path());
  fs::remove(main);
  EXPECT_THAT(MessageOf([] { ResolveModel("org/name"); }),
              AllOf(HasSubstr("no revision \"main\""), HasSubstr(main.string())));
}

TEST_F(ModelFolder, RefusesARefThatLeavesTheCache) {
  Set("HF_HUB_CACHE", folder_.path());
  FillCache(folder_.path());
  WriteText(folder_ / "models--org--name/refs/main", "../../..");
  EXPECT_THAT(MessageOf([] { ResolveModel("org/name"); }), HasSubstr("expected a commit"));
}

TEST_F(ModelFolder, RefusesWhatIsNeitherFolderNorName) {
  Set("HF_HUB_CACHE", folder_.path());
  for (const char* model : {"/no/such/folder", "./absent", "a/b/c", "org/name@", "org/name@../x",
                            "", "org/", "../..x/..", "org/na me", "org/name@a//b"})
    EXPECT_THAT(MessageOf([&] { ResolveModel(model); }), HasSubstr("no such folder")) << model;
}

TEST_F(ModelFolder, RefusesAFile) {
  WriteText(folder_ / "model.safetensors", "x");
  EXPECT_THAT(MessageOf([&] { ResolveModel((folder_ / "model.safetensors").string()); }),
              HasSubstr("is a file; expected the model's folder"));
}

}  // namespace
}  // namespace lockstep
