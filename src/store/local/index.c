/* log/<first offset>.idx: what is known of a segment's records (docs/formats/log.md). A head with the rows per source
 * and a sum per page, then pages of entries by offset, then pages of (first 32 bits of the message hash, number)
 * sorted.
 *
 * It can always be made again from the segment: a bad one is logged, dropped and rebuilt. Written by the keeper when a
 * segment is sealed, and by close for the one that is still growing, so that the next start has nothing to scan. */
#include <errno.h>
#include <stdio.h>

#include "store/local/local.h"

#define INDEX_MAGIC "SLRIDX1\n"
#define INDEX_VERSION 1u
#define INDEX_SORTED_PER_PAGE (LOCAL_PAGE_SIZE / sizeof(uint64_t))
#define INDEX_PAIRS_MAX (1u << 24)
#define INDEX_RADIX_BITS 8u

struct index_head {
    char magic[8];
    uint32_t version;
    uint32_t sum; /* of the rest of the head, the pairs and the page sums */
    uint64_t base, count, end;
    int64_t base_ms, min_ms, max_ms;
    uint64_t entries_at, sorted_at;
    uint32_t pairs;
    uint32_t pages; /* of entries; and as many of sorted ones at most */
    uint32_t sorted_pages;
    uint32_t flags; /* INDEX_* */
    uint64_t zero[4];
};
_Static_assert(sizeof(struct index_head) == 128, "format of the index");
#define INDEX_PREPARED 1u

static size_t page_align(size_t size) {
    return (size + LOCAL_PAGE_SIZE - 1) / LOCAL_PAGE_SIZE * LOCAL_PAGE_SIZE;
}

static size_t head_block_size(uint64_t pairs, uint64_t pages) {
    return sizeof(struct index_head) + pairs * sizeof(struct local_pair) + pages * sizeof(uint32_t);
}

static uint32_t head_block_sum(const char *block, size_t size) {
    size_t from = offsetof(struct index_head, base);
    return hash_check(block + from, size - from);
}

/* ---- writing ---- */

/* By the upper half of each value, stable: so equal hashes stay in order of their number. `spare` is as long as
 * `values`. */
static uint64_t *radix_sort(uint64_t *values, uint64_t *spare, size_t count) {
    for (unsigned shift = 32; shift < 64; shift += INDEX_RADIX_BITS) {
        size_t start[1u << INDEX_RADIX_BITS] = {0};
        for (size_t i = 0; i < count; i++) {
            start[(values[i] >> shift) & (COUNT_OF(start) - 1)]++;
        }
        size_t sum = 0;
        for (size_t digit = 0; digit < COUNT_OF(start); digit++) {
            size_t n = start[digit];
            start[digit] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++) {
            spare[start[(values[i] >> shift) & (COUNT_OF(start) - 1)]++] = values[i];
        }
        uint64_t *other = values;
        values = spare;
        spare = other;
    }
    return values;
}

struct index_writer {
    struct local *local;
    int fd;
    uint64_t at;
    uint32_t *sums;
    uint32_t page;
};

static int write_page(struct index_writer *writer, const void *page) {
    writer->sums[writer->page++] = hash_check(page, LOCAL_PAGE_SIZE);
    struct iovec iov = {.iov_base = (void *)page, .iov_len = LOCAL_PAGE_SIZE};
    int result = writer->local->fs->write(writer->local->fs, writer->fd, &iov, 1, writer->at);
    writer->at += LOCAL_PAGE_SIZE;
    return result;
}

/* Entries, page by page; fills `keys` with what is to be sorted. */
static int write_entries(struct index_writer *writer, struct local_segment *segment, uint64_t count, uint64_t *keys) {
    int result = 0;
    for (uint64_t first = 0; first < count && result == 0; first += LOCAL_PAGE_ENTRIES) {
        struct local_entry page[LOCAL_PAGE_ENTRIES] = {{.size = 0}};
        size_t n = 0;
        size_t max = count - first < LOCAL_PAGE_ENTRIES ? count - first : LOCAL_PAGE_ENTRIES;
        if (local_segment_entries(segment, first, max, page, &n) != OK || n != max) {
            return -EIO;
        }
        for (size_t i = 0; i < n; i++) {
            keys[first + i] = (page[i].message.lo & UINT64_C(0xffffffff00000000)) | (first + i);
        }
        result = write_page(writer, page);
    }
    return result;
}

static int write_sorted(struct index_writer *writer, const uint64_t *keys, uint64_t count) {
    int result = 0;
    for (uint64_t first = 0; first < count && result == 0; first += INDEX_SORTED_PER_PAGE) {
        uint64_t page[INDEX_SORTED_PER_PAGE];
        memset(page, 0xff, sizeof page);
        size_t n = count - first < INDEX_SORTED_PER_PAGE ? count - first : INDEX_SORTED_PER_PAGE;
        memcpy(page, keys + first, n * sizeof *keys);
        result = write_page(writer, page);
    }
    return result;
}

static int write_head(struct index_writer *writer, struct local_segment *segment, struct index_head *head) {
    size_t size = head_block_size(head->pairs, head->pages + head->sorted_pages);
    char *block = mem_alloc(size);
    char *at = block + sizeof *head;
    memcpy(block, head, sizeof *head);
    pthread_mutex_lock(&segment->lock);
    if (head->pairs > 0) {
        memcpy(at, segment->pairs, head->pairs * sizeof(struct local_pair));
    }
    pthread_mutex_unlock(&segment->lock);
    memcpy(at + head->pairs * sizeof(struct local_pair), writer->sums, writer->page * sizeof(uint32_t));
    ((struct index_head *)(void *)block)->sum = head_block_sum(block, size);
    struct iovec iov = {.iov_base = block, .iov_len = size};
    int result = writer->local->fs->write(writer->local->fs, writer->fd, &iov, 1, 0);
    mem_free(block);
    return result;
}

static int write_body(struct index_writer *writer, struct local_segment *segment, struct index_head *head) {
    uint64_t *keys = mem_try_resize(NULL, head->count * sizeof *keys);
    uint64_t *spare = mem_try_resize(NULL, head->count * sizeof *keys);
    int result = keys != NULL && spare != NULL ? 0 : -ENOMEM;
    if (result == 0) {
        result = write_entries(writer, segment, head->count, keys);
    }
    if (result == 0) {
        result = write_sorted(writer, radix_sort(keys, spare, head->count), head->count);
    }
    mem_free(keys);
    mem_free(spare);
    return result;
}

static struct index_head index_head_of(struct local_segment *segment) {
    struct index_head head = {
        .magic = INDEX_MAGIC,
        .version = INDEX_VERSION,
        .base = segment->base,
        .count = local_segment_count(segment),
        .end = local_segment_end(segment),
        .base_ms = segment->base_ms,
        .min_ms = segment->min_ms,
        .max_ms = segment->max_ms,
        .flags = segment->prepared ? INDEX_PREPARED : 0,
    };
    pthread_mutex_lock(&segment->lock);
    head.pairs = segment->pair_count;
    pthread_mutex_unlock(&segment->lock);
    head.pages = (uint32_t)((head.count + LOCAL_PAGE_ENTRIES - 1) / LOCAL_PAGE_ENTRIES);
    head.sorted_pages = (uint32_t)((head.count + INDEX_SORTED_PER_PAGE - 1) / INDEX_SORTED_PER_PAGE);
    head.entries_at = page_align(head_block_size(head.pairs, head.pages + head.sorted_pages));
    head.sorted_at = head.entries_at + head.pages * LOCAL_PAGE_SIZE;
    return head;
}

/* From now on the file answers. */
static void index_adopt(struct local_segment *segment, const struct index_head *head, int fd, uint32_t *sums) {
    pthread_mutex_lock(&segment->lock);
    segment->entries_at = head->entries_at;
    segment->sorted_at = head->sorted_at;
    segment->sums = sums;
    segment->index_fd = fd;
    segment->indexed = true;
    local_segment_drop_chunks(segment);
    pthread_mutex_unlock(&segment->lock);
}

enum err local_index_write(struct local_segment *segment, bool adopt) {
    struct local *local = segment->local;
    struct local_fs *fs = local->fs;
    struct index_head head = index_head_of(segment);
    char name[LOCAL_NAME_SIZE], draft[LOCAL_NAME_SIZE];
    local_segment_name(segment->base, "idx", name);
    local_segment_name(segment->base, "idx.tmp", draft);
    struct index_writer writer = {.local = local, .at = head.entries_at};
    writer.fd = fs->open(fs, draft, LOCAL_FS_WRITE | LOCAL_FS_CREATE | LOCAL_FS_TRUNCATE);
    if (writer.fd < 0) {
        return local_io(local, writer.fd, "create index", segment->base);
    }
    writer.sums = mem_alloc(((size_t)head.pages + head.sorted_pages) * sizeof(uint32_t));
    int result = write_body(&writer, segment, &head);
    result = result == 0 ? write_head(&writer, segment, &head) : result;
    result = result == 0 ? fs->sync(fs, writer.fd) : result;
    result = result == 0 ? fs->rename(fs, draft, name) : result;
    if (result == 0 && adopt) {
        index_adopt(segment, &head, writer.fd, writer.sums);
        return OK;
    }
    fs->close(fs, writer.fd);
    mem_free(writer.sums);
    if (result != 0) {
        (void)fs->unlink(fs, draft); /* else the next start removes it */
        return local_io(local, result, "write index", segment->base);
    }
    return OK;
}

/* ---- reading ---- */

static bool head_plausible(
    const struct index_head *head, const struct local_segment *segment, uint64_t file_size, uint64_t index_size) {
    uint64_t pages = (head->count + LOCAL_PAGE_ENTRIES - 1) / LOCAL_PAGE_ENTRIES;
    uint64_t sorted = (head->count + INDEX_SORTED_PER_PAGE - 1) / INDEX_SORTED_PER_PAGE;
    return memcmp(head->magic, INDEX_MAGIC, sizeof head->magic) == 0 && head->version == INDEX_VERSION &&
        head->base == segment->base && head->end <= file_size && head->count <= file_size / sizeof(struct frame) + 1 &&
        head->pages == pages && head->sorted_pages == sorted && head->pairs < INDEX_PAIRS_MAX &&
        head->entries_at == page_align(head_block_size(head->pairs, pages + sorted)) &&
        head->sorted_at == head->entries_at + pages * LOCAL_PAGE_SIZE &&
        index_size >= head->sorted_at + sorted * LOCAL_PAGE_SIZE;
}

/* The head, checked, with pairs and sums taken over by the segment; nothing is changed on failure. */
static enum err read_head(
    struct local_segment *segment, int fd, uint64_t file_size, struct index_head *head, uint32_t **ret_sums) {
    struct local_fs *fs = segment->local->fs;
    int64_t index_size = fs->size(fs, fd);
    if (index_size < 0 || fs->read(fs, fd, head, sizeof *head, 0) != (ssize_t)sizeof *head ||
        !head_plausible(head, segment, file_size, (uint64_t)index_size)) {
        return ERR_CORRUPT;
    }
    size_t pages = (size_t)head->pages + head->sorted_pages;
    size_t size = head_block_size(head->pairs, pages);
    char *block = mem_try_resize(NULL, size);
    if (block == NULL) {
        return ERR_NOMEM;
    }
    if (fs->read(fs, fd, block, size, 0) != (ssize_t)size || head_block_sum(block, size) != head->sum) {
        mem_free(block);
        return ERR_CORRUPT;
    }
    const char *at = block + sizeof *head;
    segment->pairs = mem_resize(segment->pairs, (head->pairs + 1) * sizeof *segment->pairs);
    memcpy(segment->pairs, at, head->pairs * sizeof *segment->pairs);
    segment->pair_count = segment->pair_cap = head->pairs;
    uint32_t *sums = mem_alloc((pages + 1) * sizeof *sums);
    memcpy(sums, at + head->pairs * sizeof *segment->pairs, pages * sizeof *sums);
    *ret_sums = sums;
    mem_free(block);
    return OK;
}

enum err local_index_load(struct local_segment *segment, uint64_t file_size) {
    struct local *local = segment->local;
    char name[LOCAL_NAME_SIZE];
    local_segment_name(segment->base, "idx", name);
    int fd = local->fs->open(local->fs, name, 0);
    if (fd < 0) {
        return err_from_errno(-fd);
    }
    struct index_head head;
    uint32_t *sums = NULL;
    enum err e = read_head(segment, fd, file_size, &head, &sums);
    if (e != OK) {
        local->fs->close(local->fs, fd);
        LOG(WARN, "store", "index is bad and is made again", "segment=%lu", (unsigned long)segment->base);
        return e;
    }
    segment->base_ms = head.base_ms;
    segment->min_ms = head.min_ms;
    segment->max_ms = head.max_ms;
    segment->prepared = (head.flags & INDEX_PREPARED) != 0;
    segment->added = head.count;
    index_adopt(segment, &head, fd, sums);
    local_segment_publish(segment, head.end);
    return OK;
}

enum err local_index_to_memory(struct local_segment *segment) {
    uint64_t count = segment->added;
    for (uint64_t first = 0; first < count; first += LOCAL_CHUNK_ENTRIES) {
        struct local_entry *chunk = mem_alloc(LOCAL_CHUNK_ENTRIES * sizeof *chunk);
        size_t n = 0;
        enum err e = local_segment_entries(segment, first, LOCAL_CHUNK_ENTRIES, chunk, &n);
        if (e != OK) {
            mem_free(chunk);
            return e;
        }
        segment->chunks = mem_resize(segment->chunks, (segment->chunk_count + 1) * sizeof(struct local_entry *));
        segment->chunks[segment->chunk_count++] = chunk;
        segment->chunk_cap = segment->chunk_count;
    }
    segment->local->fs->close(segment->local->fs, segment->index_fd);
    segment->index_fd = -1;
    segment->indexed = false;
    mem_free(segment->sums);
    segment->sums = NULL;
    return OK;
}

/* The .idx file's descriptor, opened again if it was closed for want of readers, and where and what the page is to be.
 */
static int index_open(struct local_segment *segment, uint64_t page, uint64_t *ret_at, uint32_t *ret_sum) {
    struct local *local = segment->local;
    pthread_mutex_lock(&segment->lock);
    if (segment->index_fd < 0) {
        char name[LOCAL_NAME_SIZE];
        local_segment_name(segment->base, "idx", name);
        segment->index_fd = local->fs->open(local->fs, name, 0);
    }
    int fd = segment->index_fd;
    *ret_at = segment->entries_at + page * LOCAL_PAGE_SIZE;
    *ret_sum = segment->sums[page];
    pthread_mutex_unlock(&segment->lock);
    return fd;
}

enum err local_index_page(struct local_segment *segment, uint64_t page, void *out) {
    struct local *local = segment->local;
    uint64_t at = 0;
    uint32_t sum = 0;
    int fd = index_open(segment, page, &at, &sum);
    if (fd < 0) {
        return fd == -ENOENT ? ERR_NOT_FOUND : local_io(local, fd, "open index", segment->base);
    }
    ssize_t n = local->fs->read(local->fs, fd, out, LOCAL_PAGE_SIZE, at);
    if (n < 0) {
        return local_io(local, (int)n, "read index", segment->base);
    }
    if (n != (ssize_t)LOCAL_PAGE_SIZE || hash_check(out, LOCAL_PAGE_SIZE) != sum) {
        LOG(ERROR, "store", "index page is corrupt", "segment=%lu page=%lu", (unsigned long)segment->base,
            (unsigned long)page);
        return ERR_CORRUPT;
    }
    return OK;
}

/* Puts what `made` has in place of what `segment` has. Pairs may be numbered anew; base_ms, the first record's time, is
 * the same. */
static void index_replace(struct local_segment *segment, struct local_segment *made) {
    pthread_mutex_lock(&segment->lock);
    uint32_t *sums = segment->sums;
    struct local_pair *pairs = segment->pairs;
    segment->index_fd_bad = segment->index_fd;
    segment->index_fd = made->index_fd;
    segment->sums = made->sums;
    segment->pairs = made->pairs;
    segment->pair_count = made->pair_count;
    segment->entries_at = made->entries_at;
    segment->sorted_at = made->sorted_at;
    segment->repairs++;
    pthread_mutex_unlock(&segment->lock);
    made->index_fd = -1;
    made->sums = sums;
    made->pairs = pairs;
}

enum err local_index_repair(struct local_segment *segment) {
    struct local *local = segment->local;
    pthread_mutex_lock(&local->upkeep_lock);
    bool mine = !segment->repaired; /* else another thread has met the same page before: what it made is tried */
    enum err e = OK;
    segment->repaired = true;
    if (mine) {
        struct local_segment *made = local_segment_new(local, segment->base);
        uint64_t torn = 0;
        e = local_segment_scan(made, segment->base + local_segment_count(segment), /*last*/ false, &torn);
        e = e == OK ? local_index_write(made, /*adopt*/ true) : e;
        if (e == OK) {
            index_replace(segment, made);
            LOG(WARN, "store", "index was made again", "segment=%lu", (unsigned long)segment->base);
        }
        local_segment_release(made);
    }
    pthread_mutex_unlock(&local->upkeep_lock);
    return e;
}

/* ---- messages ---- */

/* Appends `offset` if its entry has the message. */
static enum err take_match(
    struct local_segment *segment, uint64_t number, struct hash128 message, uint64_t *out, size_t max, size_t *count) {
    struct local_entry entry;
    size_t n = 0;
    enum err e = local_segment_entries(segment, number, 1, &entry, &n);
    if (e == OK && n == 1 && entry.size != 0 && hash128_eq(entry.message, message) && *count < max) {
        out[(*count)++] = segment->base + number;
    }
    return e;
}

/* First position in the sorted pages whose key is not below `key`. */
static enum err sorted_lower(
    struct local_segment *segment, uint64_t key, uint64_t count, uint64_t *page_buffer, uint64_t *ret_position) {
    uint64_t pages = (count + LOCAL_PAGE_ENTRIES - 1) / LOCAL_PAGE_ENTRIES;
    uint64_t low = 0, high = (count + INDEX_SORTED_PER_PAGE - 1) / INDEX_SORTED_PER_PAGE;
    /* hashes are even: look where the key would be first, then halve what is left */
    uint64_t probe = (uint64_t)(((unsigned __int128)(key >> 32) * high) >> 32);
    uint64_t position = count;
    while (low < high) {
        enum err e = local_index_page(segment, pages + probe, page_buffer);
        if (e != OK) {
            return e;
        }
        uint64_t first = probe * INDEX_SORTED_PER_PAGE;
        uint64_t n = count - first < INDEX_SORTED_PER_PAGE ? count - first : INDEX_SORTED_PER_PAGE;
        if (page_buffer[n - 1] < key) {
            low = probe + 1;
        } else {
            high = probe;
            uint64_t i = 0;
            while (page_buffer[i] < key) {
                i++;
            }
            position = first + i;
            if (i > 0) {
                break;
            }
        }
        probe = low + (high - low) / 2;
    }
    *ret_position = position;
    return OK;
}

static enum err find_in_file(
    struct local_segment *segment, struct hash128 message, uint64_t *out, size_t max, size_t *count) {
    uint64_t page_buffer[INDEX_SORTED_PER_PAGE];
    uint64_t known = local_segment_count(segment);
    uint64_t prefix = message.lo & UINT64_C(0xffffffff00000000);
    uint64_t pages = (known + LOCAL_PAGE_ENTRIES - 1) / LOCAL_PAGE_ENTRIES;
    uint64_t at = 0;
    enum err e = sorted_lower(segment, prefix, known, page_buffer, &at);
    for (uint64_t loaded = UINT64_MAX; e == OK && at < known && *count < max; at++) {
        uint64_t page = at / INDEX_SORTED_PER_PAGE;
        if (page != loaded) {
            e = local_index_page(segment, pages + page, page_buffer);
            loaded = page;
        }
        uint64_t key = e == OK ? page_buffer[at % INDEX_SORTED_PER_PAGE] : UINT64_MAX;
        if ((key & UINT64_C(0xffffffff00000000)) != prefix) {
            break;
        }
        e = take_match(segment, key & UINT32_MAX, message, out, max, count);
    }
    return e;
}

enum err local_index_find(
    struct local_segment *segment, struct hash128 message, uint64_t *out, size_t max, size_t *count) {
    pthread_mutex_lock(&segment->lock);
    bool indexed = segment->indexed;
    uint64_t known = local_segment_count(segment);
    for (uint64_t i = 0; !indexed && i < known && *count < max; i++) {
        const struct local_entry *entry = &segment->chunks[i / LOCAL_CHUNK_ENTRIES][i % LOCAL_CHUNK_ENTRIES];
        if (entry->size != 0 && hash128_eq(entry->message, message)) {
            out[(*count)++] = segment->base + i;
        }
    }
    pthread_mutex_unlock(&segment->lock);
    enum err e = indexed ? find_in_file(segment, message, out, max, count) : OK;
    if (e == ERR_CORRUPT && local_index_repair(segment) == OK) {
        e = find_in_file(segment, message, out, max, count);
    }
    return e;
}
