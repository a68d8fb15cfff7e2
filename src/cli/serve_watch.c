/* A watch per code file. */
#include "cli/serve_watch.h"

#include "base/log.h"
#include "base/watch.h"

struct code_watches {
    struct loop *loop;
    void (*on_change)(void *ctx);
    void *ctx;
    struct arena arena;
    struct slice *paths;
    struct watch **watches;
    size_t count;
};

void code_watches_free(struct code_watches *watches) {
    if (watches == NULL) {
        return;
    }
    for (size_t i = 0; i < watches->count; i++) {
        watch_free(watches->watches[i]);
    }
    arena_fini(&watches->arena);
    mem_free(watches);
}

/* A change between the reading of a file and now is noticed by the watch that was there before. */
static struct watch *take(struct code_watches *before, struct slice path) {
    for (size_t i = 0; before != NULL && i < before->count; i++) {
        if (before->watches[i] != NULL && slice_eq(before->paths[i], path)) {
            struct watch *taken = before->watches[i];
            before->watches[i] = NULL;
            return taken;
        }
    }
    return NULL;
}

static void add(struct code_watches *watches, struct code_watches *before, struct slice path) {
    struct errinfo why = {.at = 0};
    for (size_t i = 0; i < watches->count; i++) {
        if (slice_eq(watches->paths[i], path)) {
            return;
        }
    }
    struct slice kept = arena_dup(&watches->arena, path);
    struct watch *watch = take(before, path);
    if (watch == NULL && watch_new(watches->loop, kept.ptr, watches->on_change, watches->ctx, &watch, &why) != OK) {
        LOG(WARN, "serve", "code is not watched: send SIGHUP when it changes", "file=\"%.*s\" text=\"%s\"",
            SLICE_ARG(kept), why.text);
        return;
    }
    watches->paths[watches->count] = kept;
    watches->watches[watches->count++] = watch;
}

struct code_watches *code_watches_renew(struct code_watches *before, struct loop *loop,
    const struct workspace *workspace, void (*on_change)(void *ctx), void *ctx) {
    const struct workspace_info *info = workspace_info(workspace);
    size_t room = 0;
    for (size_t i = 0; i < info->transformation_count; i++) {
        room += 1 + info->transformations[i]->library_count;
    }
    struct code_watches *watches = NULL;
    if (room > 0) {
        watches = mem_alloc(sizeof *watches);
        *watches = (struct code_watches){.loop = loop, .on_change = on_change, .ctx = ctx};
        arena_init(&watches->arena, 0, 0);
        watches->paths = ARENA_ARRAY(&watches->arena, struct slice, room);
        watches->watches = ARENA_ARRAY(&watches->arena, struct watch *, room);
    }
    for (size_t i = 0; i < info->transformation_count; i++) {
        const struct transformation *transformation = info->transformations[i];
        if (transformation->place.in_file) {
            add(watches, before, transformation->place.text);
        }
        for (size_t j = 0; j < transformation->library_count; j++) {
            if (transformation->libraries[j].place.in_file) {
                add(watches, before, transformation->libraries[j].place.text);
            }
        }
    }
    code_watches_free(before);
    return watches;
}
