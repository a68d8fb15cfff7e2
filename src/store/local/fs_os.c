/* local/fs.h by system calls, relative to one directory descriptor. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "store/local/fs.h"

#define FILE_MODE 0640
#define DIR_MODE 0750
#define PATH_SIZE 4097
#define PID_TEXT_SIZE 32

struct fs_os {
    struct local_fs fs; /* first */
    int root;
    int lock;
};

static struct fs_os *os_of(struct local_fs *fs) {
    return CONTAINER_OF(fs, struct fs_os, fs);
}

static int os_open(struct local_fs *fs, const char *path, unsigned flags) {
    int mode = (flags & LOCAL_FS_WRITE) != 0 ? O_RDWR : O_RDONLY;
    mode |= (flags & LOCAL_FS_CREATE) != 0 ? O_CREAT : 0;
    mode |= (flags & LOCAL_FS_TRUNCATE) != 0 ? O_TRUNC : 0;
    int fd = openat(os_of(fs)->root, path, mode | O_CLOEXEC, FILE_MODE);
    return fd >= 0 ? fd : -errno;
}

static void os_close(struct local_fs *fs, int fd) {
    (void)fs;
    (void)close(fd); /* nothing is unsynced here that anybody was promised */
}

static ssize_t os_read(struct local_fs *fs, int fd, void *out, size_t size, uint64_t at) {
    (void)fs;
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, (char *)out + got, size - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int os_write(struct local_fs *fs, int fd, struct iovec *iov, int count, uint64_t at) {
    (void)fs;
    while (count > 0) {
        ssize_t n = pwritev(fd, iov, count < IOV_MAX ? count : IOV_MAX, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        at += (uint64_t)n;
        size_t left = (size_t)n;
        while (count > 0 && left >= iov->iov_len) {
            left -= iov->iov_len;
            iov++;
            count--;
        }
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + left;
            iov->iov_len -= left;
        }
    }
    return 0;
}

static int os_sync(struct local_fs *fs, int fd) {
    (void)fs;
    return fdatasync(fd) == 0 ? 0 : -errno; /* also EINTR: what became of the data is then not known */
}

static int os_truncate(struct local_fs *fs, int fd, uint64_t size) {
    (void)fs;
    return ftruncate(fd, (off_t)size) == 0 ? 0 : -errno;
}

static int64_t os_size(struct local_fs *fs, int fd) {
    (void)fs;
    struct stat st;
    return fstat(fd, &st) == 0 ? (int64_t)st.st_size : -errno;
}

static int os_rename(struct local_fs *fs, const char *from, const char *to) {
    int root = os_of(fs)->root;
    return renameat(root, from, root, to) == 0 ? 0 : -errno;
}

static int os_unlink(struct local_fs *fs, const char *path) {
    return unlinkat(os_of(fs)->root, path, 0) == 0 ? 0 : -errno;
}

static int os_sync_dir(struct local_fs *fs, const char *path) {
    int fd = openat(os_of(fs)->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int result = fsync(fd) == 0 ? 0 : -errno;
    (void)close(fd);
    return result;
}

static int os_make_dir(struct local_fs *fs, const char *path) {
    return mkdirat(os_of(fs)->root, path, DIR_MODE) == 0 || errno == EEXIST ? 0 : -errno;
}

static int os_list(struct local_fs *fs, const char *path, void (*each)(void *ctx, const char *name), void *ctx) {
    int fd = openat(os_of(fs)->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            each(ctx, entry->d_name);
        }
    }
    (void)closedir(dir);
    return 0;
}

static int64_t os_free_bytes(struct local_fs *fs) {
    struct statvfs st;
    if (fstatvfs(os_of(fs)->root, &st) != 0) {
        return -errno;
    }
    return (int64_t)((uint64_t)st.f_bavail * st.f_frsize);
}

static int os_lock(struct local_fs *fs, const char *path, int64_t *ret_pid) {
    struct fs_os *os = os_of(fs);
    int fd = openat(os->root, path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return -errno;
    }
    char text[PID_TEXT_SIZE] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        if (n <= 0 || slice_to_i64(slice_trim(slice_of(text, (size_t)n)), ret_pid) != OK) {
            *ret_pid = 0;
        }
        (void)close(fd);
        return -error;
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* the pid is a help for people; the lock is what counts */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        errno = 0;
    }
    os->lock = fd;
    return 0;
}

static void os_free(struct local_fs *fs) {
    struct fs_os *os = os_of(fs);
    if (os->lock >= 0) {
        (void)close(os->lock);
    }
    (void)close(os->root);
    mem_free(os);
}

/* Makes `path` and the directories above it. */
static int make_path(char *path) {
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char kept = *at;
        *at = '\0';
        int failed = mkdir(path, DIR_MODE) != 0 && errno != EEXIST;
        *at = kept;
        if (failed) {
            return -errno;
        }
        if (kept == '\0') {
            return 0;
        }
    }
}

enum err local_fs_os(struct slice root, struct local_fs **ret_fs, struct errinfo *why) {
    char path[PATH_SIZE];
    if (root.len == 0 || root.len >= sizeof path) {
        return err_why(ERR_INVALID, why, "store.path", "the data directory's name is empty or too long");
    }
    memcpy(path, root.ptr, root.len);
    path[root.len] = '\0';
    int result = make_path(path);
    int fd = result == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        int error = result < 0 ? -result : errno;
        return err_why(err_from_errno(error), why, path, "cannot open the data directory: %s", strerror(error));
    }
    struct fs_os *os = mem_alloc(sizeof *os);
    *os = (struct fs_os){
        .fs = {.open = os_open,
            .close = os_close,
            .read = os_read,
            .write = os_write,
            .sync = os_sync,
            .truncate = os_truncate,
            .size = os_size,
            .rename = os_rename,
            .unlink = os_unlink,
            .sync_dir = os_sync_dir,
            .make_dir = os_make_dir,
            .list = os_list,
            .free_bytes = os_free_bytes,
            .lock = os_lock,
            .free = os_free},
        .root = fd,
        .lock = -1,
    };
    *ret_fs = &os->fs;
    return OK;
}
