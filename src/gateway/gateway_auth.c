/* Whose request is it: the write key from where the route has it, the source from the worker's snapshot of the
 * workspace, which is renewed when the process has another. A request keeps the source_state, which outlives every
 * snapshot. */
#include "base/encode.h"
#include "base/hash.h"
#include "gateway/gateway_internal.h"

/* Value of `Scheme rest`, or false for another scheme. */
static bool scheme_cut(struct slice value, struct slice scheme, struct slice *ret_rest) {
    if (value.len <= scheme.len || value.ptr[scheme.len] != ' ' ||
        !slice_eq_nocase(slice_of(value.ptr, scheme.len), scheme)) {
        return false;
    }
    *ret_rest = slice_trim(slice_of(value.ptr + scheme.len, value.len - scheme.len));
    return true;
}

enum err gateway_basic_user(
    const struct http_request *request, char out[GATEWAY_WRITE_KEY_MAX], struct slice *ret_user) {
    struct slice value;
    struct slice coded;
    if (!http_request_header(request, SLICE("authorization"), &value) || scheme_cut(value, SLICE("bearer"), &coded)) {
        return ERR_NOT_FOUND;
    }
    size_t len = 0;
    if (!scheme_cut(value, SLICE("basic"), &coded) || coded.len > GATEWAY_WRITE_KEY_MAX ||
        !decode_base64(coded, out, &len)) {
        return ERR_NO_WRITE_KEY;
    }
    struct slice password;
    struct slice user = slice_cut(slice_of(out, len), ':', &password);
    if (user.len == 0 || password.ptr == NULL) {
        return ERR_NO_WRITE_KEY;
    }
    *ret_user = user;
    return OK;
}

/* ---- the snapshot ---- */

/* Found, or made: a source's counters and rate limit go on when the workspace is loaded again. */
static struct source_state *state_of(struct gateway *gateway, const struct source *source) {
    struct source_state *made = NULL;
    pthread_mutex_lock(&gateway->lock);
    struct source_state *state = gateway->sources;
    while (state != NULL && state->key != source->key) {
        state = state->next;
    }
    if (state == NULL) {
        made = state = mem_alloc(sizeof(*state) + source->id.len);
        state->key = source->key;
        state->id = slice_of(memcpy(state + 1, source->id.ptr, source->id.len), source->id.len);
        state->next = gateway->sources;
        gateway->sources = state;
    }
    pthread_mutex_unlock(&gateway->lock);
    if (made != NULL) {
        gateway_source_register(made);
    }
    return state;
}

static struct source_state **slot_of(struct worker *worker, uint64_t key) {
    size_t at = key & (worker->source_slots - 1);
    while (worker->sources[at] != NULL && worker->sources[at]->key != key) {
        at = (at + 1) & (worker->source_slots - 1);
    }
    return &worker->sources[at];
}

static void snapshot_renew(struct worker *worker) {
    uint64_t generation =
        workspace_cell_generation(worker->gateway->deps.cell); /* first: a swap after it is seen next time */
    if (LIKELY(worker->workspace != NULL && generation == worker->generation)) {
        return;
    }
    gateway_snapshot_drop(worker);
    worker->generation = generation;
    worker->workspace = workspace_cell_get(worker->gateway->deps.cell);
    const struct workspace_info *info = workspace_info(worker->workspace);
    worker->source_slots = 16;
    while (worker->source_slots < 2 * info->source_count) {
        worker->source_slots *= 2;
    }
    worker->sources = mem_alloc(worker->source_slots * sizeof(struct source_state *));
    for (size_t i = 0; i < info->source_count; i++) {
        *slot_of(worker, info->sources[i]->key) = state_of(worker->gateway, info->sources[i]);
    }
}

void gateway_snapshot_drop(struct worker *worker) {
    workspace_release(worker->workspace);
    mem_free(worker->sources);
    worker->workspace = NULL;
    worker->sources = NULL;
}

/* Enough to recognise a key that one has typed wrong, not enough to use it. */
static void hint_set(struct intake *intake, struct slice key) {
    size_t shown = key.len / 2 < 4 ? key.len / 2 : 4;
    feed_set(intake->key_hint, shown + 1, key);
}

const struct source *gateway_source_find(struct worker *worker, struct intake *intake, struct slice key) {
    snapshot_renew(worker);
    const struct source *source =
        key.len <= GATEWAY_WRITE_KEY_MAX ? workspace_source_by_write_key(worker->workspace, key) : NULL;
    if (source == NULL) {
        hint_set(intake, key);
        return NULL;
    }
    intake->source = *slot_of(worker, source->key);
    return source;
}

enum err gateway_authenticate(struct worker *worker, struct intake *intake, struct slice key) {
    const struct source *source = gateway_source_find(worker, intake, key);
    if (source == NULL) {
        return ERR_BAD_WRITE_KEY;
    }
    return source->enabled ? OK : ERR_SOURCE_DISABLED;
}
