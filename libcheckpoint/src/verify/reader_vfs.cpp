#include "reader_vfs.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include <sqlite3.h>

#include "sqlbk/core/error.hpp"
#include "sqlbk/format/db_header.hpp"
#include "verify/pages_seen.hpp"
#include "verify/read_ahead.hpp"

namespace sqlbk::checkpoint {
namespace {

constexpr int kInstructionsBetweenLooks = 10000;

// What a processor's own cache holds; and enough for the inner pages of large indexes. In KiB, for
// each connection.
constexpr const char* kSmallCache = "PRAGMA cache_size=-2048";
constexpr const char* kLargeCache = "PRAGMA cache_size=-32768";

std::uint32_t page_size_of(const CheckedState& state) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  const format::ParsedDbHeader header =
      format::parse_db_header(format::Bytes(bytes).first(state.read(bytes, 0)));
  return header ? header->page_size_bytes : 0;
}

struct Served {
  const CheckedState& state;
  PagesSeen pages;
  sqlite3_vfs* system;
};

// What SQLite calls a file: the methods first, then ours.
struct ReaderFile {
  sqlite3_file base;
  Served* served;
  std::unique_ptr<ReadAhead> reader;
};

ReaderFile& reader_file(sqlite3_file* file) {
  return *reinterpret_cast<ReaderFile*>(file);
}

int close_file(sqlite3_file* file) {
  std::destroy_at(&reader_file(file));
  return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
  const ReaderFile& reader = reader_file(file);
  const std::span<std::byte> bytes(static_cast<std::byte*>(buffer), static_cast<std::size_t>(size));
  try {
    const std::size_t got = reader.reader->read(bytes, static_cast<std::uint64_t>(offset));
    reader.served->pages.add(static_cast<std::uint64_t>(offset), got);
    if (got == bytes.size()) return SQLITE_OK;
    // SQLite wants the rest filled with zeros (sqlite3_io_methods).
    std::ranges::fill(bytes.subspan(got), std::byte{0});
    return SQLITE_IOERR_SHORT_READ;
  } catch (const std::exception&) {
    return SQLITE_IOERR_READ;
  }
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(reader_file(file).served->state.size_bytes());
  return SQLITE_OK;
}

int refuse_write(sqlite3_file* /*file*/, const void* /*bytes*/, int /*size*/,
                 sqlite3_int64 /*offset*/) {
  return SQLITE_READONLY;
}
int refuse_truncate(sqlite3_file* /*file*/, sqlite3_int64 /*size*/) {
  return SQLITE_READONLY;
}
int do_nothing(sqlite3_file* /*file*/, int /*what*/) {
  return SQLITE_OK;
}
int nobody_locks(sqlite3_file* /*file*/, int* is_locked) {
  *is_locked = 0;
  return SQLITE_OK;
}
int know_no_control(sqlite3_file* /*file*/, int /*operation*/, void* /*argument*/) {
  return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file* /*file*/) {
  return 4096;
}
// Immutable: SQLite neither locks nor looks for sidecars, and takes the header's WAL mode as read.
int characteristics(sqlite3_file* /*file*/) {
  return SQLITE_IOCAP_IMMUTABLE;
}

constexpr sqlite3_io_methods make_methods() {
  sqlite3_io_methods methods{};
  methods.iVersion = 1;
  methods.xClose = close_file;
  methods.xRead = read_file;
  methods.xWrite = refuse_write;
  methods.xTruncate = refuse_truncate;
  methods.xSync = do_nothing;
  methods.xFileSize = size_of_file;
  methods.xLock = do_nothing;
  methods.xUnlock = do_nothing;
  methods.xCheckReservedLock = nobody_locks;
  methods.xFileControl = know_no_control;
  methods.xSectorSize = sector_size;
  methods.xDeviceCharacteristics = characteristics;
  return methods;
}
constexpr sqlite3_io_methods kMethods = make_methods();

// Only the main file; temporary files would be written (temp_store keeps them in memory).
int open_file(sqlite3_vfs* vfs, const char* /*name*/, sqlite3_file* file, int flags, int* out) {
  file->pMethods = nullptr;
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return SQLITE_CANTOPEN;
  auto* const served = static_cast<Served*>(vfs->pAppData);
  auto* const reader = ::new (file) ReaderFile{};
  reader->served = served;
  try {
    reader->reader = std::make_unique<ReadAhead>(served->state);
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;  // without methods it is not closed
  }
  reader->base.pMethods = &kMethods;
  if (out != nullptr) *out = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
  return SQLITE_OK;
}

int refuse_delete(sqlite3_vfs* /*vfs*/, const char* /*name*/, int /*sync*/) {
  return SQLITE_READONLY;
}
int nothing_is_there(sqlite3_vfs* /*vfs*/, const char* /*name*/, int /*flags*/, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int keep_name(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
  const std::size_t length = std::strlen(name);
  if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, length + 1);
  return SQLITE_OK;
}
int last_error(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*text*/) {
  return 0;
}

// Randomness, sleep and time are the system's.
sqlite3_vfs* system_of(sqlite3_vfs* vfs) {
  return static_cast<const Served*>(vfs->pAppData)->system;
}
int randomness(sqlite3_vfs* vfs, int size, char* out) {
  sqlite3_vfs* const system = system_of(vfs);
  return system->xRandomness(system, size, out);
}
int sleep(sqlite3_vfs* vfs, int microseconds) {
  sqlite3_vfs* const system = system_of(vfs);
  return system->xSleep(system, microseconds);
}
int current_time(sqlite3_vfs* vfs, double* out) {
  sqlite3_vfs* const system = system_of(vfs);
  return system->xCurrentTime(system, out);
}

std::string unique_name() {
  static std::atomic<unsigned long> count{0};
  return "sqlbk-reader-" + std::to_string(count.fetch_add(1));
}

}  // namespace

class ReaderVfs::Registered {
 public:
  Registered(const CheckedState& state, Progress& progress)
      : served_{state,
                {state.size_bytes(), page_size_of(state), progress},
                sqlite3_vfs_find(nullptr)},
        name_(unique_name()) {
    if (served_.system == nullptr) throw Error(Errc::sqlite_error, "SQLite has no VFS");
    vfs_.iVersion = 1;
    vfs_.szOsFile = sizeof(ReaderFile);
    // The longest path of our own, whatever the system's VFS takes.
    vfs_.mxPathname = 1 << 16;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = &served_;
    vfs_.xOpen = open_file;
    vfs_.xDelete = refuse_delete;
    vfs_.xAccess = nothing_is_there;
    vfs_.xFullPathname = keep_name;
    vfs_.xRandomness = randomness;
    vfs_.xSleep = sleep;
    vfs_.xCurrentTime = current_time;
    vfs_.xGetLastError = last_error;
    sqlite::check(sqlite3_vfs_register(&vfs_, 0), nullptr, state.main_path(), "serve");
  }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
  ~Registered() { static_cast<void>(sqlite3_vfs_unregister(&vfs_)); }

  const Served& served() const noexcept { return served_; }
  const std::string& name() const noexcept { return name_; }

 private:
  Served served_;
  std::string name_;
  sqlite3_vfs vfs_{};
};

ReaderVfs::ReaderVfs(const CheckedState& state, Progress& progress)
    : registered_(std::make_unique<Registered>(state, progress)) {}

ReaderVfs::~ReaderVfs() = default;

sqlite::Connection ReaderVfs::connect(const RunContext& context) const {
  sqlite::Connection connection(registered_->served().state.main_path(),
                                sqlite::OpenMode::immutable, registered_->name());
  connection.set_progress_handler(kInstructionsBetweenLooks,
                                  [&context] { return context.should_stop(); });
  connection.execute("PRAGMA temp_store=MEMORY");
  expect_access(connection, Access::anywhere);
  return connection;
}

void expect_access(sqlite::Connection& connection, Access access) {
  connection.execute(access == Access::in_order ? kSmallCache : kLargeCache);
}

}  // namespace sqlbk::checkpoint
