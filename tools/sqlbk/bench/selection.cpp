#include "selection.hpp"

#include <algorithm>
#include <string_view>

#include <boost/filesystem.hpp>

#include "idle_owner.hpp"
#include "kit/corpus.hpp"
#include "sqlbk/core/error.hpp"

namespace sqlbk::tool::bench {
namespace {

namespace fs = boost::filesystem;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

constexpr auto kProbeWithin = 10s;

bool is_word(const Names& names, std::string_view word) {
  return names.size() == 1 && names[0] == word;
}

Names all_strategies(const Registry& registry) {
  Names names;
  for (const StrategyEntry& entry : registry.strategies()) names.push_back(entry.spec);
  return names;
}

// Not set: everything with the mover that it finds best, and each mover alone.
Names strategy_names(const Options& options, const Registry& registry) {
  Names names = all_strategies(registry);
  if (options.strategies) {
    if (is_word(*options.strategies, "none")) return {};
    return is_word(*options.strategies, "all") ? names : *options.strategies;
  }
  std::erase_if(names, [](const std::string& name) { return name.find('+') != std::string::npos; });
  return names;
}

std::vector<const kit::Peer*> peers_asked(const Options& options) {
  std::vector<const kit::Peer*> asked;
  const bool all = !options.peers || is_word(*options.peers, "all");
  for (const kit::Peer& peer : kit::peers()) {
    if (all || std::ranges::count(*options.peers, peer.id) != 0) asked.push_back(&peer);
  }
  return asked;
}

Contender make_strategy(const std::string& name, const Registry& registry,
                        const std::string& sqlbk) {
  const StrategyTraits traits = registry.strategy(name)->traits();
  Contender contender;
  contender.tool = {.kind = ToolKind::strategy,
                    .name = name,
                    .version = SQLBK_VERSION,
                    .unavailable = "",
                    // A bare mover publishes only under the proof that nobody wrote.
                    .promises = traits.handles_live_writer || traits.is_mover};
  contender.durability = kit::Durability::by_itself;
  contender.steps = [sqlbk, name](const std::string& source, const std::string& destination,
                                  std::chrono::milliseconds deadline) {
    return std::vector<kit::CopyStep>{
        {{sqlbk, "copy", "--quiet", "--strategy", name, "--timeout",
          std::to_string(deadline.count()) + "ms", source, destination},
         ""}};
  };
  return contender;
}

// On a small database that only an idle process has open: what it refuses there it cannot do here.
void probe(Contender& contender, const std::string& source, const Workplace& place) {
  const std::string destination = source + "-copy";
  const CopyOutcome outcome = copy_with(contender, source, destination, kProbeWithin, place);
  if (outcome.end != CopyEnd::success) contender.tool.unavailable = outcome.words;
  kit::remove_copy(destination);
}

Contender make_peer(const kit::Peer& peer, const Workplace& place) {
  const kit::PeerFound found = kit::find_peer(peer, place.path(), place.child(kProbeWithin));
  Contender contender;
  contender.tool = {.kind = ToolKind::peer,
                    .name = std::string(peer.name),
                    .version = found.version,
                    .unavailable = found.unavailable,
                    .promises = false};
  contender.steps = [steps = peer.steps](const std::string& source, const std::string& destination,
                                         std::chrono::milliseconds /*deadline*/) {
    return steps(source, destination);
  };
  return contender;
}

}  // namespace

void check_selection(const Options& options, const Registry& registry) {
  for (const std::string& name : strategy_names(options, registry)) {
    static_cast<void>(registry.strategy(name));
  }
  if (!options.peers || is_word(*options.peers, "all")) return;
  if (is_word(*options.peers, "none")) {
    if (!strategy_names(options, registry).empty()) return;
    throw Error(Errc::usage, "with --strategies none and --peers none there is nothing to measure")
        .with_hint("leave out one of them");
  }
  for (const std::string& name : *options.peers) {
    std::string known;
    bool found = false;
    for (const kit::Peer& peer : kit::peers()) {
      found = found || peer.id == name;
      known.append(known.empty() ? "" : ", ").append(peer.id);
    }
    if (!found) {
      throw Error(Errc::usage, "there is no peer " + sqlbk::quoted(name))
          .with_hint("all, none, or some of: " + known);
    }
  }
}

std::vector<Contender> select_contenders(const Options& options, const Registry& registry,
                                         Workplace& place) {
  const kit::TemporaryDirectory directory(place.path());
  const std::string source = directory.file("probe.db");
  kit::CorpusOptions corpus;
  corpus.database.size_mb = 1;
  corpus.wal_mb = 1;
  static_cast<void>(kit::make_corpus(source, corpus));
  const kit::WriterProcess owner = start_idle_owner(source, place.launch());
  const std::string sqlbk = fs::read_symlink("/proc/self/exe").string();
  std::vector<Contender> contenders;
  for (const std::string& name : strategy_names(options, registry)) {
    place.say("looking for " + name);
    contenders.push_back(make_strategy(name, registry, sqlbk));
    probe(contenders.back(), source, place);
  }
  for (const kit::Peer* peer : peers_asked(options)) {
    place.say("looking for " + std::string(peer->name));
    contenders.push_back(make_peer(*peer, place));
  }
  return contenders;
}

}  // namespace sqlbk::tool::bench
