/* Deadlines without a timer per connection. All waits of a kind have the same length, so a list in the order of their
 * beginnings is also in the order of their ends: one loop_timer per kind stands at the head's end. Leaving a list does
 * not touch the timer; it may fire once for nothing, and an empty list sets none. */
#include "base/clock.h"
#include "http/server_internal.h"

static int64_t limit_of(const struct http_server *server, enum deadline kind) {
    switch (kind) {
    case DEADLINE_HEADER:
        return server->limits.header_ms;
    case DEADLINE_BODY:
        return server->limits.body_ms;
    case DEADLINE_IDLE:
        return server->limits.idle_ms;
    case DEADLINE_WRITE:
        return server->limits.write_ms;
    case DEADLINE_LINGER:
        return SERVER_LINGER_MS;
    case DEADLINE_COUNT:
    case DEADLINE_NONE:
        break;
    }
    return 0;
}

void deadline_clear(struct conn *conn) {
    if (conn->due_kind == DEADLINE_NONE) {
        return;
    }
    struct deadline_list *list = &conn->server->deadlines[conn->due_kind];
    if (conn->due_prev != NULL) {
        conn->due_prev->due_next = conn->due_next;
    } else {
        list->head = conn->due_next;
    }
    if (conn->due_next != NULL) {
        conn->due_next->due_prev = conn->due_prev;
    } else {
        list->tail = conn->due_prev;
    }
    conn->due_prev = NULL;
    conn->due_next = NULL;
    conn->due_kind = DEADLINE_NONE;
}

void deadline_set(struct conn *conn, enum deadline kind) {
    if (conn->due_kind == kind) {
        return;
    }
    deadline_clear(conn);
    struct deadline_list *list = &conn->server->deadlines[kind];
    conn->due_kind = kind;
    conn->due_start = clock_ms();
    conn->due_prev = list->tail;
    if (list->tail != NULL) {
        list->tail->due_next = conn;
    } else {
        list->head = conn;
    }
    list->tail = conn;
    if (!loop_timer_is_set(&list->timer)) {
        loop_timer_set(&list->timer, conn->due_start + limit_of(conn->server, kind));
    }
}

static void on_timer(struct loop_timer *timer) {
    struct deadline_list *list = CONTAINER_OF(timer, struct deadline_list, timer);
    int64_t limit = limit_of(list->server, list->kind);
    int64_t now = clock_ms();
    while (list->head != NULL && list->head->due_start + limit <= now) {
        struct conn *conn = list->head;
        deadline_clear(conn);
        conn_expire(conn, list->kind);
    }
    if (list->head != NULL) {
        loop_timer_set(timer, list->head->due_start + limit);
    }
}

void deadlines_init(struct http_server *server) {
    for (unsigned kind = 0; kind < DEADLINE_COUNT; kind++) {
        struct deadline_list *list = &server->deadlines[kind];
        list->server = server;
        list->kind = (enum deadline)kind;
        loop_timer_init(&list->timer, server->loop, on_timer);
    }
}

void deadlines_update(struct http_server *server) {
    for (unsigned kind = 0; kind < DEADLINE_COUNT; kind++) {
        struct deadline_list *list = &server->deadlines[kind];
        if (list->head != NULL) {
            loop_timer_set(&list->timer, list->head->due_start + limit_of(server, list->kind));
        }
    }
}

void deadlines_fini(struct http_server *server) {
    for (unsigned kind = 0; kind < DEADLINE_COUNT; kind++) {
        loop_timer_clear(&server->deadlines[kind].timer);
    }
}
