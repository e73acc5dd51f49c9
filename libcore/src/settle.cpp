#include "settle.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>

#include "sqlbk/core/apply.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/header_mode.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/sqlite.hpp"
#include "sqlbk/core/sys.hpp"
#include "sqlbk/format/db_header.hpp"
#include "sqlbk/format/journal.hpp"

namespace sqlbk {
namespace {

// SQLite itself plays the journal back when it first reads; afterwards the journal must be gone. A
// WAL beside it counts after that (sqlite3PagerSharedLock()), and must stay to be applied or kept.
void roll_back_journal(StagedImage& image, RunContext& context) {
  const bool has_wal = image.has_wal();
  image.close_files();
  try {
    context.on_host([&] {
      sqlite::Connection connection(image.main_path(), sqlite::OpenMode::read_write);
      connection.disable_checkpoint_on_close();
      connection.execute("PRAGMA synchronous=OFF");  // the pipeline syncs once, at the end
      static_cast<void>(connection.integer("SELECT count(*) FROM sqlite_schema"));
      connection.close();
    });
  } catch (Error& error) {
    error.add_context("unable to roll back the hot journal on the copy");
    throw;
  }
  const std::optional<FileStat> journal = stat_path(image.journal_path());
  if (journal && journal->size_bytes != 0) {
    throw Error(Errc::sqlite_error, "SQLite did not roll back the hot journal on the copy");
  }
  // The index of the WAL was made by that connection and is no part of the copy.
  const std::string shm = image.main_path() + "-shm";
  if (sys().unlinkat(AT_FDCWD, shm.c_str(), 0) != 0 && errno != ENOENT) {
    throw system_error("remove", shm, errno);
  }
  if (!has_wal) {
    image.discard_wal();  // an empty one, if the journal took page 1 back to WAL mode
    return;
  }
  if (stat_path(image.wal_path())) {
    static_cast<void>(image.wal_fd());
  } else {
    image.discard_wal();  // no WAL is of a database that is empty now (pagerOpenWalIfPresent())
  }
}

// A copy of a WAL keeps only what counts: the committed prefix.
void trim_wal(StagedImage& image) {
  const WalPrefix& prefix = *image.wal_prefix;
  truncate_to(image.wal_fd(),
              format::wal_frame_offset(prefix.frames + 1, prefix.header.page_size_bytes),
              image.wal_path());
}

void apply_wal(StagedImage& image, RunContext& context) {
  const CommittedView view = CommittedView::of_image(image, context);
  context.progress().begin(Phase::fold, view.newer_bytes());
  apply_to_main(view, image.main_fd(), image.main_path(), context);
  if (image.wal_prefix) image.discard_wal();
  image.folded = true;
}

// Bytes only: the committed prefix of the WAL stays beside main.
SettledState settle_opaque(StagedImage& image, const std::string& source) {
  SettledState state;
  if (image.wal_prefix && image.wal_prefix->vouched_by_index) {
    throw Error(Errc::frames_without_checksum,
                "unable to copy " + quoted(source) +
                    " as it is: its WAL has frames without checksums, which a copy would lose")
        .with_path(source);
  }
  if (image.wal_prefix && image.wal_prefix->frames != 0) {
    state.page_size_bytes = image.wal_prefix->header.page_size_bytes;
    trim_wal(image);
  } else if (image.has_wal()) {
    image.discard_wal();
  }
  image.close_files();
  return state;
}

SettledState read_state(StagedImage& image) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const std::size_t got = read_up_to(image.main_fd(), bytes, 0, image.main_path());
  const auto header = format::parse_db_header(format::Bytes(bytes).first(got));
  if (!header) return {};
  return {.page_size_bytes = header->page_size_bytes,
          .change_counter = header->change_counter,
          .schema_cookie = header->schema_cookie,
          .warnings = {}};
}

}  // namespace

SettledState settle_image(StagedImage& image, const CopyRequest& request, RunContext& context) {
  if (image.has_journal()) roll_back_journal(image, context);
  if (request.copy.opaque) return settle_opaque(image, request.source);
  // A WAL without a commit is no part of the state: main alone is, and is cut to its size.
  const bool wants_wal = request.copy.form == ImageForm::main_and_wal && image.wal_prefix &&
                         image.wal_prefix->frames != 0;
  const bool keeps_wal = wants_wal && !image.wal_prefix->vouched_by_index;
  if (keeps_wal) {
    trim_wal(image);
  } else if (!image.folded) {
    apply_wal(image, context);
  }
  // Beside a WAL the header must keep saying WAL.
  if (!image.has_wal() && request.journal_mode != JournalMode::keep) {
    set_header_mode(image.main_fd(), image.main_path(), request.journal_mode == JournalMode::wal);
  }
  SettledState state = read_state(image);
  if (wants_wal && !keeps_wal) {
    state.warnings.emplace_back(
        "the WAL has committed frames without checksums, so it was applied to the copy");
  }
  image.close_files();
  return state;
}

}  // namespace sqlbk
