// One committed state of a database as it can be read: main, and over it the pages of the frames
// that a WAL has committed. What applying, verifying and comparing read. It is made of open
// descriptors: of a live source under a lock, or of a staged pair.
//
// For authors of strategies and steps. Memory: that of its PageMap, 8 bytes for each page that a
// frame has. Thread-safety: constant; read() from any thread. On failure throws Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sqlbk/core/page_map.hpp"
#include "sqlbk/core/run_context.hpp"
#include "sqlbk/core/staged_image.hpp"

namespace sqlbk {

// A descriptor that somebody else closes, after its last use here. `path` is for messages.
struct BorrowedFile {
  int fd = -1;
  std::string path;
};

// Pages that are newer than main's, and the file that keeps them.
struct NewerPages {
  BorrowedFile file;
  std::uint64_t first_offset_bytes = 0;  // of the page in slot 1
  std::uint64_t slot_size_bytes = 0;
  PageMap map;

  std::uint64_t offset_of(std::uint32_t slot) const noexcept {
    return first_offset_bytes + (slot - 1) * slot_size_bytes;
  }
  // From `offset` in the slot of `page` on. Throws io_error where the file ends before that does.
  void read(const PageSlot& page, std::uint64_t offset, std::span<std::byte> buffer) const;
};

class CommittedView {
 public:
  // Main alone, as large as SQLite takes it (lockBtree() in btree.c): as its header states where
  // that counts, else in whole pages. Throws damaged where it is no database, or shorter than its
  // header states.
  static CommittedView of_main(BorrowedFile main);

  // Frames 1 to prefix.frames of a WAL over main, of the size that the last one states: what
  // SQLite's own checkpoint makes of the two (walCheckpoint() in wal.c). A WAL beside an empty main
  // does not count (pagerOpenWalIfPresent() in pager.c); without a frame the view is of_main().
  // REQUIRES: none of these frames is overwritten while the view lives.
  static CommittedView of_wal(BorrowedFile main, BorrowedFile wal, const WalPrefix& prefix,
                              RunContext& context);
  // What an image will be once its WAL is applied: as far as wal_prefix says, else main alone.
  // REQUIRES: the image's descriptors stay open while the view lives.
  static CommittedView of_image(StagedImage& image, RunContext& context);

  // Pages that were gathered in another way, from `frames` frames. Pages behind `size_pages` must
  // not be in the map.
  CommittedView(BorrowedFile main, std::uint32_t page_size_bytes, std::uint32_t size_pages,
                NewerPages newer, std::uint64_t frames);

  std::uint32_t page_size_bytes() const noexcept { return page_size_bytes_; }  // 0: main is empty
  std::uint32_t size_pages() const noexcept { return size_pages_; }
  std::uint64_t size_bytes() const noexcept {
    return std::uint64_t{size_pages_} * page_size_bytes_;
  }

  // The bytes from the start of a page on, of as many pages as `buffer` takes; zeros where the page
  // is in no frame and main ends before it. REQUIRES: the view has all that.
  void read(std::uint32_t page_number, std::span<std::byte> buffer) const {
    read_bytes(std::uint64_t{page_number - 1} * page_size_bytes_, buffer);
  }
  // The same from any byte on.
  void read_bytes(std::uint64_t offset, std::span<std::byte> buffer) const;

  const BorrowedFile& main() const noexcept { return main_; }
  // Which pages do not come from main, and where they are: for of_wal() the last frame of each,
  // none of them behind size_pages().
  const NewerPages& newer() const noexcept { return newer_; }
  std::uint64_t newer_bytes() const noexcept {
    return newer_.map.pages().size() * std::uint64_t{page_size_bytes_};
  }
  std::uint32_t frame_of(std::uint32_t page_number) const noexcept {
    return newer_.map.slot_of(page_number);  // 0: main has it
  }

  // Throws damaged where no sound database looks like this: the last commit states more pages than
  // main and so many frames can have (walCheckpoint()), or the header more than the last commit
  // (lockBtree()). SQLite refuses both. Reads page 1.
  void require_possible_size() const;

 private:
  void read_main(std::uint64_t offset, std::span<std::byte> buffer) const;

  BorrowedFile main_;
  std::uint32_t page_size_bytes_;
  std::uint32_t size_pages_;
  NewerPages newer_;
  std::uint64_t frames_;
};

}  // namespace sqlbk
