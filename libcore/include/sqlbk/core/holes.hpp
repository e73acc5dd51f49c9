// Ranges of a file that take no space, so that a copy of a sparse file is as sparse.
//
// What the file system says of holes is a hint and nothing more: the content of a hole is read like
// any other, and only zeros that were read are left out of the copy. So a hole that another program
// fills meanwhile, or one that the file system reports where there is data, costs nothing but
// space. Thread-safety: pure, but for the descriptors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sqlbk {

struct Extent {
  std::uint64_t end_bytes;  // in the file; what follows is of the other kind
  bool is_hole;
};

// Whether asking for extents is worth it: some of the file takes no space, and the question makes
// nobody wait. Throws Error.
bool may_have_holes(int fd, const std::string& path);

// The kind of the bytes from `offset` on, and how far it goes, `end_bytes` at most. Data where the
// file system does not tell. Moves the descriptor's file offset.
Extent extent_at(int fd, std::uint64_t offset, std::uint64_t end_bytes) noexcept;

// How much of the first `length_bytes` of the file is data: what a copy that keeps holes needs room
// for. Throws Error.
std::uint64_t data_bytes(int fd, std::uint64_t length_bytes, const std::string& path);

// Writes `bytes` at `offset` of a file that was `held_bytes` long, but for blocks of zeros behind
// that: to a file that was not so long they are a hole, once it has its size. Throws Error.
void write_around_holes(int fd, std::span<const std::byte> bytes, std::uint64_t offset,
                        std::uint64_t held_bytes, const std::string& path);

}  // namespace sqlbk
