#include <fcntl.h>
#include <utility>

#include "sha256.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "steps.hpp"

namespace sqlbk::checkpoint {
namespace {

std::string digest_of(const std::string& path, RunContext& context) {
  const UniqueFd fd = open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0, path);
  return sha256_of(fd.get(), path, context);
}

// Only fills the image's digest: the name under which the copy will be checked is the staged
// target's business, and so is publishing the file together with the copy.
class DigestStep final : public PostStep {
 public:
  DigestStep(std::string name, bool publishes) : name_(std::move(name)), publishes_(publishes) {}

  std::string_view name() const noexcept override { return name_; }
  StepTraits traits() const noexcept override {
    return {.takes_digest = true, .publishes_digest = publishes_};
  }

  StepReport run(StagedImage& image, RunContext& context) override {
    image.close_files();
    const std::optional<FileStat> main = stat_path(image.main_path());
    const std::optional<FileStat> wal = stat_path(image.wal_path());
    context.progress().begin(Phase::steps,
                             (main ? main->size_bytes : 0) + (wal ? wal->size_bytes : 0));
    context.tick();
    ImageDigest digest;
    digest.main = digest_of(image.main_path(), context);
    if (wal) digest.wal = digest_of(image.wal_path(), context);
    image.digest = digest;
    return {.name = name_, .verdict = StepVerdict::ok, .findings = {}, .elapsed = {}};
  }

 private:
  std::string name_;
  bool publishes_;
};

}  // namespace

std::unique_ptr<PostStep> make_digest(const std::string& argument) {
  if (argument.empty()) return std::make_unique<DigestStep>("digest", true);
  if (argument == "file" || argument == "report") {
    return std::make_unique<DigestStep>("digest=" + argument, argument == "file");
  }
  throw Error(Errc::usage, "the step digest does not know " + quoted(argument))
      .with_hint("digest=file (as digest alone), or digest=report: without a file beside the copy");
}

}  // namespace sqlbk::checkpoint
