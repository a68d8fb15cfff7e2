/* The file system as the local engine sees it: a table of calls, so that a test can put one behind it that loses what
 * was not synced, tears writes, runs full. Paths are relative to the data directory. Results below 0 are -errno.
 *
 * thread: any; the calls on one descriptor do not exclude each other. */
#ifndef SLUICE_STORE_LOCAL_FS_H
#define SLUICE_STORE_LOCAL_FS_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/slice.h"

enum local_fs_flags {
    LOCAL_FS_WRITE = 1,    /* else read only */
    LOCAL_FS_CREATE = 2,   /* made if missing */
    LOCAL_FS_TRUNCATE = 4, /* emptied */
};

struct local_fs {
    int (*open)(struct local_fs *fs, const char *path, unsigned flags);
    void (*close)(struct local_fs *fs, int fd);
    /* Reads until `size` bytes or the end of the file; returns how many. */
    ssize_t (*read)(struct local_fs *fs, int fd, void *out, size_t size, uint64_t at);
    /* Writes everything (`iov` is used up), or fails after having written some of it. */
    int (*write)(struct local_fs *fs, int fd, struct iovec *iov, int count, uint64_t at);
    int (*sync)(struct local_fs *fs, int fd); /* data, and the metadata needed to read it */
    int (*truncate)(struct local_fs *fs, int fd, uint64_t size);
    int64_t (*size)(struct local_fs *fs, int fd);
    int (*rename)(struct local_fs *fs, const char *from, const char *to);
    int (*unlink)(struct local_fs *fs, const char *path);
    int (*sync_dir)(struct local_fs *fs, const char *path);
    int (*make_dir)(struct local_fs *fs, const char *path); /* 0 also when it exists */
    /* Names in a directory, in no order, without those that begin with a dot. */
    int (*list)(struct local_fs *fs, const char *path, void (*each)(void *ctx, const char *name), void *ctx);
    int64_t (*free_bytes)(struct local_fs *fs);
    /* Holds `path` for this process until free; -EWOULDBLOCK: *ret_pid holds it (0 = unknown). */
    int (*lock)(struct local_fs *fs, const char *path, int64_t *ret_pid);
    void (*free)(struct local_fs *fs);
};

/* The operating system's, rooted at `root`, which is created if missing. */
MUST enum err local_fs_os(struct slice root, struct local_fs **ret_fs, struct errinfo *why);

#endif
