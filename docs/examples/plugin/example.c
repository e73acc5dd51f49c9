/* A plug-in for sqlbk with one mover and one post-step, to start your own from. It is built with
 * sqlbk and run by its tests; docs/plugins.md goes through it. By hand:
 *
 *   cc -std=c99 -O2 -fPIC -shared -o example.so example.c
 *   sqlbk copy --plugin ./example.so --strategy snapshot+example --then zero_pages app.db copy.db
 */
#define _FILE_OFFSET_BITS 64
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sqlbk/plugin/abi.h"

/* ---- the mover "example": pread and pwrite --------------------------------------------------- */

#define CHUNK_BYTES (1u << 20u)

static int32_t move_failed(const struct sqlbk_host* host, struct sqlbk_moved* moved,
                           const char* call) {
  moved->os_errno = errno;
  host->finding(host, call);
  return SQLBK_MOVE_FAILED;
}

/* Reads at most `size` bytes; 0 is the end of the file, -1 a failure. A signal is neither. */
static ssize_t read_some(int fd, char* buffer, size_t size, uint64_t offset) {
  ssize_t got;
  do {
    got = pread(fd, buffer, size, (off_t)offset);
  } while (got < 0 && errno == EINTR);
  return got;
}

static int write_all(int fd, const char* buffer, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t put = pwrite(fd, buffer, size, (off_t)offset);
    if (put > 0) {
      buffer += put;
      size -= (size_t)put;
      offset += (uint64_t)put;
    } else if (put == 0 || errno != EINTR) {
      if (put == 0) errno = EIO;
      return -1;
    }
  }
  return 0;
}

static int32_t move(const struct sqlbk_mover* self, const struct sqlbk_move_job* job,
                    const struct sqlbk_host* host, struct sqlbk_moved* moved) {
  int32_t answer = SQLBK_MOVE_DONE;
  /* Not static: two runs may be here at the same time. */
  char* buffer = malloc(CHUNK_BYTES);
  (void)self;
  if (buffer == NULL) return move_failed(host, moved, "malloc");
  while (moved->bytes < job->length_bytes) {
    const uint64_t left = job->length_bytes - moved->bytes;
    const uint64_t offset = job->offset_bytes + moved->bytes;
    const ssize_t got =
        read_some(job->in_fd, buffer, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, offset);
    if (got < 0) {
      answer = move_failed(host, moved, "pread");
      break;
    }
    if (got == 0) break; /* The input ends here: others may shorten it at any time. */
    if (write_all(job->out_fd, buffer, (size_t)got, offset) != 0) {
      answer = move_failed(host, moved, "pwrite");
      break;
    }
    moved->bytes += (uint64_t)got;
    if (host->tick(host, (uint64_t)got) != 0) break;
  }
  free(buffer);
  return answer;
}

static const struct sqlbk_mover example_mover = {
    .size = sizeof(struct sqlbk_mover),
    .traits = 0,
    .name = "example",
    .summary = "pread and pwrite, from the example in docs/plugins.md",
    .move = move,
};

/* ---- the step "zero_pages": pages without a single bit set ----------------------------------- */

/* No page in use is all zero, so many of them are the trace of a file system that lost blocks.
 * Free pages may be, under PRAGMA secure_delete: hence the limit. */

#define DB_HEADER_BYTES 100u
#define LOCK_BYTE_OFFSET 0x40000000u /* SQLite never writes the page of this byte */

static int32_t could_not_check(const struct sqlbk_host* host, const char* reason) {
  host->finding(host, reason);
  return SQLBK_STEP_COULD_NOT_CHECK;
}

/* "" is no limit. 0: `text` is not understood. */
static int parse_limit(const char* text, unsigned long* limit) {
  char* end = NULL;
  *limit = (unsigned long)-1;
  if (*text == '\0') return 1;
  if (*text < '0' || *text > '9') return 0;
  errno = 0;
  *limit = strtoul(text, &end, 10);
  return errno == 0 && *end == '\0';
}

static int32_t check_limit(const struct sqlbk_step* self, const char* argument,
                           const struct sqlbk_host* host) {
  unsigned long limit;
  (void)self;
  if (parse_limit(argument, &limit)) return 0;
  host->finding(host, "a number of pages is wanted");
  return 1;
}

/* 0: not the header of a SQLite database. */
static size_t page_size_of(const unsigned char* header) {
  const size_t stored = ((size_t)header[16] << 8u) | header[17];
  const size_t size = stored == 1 ? 65536 : stored;
  if (memcmp(header, "SQLite format 3", 16) != 0) return 0;
  return size >= 512 && (size & (size - 1)) == 0 ? size : 0;
}

static int is_zero(const char* bytes, size_t size) {
  return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static int32_t count_zero_pages(int fd, unsigned long limit, const struct sqlbk_host* host) {
  unsigned char header[DB_HEADER_BYTES];
  unsigned long zero = 0;
  unsigned long pages = 0;
  ssize_t got = read_some(fd, (char*)header, sizeof header, 0);
  const size_t page_size = got == (ssize_t)sizeof header ? page_size_of(header) : 0;
  char* page;
  char line[100];
  if (page_size == 0) return could_not_check(host, "the copy has no SQLite header");
  page = malloc(page_size);
  if (page == NULL) return could_not_check(host, "out of memory");
  while ((got = read_some(fd, page, page_size, (uint64_t)pages * page_size)) ==
         (ssize_t)page_size) {
    const uint64_t offset = (uint64_t)pages * page_size;
    const int has_lock_byte = offset <= LOCK_BYTE_OFFSET && LOCK_BYTE_OFFSET < offset + page_size;
    if (!has_lock_byte && is_zero(page, page_size)) ++zero;
    ++pages;
    if (pages % 256 == 0 && host->tick(host, 0) != 0) break;
  }
  free(page);
  if (got < 0) return could_not_check(host, strerror(errno));
  (void)snprintf(line, sizeof line, "%lu of %lu pages are all zero", zero, pages);
  host->finding(host, line);
  return zero > limit ? SQLBK_STEP_DAMAGED : SQLBK_STEP_OK;
}

static int32_t zero_pages(const struct sqlbk_step* self, const struct sqlbk_step_job* job,
                          const struct sqlbk_host* host) {
  unsigned long limit;
  int32_t answer;
  int fd;
  (void)self;
  if (!parse_limit(job->argument, &limit)) return could_not_check(host, "bad limit");
  fd = open(job->main_path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return could_not_check(host, strerror(errno));
  answer = count_zero_pages(fd, limit, host);
  (void)close(fd);
  return answer;
}

static const struct sqlbk_step zero_pages_step = {
    .size = sizeof(struct sqlbk_step),
    .traits = SQLBK_STEP_READS_CONTENT,
    .name = "zero_pages",
    .summary = "counts pages that are all zero; more than LIMIT of them is damage",
    .argument = "LIMIT",
    .check_argument = check_limit,
    .run = zero_pages,
};

/* ---- the plug-in ----------------------------------------------------------------------------- */

static const struct sqlbk_mover* const movers[] = {&example_mover};
static const struct sqlbk_step* const steps[] = {&zero_pages_step};

static const struct sqlbk_plugin example = {
    .size = sizeof(struct sqlbk_plugin),
    .abi = SQLBK_PLUGIN_ABI,
    .name = "example",
    .version = "1.0",
    .mover_count = 1,
    .step_count = 1,
    .movers = movers,
    .steps = steps,
};

SQLBK_PLUGIN_EXPORT const struct sqlbk_plugin* sqlbk_plugin_entry_v1(
    const struct sqlbk_host* host) {
  (void)host;
  return &example;
}
