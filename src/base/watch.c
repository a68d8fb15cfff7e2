/* uv_fs_event_t on the file's folder, a libuv timer for the pause (real time also under the test clock: files are
 * not part of what a test's clock moves). The memory goes when libuv has closed both handles. */
#include "base/watch.h"

#include <stdio.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/arena.h"

enum { PATH_SIZE = 4096, HANDLES = 2 };

struct watch {
    uv_fs_event_t event;
    uv_timer_t quiet;
    int open_handles;
    void (*on_change)(void *ctx);
    void *ctx;
    struct stat seen; /* zeroed while there is no file */
    char path[PATH_SIZE];
};

static void look(const char *path, struct stat *ret_seen) {
    if (stat(path, ret_seen) != 0) {
        memset(ret_seen, 0, sizeof *ret_seen);
    }
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
        a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void on_quiet(uv_timer_t *timer) {
    struct watch *watch = timer->data;
    struct stat now;
    look(watch->path, &now);
    bool same = same_file(&now, &watch->seen);
    watch->seen = now;
    if (!same && now.st_ino != 0) {
        watch->on_change(watch->ctx);
    }
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status) {
    (void)name; /* a moved link has another name than the file that it leads to */
    (void)events;
    (void)status; /* an error means that events may have been missed: look too */
    struct watch *watch = event->data;
    if (uv_is_active((uv_handle_t *)&watch->quiet)) {
        return; /* not put off: a folder that never rests must not hide the change */
    }
    int e = uv_timer_start(&watch->quiet, on_quiet, WATCH_QUIET_MS, 0);
    ASSERT(e == 0);
}

static void on_closed(uv_handle_t *handle) {
    struct watch *watch = handle->data;
    if (--watch->open_handles == 0) {
        mem_free(watch);
    }
}

/* "." for a bare name, "/" for a file of the root. */
static void folder_of(const char *path, char out[PATH_SIZE]) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        snprintf(out, PATH_SIZE, ".");
        return;
    }
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    memcpy(out, path, len);
    out[len] = '\0';
}

enum err watch_new(struct loop *loop, const char *path, void (*on_change)(void *ctx), void *ctx,
    struct watch **ret_watch, struct errinfo *why) {
    char folder[PATH_SIZE];
    if (strlen(path) >= PATH_SIZE) {
        return err_why(ERR_RANGE, why, "", "a path of %zu bytes is too long to watch", strlen(path));
    }
    folder_of(path, folder);
    struct watch *watch = mem_alloc(sizeof *watch);
    watch->on_change = on_change;
    watch->ctx = ctx;
    snprintf(watch->path, sizeof watch->path, "%s", path);
    int e = uv_timer_init(loop_uv(loop), &watch->quiet);
    ASSERT(e == 0);
    e = uv_fs_event_init(loop_uv(loop), &watch->event);
    ASSERT(e == 0);
    watch->event.data = watch->quiet.data = watch;
    watch->open_handles = HANDLES;
    e = uv_fs_event_start(&watch->event, on_event, folder, 0);
    if (e != 0) {
        watch_free(watch);
        return err_why(
            e == UV_ENOENT ? ERR_NOT_FOUND : ERR_IO, why, folder, "cannot watch the folder: %s", uv_strerror(e));
    }
    look(watch->path, &watch->seen);
    *ret_watch = watch;
    return OK;
}

void watch_free(struct watch *watch) {
    if (watch == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&watch->event, on_closed);
    uv_close((uv_handle_t *)&watch->quiet, on_closed);
}
