// A process that has a database open and does nothing, as long as the value lives: nobody else is
// the last to close it, and so nobody checkpoints its WAL.
#pragma once

#include <string>

#include "kit/writer_process.hpp"

namespace sqlbk::tool::bench {

inline kit::WriterProcess start_idle_owner(const std::string& database, const kit::Launch& launch) {
  kit::LiveWriterOptions options;
  options.database = database;
  options.role = kit::Role::idle;
  options.autocheckpoint_frames = 0;
  options.keep_wal = true;
  return kit::WriterProcess(options, launch);
}

}  // namespace sqlbk::tool::bench
