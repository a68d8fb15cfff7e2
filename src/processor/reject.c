/* Rejected records become dead letters of destination 0, in the order of the log and once each.
 *
 * The cursor (destination 0, "processor") says how far that went and, in counts.in, which letter was the newest then;
 * counts.dead is the number written in all. A crash between a letter and the save of the cursor is seen at the start:
 * letters newer than that id tell up to which offset they exist (`next`). */
#include "base/log.h"
#include "processor/processor_internal.h"

enum {
    SAVE_RECORDS = 262144, /* of the log, between saves of the cursor */
    LIST_PAGE = 256
};

/* Letters since the last save: raises `next` and `newest_id`. */
static enum err find_newest(struct processor *processor, uint64_t after) {
    struct rejects *rejects = &processor->rejects;
    rejects->newest_id = after;
    struct arena arena;
    arena_init(&arena, 64 * 1024, 0);
    enum err e = OK;
    for (;;) {
        struct dead_filter filter = {.include_taken = true, .after = rejects->newest_id, .max = LIST_PAGE};
        struct dead_letter *letters = NULL;
        size_t count = 0;
        e = store_dead_list(processor->deps.store, &filter, &arena, &letters, &count);
        if (e != OK || count == 0) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            rejects->newest_id = letters[i].id;
            if (letters[i].destination == 0 && letters[i].offset + 1 > rejects->next) {
                rejects->next = letters[i].offset + 1;
            }
        }
        arena_reset(&arena);
    }
    arena_fini(&arena);
    return e;
}

enum err rejects_open(struct processor *processor, struct errinfo *why) {
    struct rejects *rejects = &processor->rejects;
    struct arena arena;
    arena_init(&arena, 16 * 1024, 0);
    struct cursor_state state = {0};
    enum err e = store_cursor_open(processor->deps.store, 0, SLICE("processor"), 0, &arena, &rejects->cursor, &state);
    arena_fini(&arena);
    if (e != OK) {
        return err_why(e, why, "processor", "the processor's cursor cannot be opened: %s", err_text(e));
    }
    rejects->offset = rejects->saved = rejects->next = state.scanned;
    rejects->letters = state.counts.dead;
    e = find_newest(processor, state.counts.in);
    if (e != OK) {
        store_cursor_close(rejects->cursor);
        rejects->cursor = NULL;
        return err_why(e, why, "processor", "the dead letters cannot be listed: %s", err_text(e));
    }
    return OK;
}

static void save(struct processor *processor) {
    struct rejects *rejects = &processor->rejects;
    struct cursor_state state = {.scanned = rejects->offset};
    state.counts.in = rejects->newest_id;
    state.counts.dead = rejects->letters;
    enum err e = store_cursor_save(rejects->cursor, &state);
    if (e != OK) {
        LOG(ERROR, "processor", "cannot save the processor's cursor", "error=%s", err_name(e));
        return; /* after a crash more is read again; nothing else */
    }
    rejects->saved = rejects->offset;
}

bool rejects_take(struct processor *processor, const struct record *record) {
    struct rejects *rejects = &processor->rejects;
    if (record->offset < rejects->next) {
        return true;
    }
    filter_begin(processor->filter, record);
    const struct json_doc *event = filter_event(processor->filter);
    struct slice message_id = SLICE_NONE;
    if (event != NULL) {
        message_id = json_string(event, json_find(event, 0, SLICE("messageId")), filter_arena(processor->filter));
    }
    const struct source *source = workspace_source_by_key(processor->workspace, record->head.source);
    struct dead_letter letter = {.at_ms = record->head.received_ms,
        .received_ms = record->head.received_ms,
        .offset = record->offset,
        .source = record->head.source,
        .user = record->head.user,
        .message = record->head.message,
        .type = record->head.type,
        .reason = REASON_REJECTED,
        .source_id = source != NULL ? source->id : SLICE_NONE,
        .message_id = message_id,
        .text = record->why,
        .payload = record->payload};
    enum err e = store_dead_put(processor->deps.store, &letter, &rejects->newest_id);
    if (e != OK) {
        rejects_passed(processor, record->offset);
        processor_retry_later(processor, "cannot write a dead letter", e);
        return false;
    }
    rejects->next = record->offset + 1;
    rejects->letters++;
    stat_add(&processor->stat.rejected, 1);
    return true;
}

void rejects_passed(struct processor *processor, uint64_t offset) {
    struct rejects *rejects = &processor->rejects;
    if (offset <= rejects->offset) {
        return;
    }
    rejects->offset = offset;
    store_cursor_progress(rejects->cursor, offset);
    if (offset - rejects->saved >= SAVE_RECORDS) {
        save(processor);
    }
}

static enum err read_block(struct processor *processor, struct store_block **ret_block) {
    struct rejects *rejects = &processor->rejects;
    if (rejects->reader == NULL) {
        enum err e = store_reader_open(processor->deps.store, rejects->offset, &rejects->reader);
        if (e != OK) {
            return e;
        }
    }
    return store_read(rejects->reader, NULL, processor->conf.read_bytes, ret_block);
}

bool rejects_step(struct processor *processor) {
    struct rejects *rejects = &processor->rejects;
    if (rejects->attached || loop_timer_is_set(&processor->retry_timer)) {
        return false;
    }
    bool reached = rejects->offset >= processor->tail_offset;
    struct store_block *block = NULL;
    enum err e = reached ? ERR_END : read_block(processor, &block);
    if (e == ERR_END) {
        store_reader_close(rejects->reader);
        rejects->reader = NULL;
        rejects->attached = true;
        rejects_passed(processor, processor->tail_offset);
        return false;
    }
    if (e != OK) {
        processor_retry_later(processor, "cannot read the log for rejected events", e);
        return false;
    }
    bool taken = true;
    for (uint32_t i = 0; taken && i < block->count; i++) {
        if ((block->records[i].head.flags & RECORD_REJECTED) != 0) {
            taken = rejects_take(processor, &block->records[i]);
        }
    }
    if (taken) {
        rejects_passed(processor, block->next);
    } else {
        store_reader_close(rejects->reader); /* the next step reads again from the record that failed */
        rejects->reader = NULL;
    }
    store_block_release(block);
    return taken;
}

void rejects_close(struct processor *processor) {
    struct rejects *rejects = &processor->rejects;
    if (rejects->cursor == NULL) {
        return;
    }
    if (rejects->offset != rejects->saved) {
        save(processor);
    }
    store_reader_close(rejects->reader);
    rejects->reader = NULL;
    store_cursor_close(rejects->cursor);
    rejects->cursor = NULL;
}
