// Gives a file a name that is free, and takes it from no other file. Private to libcore.
// Thread-safety: pure functions on descriptors.
#pragma once

#include <string>

namespace sqlbk {

struct DirectoryEntry {
  int directory;     // as for openat(2)
  std::string name;  // in it
  std::string path;  // for messages
};

enum class NameTaken {
  exclusively,  // by a rename that replaces nothing, or a hard link
  // The file system has neither (FAT and exFAT by FUSE, some network file systems). The name was
  // given to an empty file first, which fails where there is one, and that was replaced by a plain
  // rename. Another program that opens the name within that moment, without O_EXCL, writes to
  // what is replaced; a crash within it leaves the empty file.
  by_empty_file,
};

// Throws destination_exists where something has the name `to`.
NameTaken move_to_free_name(const DirectoryEntry& from, const DirectoryEntry& to);

}  // namespace sqlbk
