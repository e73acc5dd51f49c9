// A plug-in's mover as a Mover. It is believed nothing that can be checked at the price of an
// fstat: a wrong answer here would be a torn copy that says it is none.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "../register_movers.hpp"
#include "mover.hpp"
#include "sqlbk/copy/plugin_movers.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/core/io.hpp"
#include "sqlbk/core/plugin_call.hpp"

namespace sqlbk::copy {
namespace {

class PluginMoverAdaptor final : public Mover {
 public:
  PluginMoverAdaptor(PluginMover mover, const std::string& plugin)
      : mover_(std::move(mover)),
        who_("the mover " + quoted(mover_.name) + " of the plug-in " + quoted(plugin)) {}

  std::string_view name() const noexcept override { return mover_.name; }
  std::string_view summary() const noexcept override { return mover_.summary; }
  bool shares_extents() const noexcept override { return mover_.shares_extents; }

  Moved move(const MoveJob& job, RunContext& context) override {
    Moved moved;
    while (moved.bytes < job.length_bytes) {
      MoveJob rest = job;
      rest.offset_bytes += moved.bytes;
      rest.length_bytes -= moved.bytes;
      const Moved part = move_once(rest, moved.bytes == 0, context);
      if (part.outcome == MoveOutcome::unsupported) return part;
      if (part.bytes == 0) break;
      moved.bytes += part.bytes;
    }
    return moved;
  }

 private:
  // Done with 0 bytes: the input ends at the offset.
  Moved move_once(const MoveJob& job, bool is_first, RunContext& context) const {
    const FileStat in_before = stat_of(job.in_fd, job.in_path);
    const FileStat out_before = stat_of(job.out_fd, job.out_path);
    const sqlbk_move_job abi_job{.size = sizeof(sqlbk_move_job),
                                 .in_fd = job.in_fd,
                                 .out_fd = job.out_fd,
                                 .offset_bytes = job.offset_bytes,
                                 .length_bytes = job.length_bytes};
    sqlbk_moved moved{.size = sizeof(sqlbk_moved), .os_errno = 0, .bytes = 0};
    PluginCall call(who_, &context, job.length_bytes);
    const std::int32_t answer = call.run([&](const sqlbk_host* host) {
      return mover_.abi->move(mover_.abi, &abi_job, host, &moved);
    });
    const FileStat in = stat_of(job.in_fd, job.in_path);
    const FileStat out = stat_of(job.out_fd, job.out_path);
    if (!in.same_file(in_before) || !out.same_file(out_before)) {
      throw call.broken_promise("it closed a descriptor that it had borrowed");
    }
    switch (answer) {
      case SQLBK_MOVE_DONE:
        require_done(job, moved.bytes, out_before, out, call);
        if (moved.bytes == 0) require_end(job, in_before, in, call);
        context.advance(moved.bytes - std::min(moved.bytes, call.counted_bytes()));
        return {MoveOutcome::done, moved.bytes};
      case SQLBK_MOVE_UNSUPPORTED:
        if (!is_first || moved.bytes != 0 || call.counted_bytes() != 0 ||
            out.size_bytes != out_before.size_bytes) {
          throw call.broken_promise("it answered 'unsupported' after it had moved bytes");
        }
        return Moved::unsupported();
      case SQLBK_MOVE_FAILED:
        throw failure(job, moved.os_errno, call);
      default:
        throw call.broken_promise("it answered " + std::to_string(answer) +
                                  ", which means nothing");
    }
  }

  static void require_done(const MoveJob& job, std::uint64_t bytes, const FileStat& out_before,
                           const FileStat& out, const PluginCall& call) {
    const std::uint64_t end = job.offset_bytes + job.length_bytes;
    if (bytes > job.length_bytes) {
      throw call.broken_promise("it says that it moved " + std::to_string(bytes) + " bytes of " +
                                std::to_string(job.length_bytes));
    }
    if (bytes > 0 && out.size_bytes < job.offset_bytes + bytes) {
      throw call.broken_promise("it says that it moved " + std::to_string(bytes) +
                                " bytes, which the output does not hold");
    }
    if (out.size_bytes > std::max(end, out_before.size_bytes)) {
      throw call.broken_promise("it wrote behind the range that it was to move");
    }
  }

  static void require_end(const MoveJob& job, const FileStat& before, const FileStat& now,
                          const PluginCall& call) {
    if (std::min(before.size_bytes, now.size_bytes) <= job.offset_bytes) return;
    if (now.unchanged(before)) {
      throw call.broken_promise("it stopped before the end of the input");
    }
    // Others write to it: it may have been shorter for a moment.
    throw Error(Errc::source_changed, quoted(job.in_path) + " changed its size while it was copied")
        .with_path(job.in_path);
  }

  Error failure(const MoveJob& job, std::int32_t os_errno, const PluginCall& call) const {
    Error error = system_error("copy", job.in_path, os_errno > 0 ? os_errno : EIO);
    error.add_context(who_ + " failed" + call.reasons());
    return error.with_errno(os_errno > 0 ? os_errno : 0);
  }

  PluginMover mover_;
  std::string who_;
};

}  // namespace

void register_plugin_movers(Registry& registry, const Plugin& plugin) {
  std::vector<MoverFactory> movers;
  for (const PluginMover& mover : plugin.movers) {
    movers.emplace_back(
        [mover, path = plugin.path] { return std::make_unique<PluginMoverAdaptor>(mover, path); });
  }
  extend_registry(registry, plugin, [&](Registry& extended) { register_movers(extended, movers); });
}

}  // namespace sqlbk::copy
