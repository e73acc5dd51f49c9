#include "verify/difference.hpp"

#include <array>
#include <optional>
#include <string>

#include "sha256.hpp"
#include "sqlbk/core/error.hpp"
#include "sqlbk/format/db_header.hpp"
#include "verify/checks.hpp"

namespace sqlbk::checkpoint {
namespace {

format::ParsedDbHeader header_of(const CheckedState& state) {
  std::array<std::byte, format::kDbHeaderSizeBytes> bytes{};
  return format::parse_db_header(format::Bytes(bytes).first(state.read(bytes, 0)));
}

// Where in its WAL a source stands.
struct SourceWal {
  std::optional<format::WalSalt> salt;  // nullopt: it has none
  std::optional<std::uint64_t> frames;  // up to the last commit; nullopt: not known
};

SourceWal position_of(const std::optional<WalPosition>& wal) {
  if (!wal) return {};
  return {wal->salt, wal->last_frame()};
}

// Of the WAL that was read in place, or by what the copy that was read says of it.
SourceWal position_of(const StateReader& source) {
  if (const std::optional<WalPrefix>& wal = source.wal_prefix()) {
    return {wal->header.salt, wal->frames};
  }
  return position_of(source.copied().wal);
}

class Explanation {
 public:
  Explanation(const ComparedCopy& copy, StateReader& source, const CheckedState& wanted,
              RunContext& context)
      : copy_(copy),
        source_(source),
        wanted_(wanted),
        context_(context),
        now_(position_of(source)) {}

  Comparison make() {
    if (!source_.in_place() && source_.copied().verdict == Verdict::unproven) {
      return cannot_tell("the copy of the source that was compared may be torn");
    }
    if (copy_.expected == nullptr || !copy_.expected->source) return by_counters();
    then_ = &*copy_.expected->source;
    then_wal_ = position_of(then_->wal);
    const SourceFacts& facts = source_.facts();
    if (facts.main.device != then_->files.device || facts.main.inode != then_->files.inode) {
      return cannot_tell("the source is not the file that was copied: another one has its name");
    }
    if (is_as_it_was()) return lost("the source was not written to since the copy was made");
    if (is_same_generation() && then_wal_.frames && now_.frames) {
      return by_frames(*then_wal_.frames, *now_.frames);
    }
    return by_digest();
  }

 private:
  // As far as stat can tell, and the time of the last change is old enough for that.
  bool is_as_it_was() const {
    const SourceFacts& now = source_.facts();
    const SourceIdentity& then = then_->files;
    return source_.in_place() && then.ctime_ns != 0 && now.main.ctime_ns == then.ctime_ns &&
           now.main.size_bytes == then.size_bytes && now.wal_size_bytes() == then.wal_size_bytes &&
           (now.wal ? now.wal->ctime_ns : 0) == then.wal_ctime_ns;
  }

  bool is_same_generation() const { return then_wal_.salt && now_.salt == then_wal_.salt; }

  // The same generation of the WAL: it only ever grows.
  Comparison by_frames(std::uint64_t then, std::uint64_t now) {
    if (now == then) return lost("the WAL of the source ends where it ended then");
    const std::string where =
        "frame " + std::to_string(then) + " of " + std::to_string(now) + " of its WAL";
    if (now < then) {
      return cannot_tell("the WAL of the source ends before the position of the copy, " + where +
                         ": the source has lost commits");
    }
    if (holds_what_was_at(then)) {
      return moved_on("the copy holds what the source held at " + where);
    }
    // What was checkpointed since lies over what main held then.
    return by_digest();
  }

  bool holds_what_was_at(std::uint64_t frames) {
    try {
      const std::optional<CheckedState> then = source_.state_at(frames, context_);
      StepReport difference;
      if (then) compare_states(copy_.state, *then, context_, difference);
      return then && difference.findings.empty();
    } catch (const Error&) {
      context_.tick();  // was it us who stopped?
      return false;     // pages of two states do not make one
    }
  }

  // A copy that is byte for byte what was made, and known to be one committed state of then.
  Comparison by_digest() {
    const bool was_written = was_written_since();
    if (was_written && is_what_was_made() && is_a_good_verdict()) {
      return moved_on("the copy is byte for byte what was made of it (" +
                      std::string(to_string(then_->verdict)) + ")");
    }
    return cannot_tell(was_written ? "the source was written to since; whether the copy has lost "
                                     "anything besides is not known"
                                   : "nothing tells whether the source was written to since");
  }

  // Commits, and not only that somebody opened it: its WAL was begun anew and has a commit, or is
  // longer, or page 1 was changed.
  bool was_written_since() const {
    if (is_same_generation() && now_.frames && then_wal_.frames) {
      return *now_.frames > *then_wal_.frames;
    }
    const bool is_begun_anew = then_wal_.salt && now_.salt && now_.salt != then_wal_.salt;
    if (is_begun_anew && now_.frames.value_or(0) != 0) return true;
    const format::ParsedDbHeader header = header_of(wanted_);
    return header && header->change_counter != then_->change_counter;
  }

  bool is_what_was_made() const {
    const ExpectedCopy& expected = *copy_.expected;
    const auto has = [this](SourceFile file, const std::string& digest) {
      if (!copy_.files.has(file)) return digest.empty();
      return digest == sha256_of(copy_.files.fd_of(file), copy_.files.path_of(file), context_);
    };
    return !expected.sha256.empty() && has(SourceFile::main, expected.sha256) &&
           has(SourceFile::wal, expected.wal_sha256);
  }

  bool is_a_good_verdict() const {
    return then_->verdict != Verdict::unproven && then_->verdict != Verdict::none;
  }

  Comparison by_counters() {
    const format::ParsedDbHeader ours = header_of(copy_.state);
    const format::ParsedDbHeader theirs = header_of(wanted_);
    if (!ours || !theirs) return cannot_tell("there is no manifest of the copy");
    const std::string counters = std::to_string(ours->change_counter) + " here, " +
                                 std::to_string(theirs->change_counter) + " there";
    return cannot_tell(
        ours->change_counter == theirs->change_counter
            ? "the change counters are equal (" + counters +
                  "): either the copy was made without its WAL, or one was changed since"
            : "the change counters differ (" + counters +
                  "): the source may have moved on since the copy was made");
  }

  static Comparison moved_on(const std::string& why) { return {Against::source_moved_on, why}; }
  static Comparison lost(const std::string& why) { return {Against::copy_lost_content, why}; }
  static Comparison cannot_tell(const std::string& why) {
    return {Against::differs_cause_unknown, why};
  }

  const ComparedCopy& copy_;
  StateReader& source_;
  const CheckedState& wanted_;
  RunContext& context_;
  const SourceWal now_;
  SourceWal then_wal_;
  const SourcePosition* then_ = nullptr;
};

}  // namespace

std::string_view to_string(Against result) noexcept {
  switch (result) {
    case Against::not_compared:
      return "not_compared";
    case Against::equal:
      return "equal";
    case Against::source_moved_on:
      return "source_moved_on";
    case Against::copy_lost_content:
      return "copy_lost_content";
    case Against::differs_cause_unknown:
      return "differs_cause_unknown";
  }
  return "unknown";
}

Comparison explain_difference(const ComparedCopy& copy, StateReader& source,
                              const CheckedState& wanted, RunContext& context) {
  return Explanation(copy, source, wanted, context).make();
}

}  // namespace sqlbk::checkpoint
