#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace lockstep {

// A cache of Hugging Face's hub in its layout, made by hand: in models--ORG--NAME the contents lie
// under blobs/, snapshots/COMMIT/ has links to them, and refs/REVISION holds a commit. Equal files
// of several revisions are one blob.
class HubCache {
 public:
  // As long as it lives, the programs that tests start (program.h) look here for models.
  explicit HubCache(std::filesystem::path folder);
  ~HubCache();
  HubCache(const HubCache&) = delete;
  HubCache& operator=(const HubCache&) = delete;

  // Takes a model's folder over as a revision of "org/name". Returns the commit.
  std::string Add(const std::string& model, const std::string& revision,
                  const std::filesystem::path& folder) const;
  // The blob of one of a revision's files.
  std::filesystem::path Blob(const std::string& model, const std::string& revision,
                             const std::string& file) const;

 private:
  std::filesystem::path FolderOf(const std::string& model) const;

  std::filesystem::path folder_;
};

// The bundled GPT-NeoX model as it might have been on its way: of its layers the first `layers`,
// and of every weight this share, the rest being seeded noise. `trained` is from 0 to 1.
struct MadeUpModel {
  std::int64_t layers = 4;
  double trained = 0.0;
  std::uint64_t seed = 0;
};
void WriteModel(const MadeUpModel& model, const std::filesystem::path& folder);

}  // namespace lockstep
