// The destination: checked first, staged beside it, published at the end, discarded otherwise.
// The rules are docs/consistency.md, "Publishing". Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlbk/core/io.hpp"
#include "sqlbk/core/source.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk {

class StagingDirectory;

struct TargetOptions {
  std::string tempdir;    // "": beside the destination
  bool force = false;     // replace an existing destination and its sidecars
  bool preserve = false;  // owner, times and extended attributes of the source
  bool digest = false;    // DEST.sha256 belongs to the copy: StagedImage::digest is published there
};

// What the copy has got of the source's attributes.
struct KeptAttributes {
  mode_t mode = 0;            // that was to be set; stat(2) of the copy tells what was
  bool owner = true;          // where it was to be kept
  bool times = true;          // likewise
  bool no_other_list = true;  // no access control list but, perhaps, the source's
};

// Of the file beside the copy that sha256sum(1) can check.
inline constexpr std::string_view kDigestSuffix = ".sha256";

// A directory as destination stands for a file of the source's name in it.
std::string resolve_destination(const std::string& source, const std::string& destination);

// Throws where a copy does not fit that is staged in the one directory and published in the other.
// Both are there, and files can be made in them.
using RoomCheck = std::function<void(const std::string& staging, const std::string& published)>;

// Throws what the constructor below would throw; makes nothing.
void check_destination(const std::string& destination, const SourceFacts& source,
                       const TargetOptions& options, const RoomCheck& check_room = {});

class StagedTarget {
 public:
  // Checks the destination (destination_exists, destination_in_use, destination_unusable), removes
  // what dead runs left beside it, and makes the staging directory.
  StagedTarget(const std::string& destination, const SourceFacts& source, TargetOptions options,
               const RoomCheck& check_room = {});
  // For a copy that is only looked at and never published: staged in `directory`.
  StagedTarget(const SourceFacts& source, const std::string& directory,
               const RoomCheck& check_room = {});
  StagedTarget(const StagedTarget&) = delete;
  StagedTarget& operator=(const StagedTarget&) = delete;
  // Discards whatever was not published.
  ~StagedTarget();

  const std::string& destination() const noexcept { return destination_; }
  StagedImage& image() noexcept { return image_; }

  // Gives the image the permission bits (never more) of the file that was copied, which `source`
  // has open, and, if asked, its other attributes, and makes it durable under a private name. In
  // pieces where somebody writes to the source, who waits for his own syncs on that disk.
  void sync(const LiveFiles& source);
  // After sync() and before publish(): what the user should know of the copy's owner and mode,
  // where they are not the source's as was asked for, or not those of the file that it replaces.
  std::vector<std::string> warnings() const;
  // After publish(): what of its promise the file system did not keep.
  std::vector<std::string> warnings_of_publishing() const;
  // Gives it the final name, so that it stands there whole or not at all, and syncs the directory.
  // With a WAL or a digest in the image, `-wal` and `.sha256` come first and main last.
  // Throws destination_exists also where the destination has become a part of the source.
  void publish();
  // There is a new copy at the destination, also where publish() has thrown.
  bool is_published() const noexcept { return is_published_; }

 private:
  bool is_source_written(const LiveFiles& source) const;
  void note_what_was_copied(const LiveFiles& source);
  void apply_attributes(const LiveFiles& source, const std::string& path);
  void move_beside_destination();
  void write_digest_file();
  void publish_new();
  void publish_by_force();
  void give_free_name(const std::string& from, const std::string& to);

  std::string destination_;
  SourceFacts source_;
  TargetOptions options_;
  KeptAttributes kept_;
  bool is_exclusive_ = true;
  bool is_published_ = false;
  std::unique_ptr<StagingDirectory> staging_;
  std::unique_ptr<StagingDirectory> beside_;  // where tempdir is on another file system
  StagedImage image_;
  std::string main_to_publish_;
  std::string wal_to_publish_;     // "": none
  std::string digest_to_publish_;  // "": none
  std::string publish_directory_;
};

}  // namespace sqlbk
