#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "core/files/file.h"
#include "tests/layering/rules.h"
#include "tests/support/test_data.h"

namespace lockstep::layering {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Planted(std::string_view path, std::string_view include) {
  return Violations(path, "#pragma once\n#include " + std::string(include) + "\n");
}

TEST(Layering, KeepsItsRules) {
  for (const std::string& path : SourceFiles(SourceFolder()))
    for (const std::string& violation : Violations(path, ReadFile(SourceFolder() / path)))
      ADD_FAILURE() << violation;
}

TEST(Layering, DefinesNoTypeTwice) {
  std::vector<Source> headers;
  for (const std::string& path : SourceFiles(SourceFolder()))
    if (path.ends_with(".h")) headers.push_back({path, ReadFile(SourceFolder() / path)});
  EXPECT_THAT(TypesDefinedTwice(headers), IsEmpty());
}

// Also in what no compiler reads.
TEST(Layering, HasNoMergeUnfinished) {
  std::vector<std::string> files = SourceFiles(SourceFolder());
  for (const char* folder : {"docs", "configs", "python", "tests", "scripts"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(SourceFolder() / folder))
      if (entry.is_regular_file() && entry.path().extension() != ".xz")
        files.push_back(entry.path().lexically_relative(SourceFolder()).generic_string());
  for (const char* file : {"README.md", "CHANGELOG.md", "CMakeLists.txt"}) files.emplace_back(file);
  for (const std::string& path : files)
    for (const std::string& marker : ConflictMarkers(path, ReadFile(SourceFolder() / path)))
      ADD_FAILURE() << marker;
}

// So that the tests above cannot pass by looking nowhere.
TEST(Layering, IsLookedAtInEveryFolder) {
  const std::vector<std::string> files = SourceFiles(SourceFolder());
  for (const std::string& folder : Folders())
    EXPECT_TRUE(std::ranges::any_of(
        files, [&](const std::string& path) { return path.starts_with(folder + "/"); }))
        << "no source file in " << folder << "/";
}

struct Include {
  const char* path;
  const char* include;
};

TEST(LayeringRules, AllowLowerLevelsAndTheFolderItself) {
  for (const auto& [path, include] : std::initializer_list<Include>{
           {"core/a.h", "\"core/error.h\""},
           {"comm/a.h", "\"core/error.h\""},
           {"layers/a.h", "\"partition/plan/shard_plan.h\""},
           {"layers/a.h", "\"layers/kernels/backend.h\""},
           {"layers/kernels/cpu/a.cpp", "\"layers/kernels/backend.h\""},
           {"layers/kernels/cpu/a.cpp", "\"layers/kernels/cpu/gemm.h\""},
           {"layers/kernels/cpu/a.cpp", "\"partition/model/architecture.h\""},
           {"layers/kernels/backend.cpp", "\"layers/kernels/cpu/cpu_ops.h\""},
           {"text/a.h", "\"tokenizer/tokenizer.h\""},
           {"launcher/main.cpp", "\"core/error.h\""},
           {"runtime/options/yaml/a.cpp", "<yaml-cpp/yaml.h>"},
           {"comm/mpi/mpi_world.cpp", "<mpi.h>"},
           {"engine/a.h", "<vector>"}})
    EXPECT_THAT(Planted(path, include), IsEmpty()) << path << " " << include;
}

TEST(LayeringRules, RefuseAnUpwardInclude) {
  EXPECT_THAT(Planted("core/a.h", "\"comm/communicator.h\""),
              ElementsAre(HasSubstr("core/a.h:2: #include \"comm/communicator.h\"; comm/ lies "
                                    "above core/")));
  for (const auto& [path, include] :
       std::initializer_list<Include>{{"partition/a.h", "\"layers/decoder.h\""},
                                      {"layers/a.h", "\"engine/engine.h\""},
                                      {"engine/a.h", "\"text/session.h\""},
                                      {"text/a.h", "\"launcher/flags/flags.h\""}})
    EXPECT_THAT(Planted(path, include), ElementsAre(HasSubstr("lies above"))) << path;
}

TEST(LayeringRules, RefuseASibling) {
  for (const auto& [path, include] :
       std::initializer_list<Include>{{"comm/a.h", "\"partition/plan/slice.h\""},
                                      {"partition/a.h", "\"tokenizer/tokenizer.h\""},
                                      {"tokenizer/a.h", "\"comm/communicator.h\""}})
    EXPECT_THAT(Planted(path, include), ElementsAre(HasSubstr("is a sibling of"))) << path;
}

TEST(LayeringRules, RefuseABackendThatKnowsAnother) {
  EXPECT_THAT(Planted("layers/kernels/cuda/a.h", "\"layers/kernels/cpu/gemm.h\""),
              ElementsAre(HasSubstr("knows the backend cpu")));
  EXPECT_THAT(Planted("layers/decoder.cpp", "\"layers/kernels/cpu/gemm.h\""),
              ElementsAre(HasSubstr("knows the backend cpu")));
}

TEST(LayeringRules, RefuseAKernelThatKnowsTheLayers) {
  EXPECT_THAT(Planted("layers/kernels/cpu/a.h", "\"layers/decoder.h\""),
              ElementsAre(HasSubstr("nothing of the layers")));
  EXPECT_THAT(Planted("layers/kernels/backend.h", "\"layers/kv_cache.h\""),
              ElementsAre(HasSubstr("nothing of the layers")));
}

TEST(LayeringRules, RefuseALibraryOutsideItsFolder) {
  EXPECT_THAT(Planted("layers/a.h", "<mpi.h>"), ElementsAre(HasSubstr("only comm/")));
  EXPECT_THAT(Planted("layers/a.h", "\"mpi.h\""), ElementsAre(HasSubstr("only comm/")));
  EXPECT_THAT(Planted("text/a.h", "<yaml-cpp/yaml.h>"),
              ElementsAre(HasSubstr("only runtime/options/yaml/")));
  EXPECT_THAT(Planted("runtime/a.h", "<CLI/CLI.hpp>"),
              ElementsAre(HasSubstr("only launcher/flags/")));
  EXPECT_THAT(Planted("layers/kernels/cpu/a.h", "<cuda_runtime.h>"),
              ElementsAre(HasSubstr("only layers/kernels/cuda/")));
}

TEST(LayeringRules, RefuseACallOfMpiThatMayWaitWithoutADeadline) {
  for (const char* call :
       {"MPI_Recv(data, 1, MPI_INT, 0, 0, comm, &status);", "  MPI_Comm_split(comm, 0, 0, &part);",
        "Check(MPI_Wait(&request, MPI_STATUS_IGNORE));", "PMPI_Barrier(comm);"})
    EXPECT_THAT(Violations("comm/a.cpp", call), ElementsAre(HasSubstr("without a deadline")))
        << call;
  EXPECT_THAT(Violations("comm/a.cpp", "MPI_Isend(data, 1, MPI_INT, 0, 0, comm, &request);"),
              IsEmpty());
  EXPECT_THAT(Violations("comm/a.cpp", "// MPI_Recv() would wait"), IsEmpty());
  EXPECT_THAT(Violations("comm/mpi/mpi_blocking.cpp", "MPI_Finalize();"), IsEmpty());
}

TEST(LayeringRules, RefuseTestsAndNeighboursByShortName) {
  EXPECT_THAT(Planted("core/a.h", "\"tests/support/test_data.h\""),
              ElementsAre(HasSubstr("no folder of the product")));
  EXPECT_THAT(Planted("core/a.h", "\"error.h\""), ElementsAre(HasSubstr("from the root")));
}

TEST(LayeringRules, SeeIncludesHoweverTheyAreSpaced) {
  EXPECT_EQ(Violations("core/a.cpp", "  #  include   \"comm/communicator.h\"").size(), 1u);
  EXPECT_EQ(Violations("core/a.cpp", "#include\"comm/communicator.h\"").size(), 1u);
  EXPECT_THAT(Violations("core/a.cpp", "// #include \"comm/communicator.h\""), IsEmpty());
}

TEST(LayeringRules, RefuseAFileThatGrewTooLong) {
  std::string text;
  for (int line = 0; line < 450; ++line) text += "int x;\n";
  EXPECT_THAT(Violations("core/a.cpp", text), IsEmpty());
  EXPECT_THAT(Violations("core/a.cpp", text + "int y;\n"), ElementsAre(HasSubstr("451 lines")));
}

TEST(LayeringRules, RefuseNotesToComeBackAndUnguardedHeaders) {
  EXPECT_THAT(Violations("core/a.cpp",
                         "int x;  // TO"
                         "DO later\n"),
              ElementsAre(HasSubstr("core/a.cpp:1")));
  EXPECT_THAT(Violations("core/a.h", "int x;\n"), ElementsAre(HasSubstr("#pragma once")));
}

TEST(LayeringRules, RefuseAFileCallThatThrowsWhatNobodyUnderstands) {
  EXPECT_THAT(Violations("core/a.cpp", "if (std::filesystem::exists(path)) return;"),
              ElementsAre(HasSubstr("use core/files/file.h")));
  EXPECT_THAT(Violations("core/a.cpp", "for (const auto& one : fs::directory_iterator(folder))"),
              ElementsAre(HasSubstr("use core/files/file.h")));
  EXPECT_THAT(Violations("core/a.cpp", "if (std::filesystem::exists(path, ignored)) return;"),
              IsEmpty());
}

TEST(LayeringRules, RefuseTwoTypesOfOneName) {
  const auto header = [](std::string path, std::string space, std::string line) {
    return Source{std::move(path), "namespace " + space + " {\n" + line + "\n};\n}\n"};
  };
  EXPECT_THAT(TypesDefinedTwice({header("a.h", "lockstep", "class A final : public B {"),
                                 header("b.h", "lockstep", "struct A {")}),
              ElementsAre("lockstep::A is defined in a.h and in b.h"));
  EXPECT_THAT(
      TypesDefinedTwice(
          {header("a.h", "lockstep", "class A {"), header("b.h", "lockstep", "class A;"),
           header("c.h", "lockstep::other", "class A {"), header("d.h", "lockstep", "  class A {"),
           header("e.h", "lockstep", "struct A<int> {"),
           header("f.h", "lockstep", "struct alignas(64) B {"),
           header("g.h", "lockstep", "struct alignas(64) C {")}),
      IsEmpty());
}

TEST(LayeringRules, SeeAMergeUnfinished) {
  EXPECT_THAT(ConflictMarkers("a.md", "a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> main\n"),
              ElementsAre("a.md:2: <<<<<<< HEAD; a merge was not finished",
                          "a.md:6: >>>>>>> main; a merge was not finished"));
  EXPECT_THAT(ConflictMarkers("a.md", "Title\n=======\n"), IsEmpty());
}

}  // namespace
}  // namespace lockstep::layering
