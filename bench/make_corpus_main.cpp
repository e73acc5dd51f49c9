// make-corpus: a database at rest of any size, with a WAL that nobody has checkpointed.
#include <exception>
#include <iostream>

#include <boost/program_options.hpp>

#include "kit/corpus.hpp"

int main(int argc, char** argv) {
  namespace po = boost::program_options;
  try {
    sqlbk::kit::CorpusOptions corpus;
    std::string path;
    po::options_description options("make-corpus [options] --path FILE\noptions");
    // clang-format off
    options.add_options()
      ("help", "this text")
      ("path", po::value(&path), "of the new database")
      ("size-mb", po::value(&corpus.database.size_mb), "MiB of the main file")
      ("wal-mb", po::value(&corpus.wal_mb), "MiB of the -wal, at least; 0: none")
      ("page-size", po::value(&corpus.database.page_size), "bytes")
      ("row-size", po::value(&corpus.database.row_bytes), "bytes of a row; 0: a quarter of a page, at most 1000")
      ("fragmentation", po::value(&corpus.database.fragmentation_percent),
       "percent of the pages that lie free, scattered by the seed")
      ("extra-tables", po::value(&corpus.extra_tables), "beside those of the workload")
      ("indexes", po::bool_switch(&corpus.indexes), "one on each of them")
      ("seed", po::value(&corpus.database.seed), "same seed, same bytes");
    // clang-format on
    po::variables_map given;
    po::store(po::parse_command_line(argc, argv, options), given);
    po::notify(given);
    if (given.count("help") != 0 || path.empty()) {
      std::cout << options;
      return path.empty() && given.count("help") == 0 ? 2 : 0;
    }
    const sqlbk::kit::Corpus made = sqlbk::kit::make_corpus(path, corpus);
    std::cout << made.path << ": " << made.main_bytes << " bytes, -wal " << made.wal_bytes << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "make-corpus: " << error.what() << '\n';
    return 1;
  }
}
