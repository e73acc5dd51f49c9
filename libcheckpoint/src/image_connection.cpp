#include "image_connection.hpp"

#include <cerrno>
#include <fcntl.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sys.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr int kInstructionsBetweenLooks = 10000;

sqlite::Connection open(const StagedImage& image, const RunContext& context,
                        sqlite::OpenMode mode) {
  sqlite::Connection connection(image.main_path(), mode);
  connection.set_progress_handler(kInstructionsBetweenLooks,
                                  [&context] { return context.should_stop(); });
  return connection;
}

void remove(const std::string& path) {
  if (sys().unlinkat(AT_FDCWD, path.c_str(), 0) != 0 && errno != ENOENT) {
    throw system_error("remove", path, errno);
  }
}

}  // namespace

sqlite::Connection open_for_reading(const StagedImage& image, const RunContext& context) {
  if (!stat_path(image.wal_path())) return open(image, context, sqlite::OpenMode::immutable);
  // With a WAL SQLite needs its -shm, and must not checkpoint what is to be delivered unmerged.
  sqlite::Connection connection = open(image, context, sqlite::OpenMode::read_write);
  connection.disable_checkpoint_on_close();
  return connection;
}

sqlite::Connection open_for_writing(const StagedImage& image, const RunContext& context) {
  sqlite::Connection connection = open(image, context, sqlite::OpenMode::read_write);
  connection.execute("PRAGMA synchronous=OFF");  // the pipeline syncs once, at the end
  return connection;
}

void remove_leftovers(const StagedImage& image) {
  remove(image.main_path() + "-shm");
  for (const std::string& path : {image.wal_path(), image.journal_path()}) {
    const std::optional<FileStat> stat = stat_path(path);
    if (stat && stat->size_bytes == 0) remove(path);
  }
}

}  // namespace sqlbk::checkpoint
