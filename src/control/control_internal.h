/* Private to control/. A job is one request on its way: dispatched on the loop, worked on by the helper thread (or at
 * once, on the loop), answered on the loop. */
#ifndef SLUICE_CONTROL_CONTROL_INTERNAL_H
#define SLUICE_CONTROL_CONTROL_INTERNAL_H

#include "control/control.h"
#include "http/server.h"
#include "json/json.h"
#include "json/json_write.h"

struct audit;

struct control {
    struct control_deps deps;
    struct http_server *server;
    struct audit *audit; /* thread: the helper's, after control_new */
    struct tail *tails;  /* that follow */
};

struct control_job {
    struct work work;
    struct control *control;
    struct http_request *request; /* thread: the loop's */
    const struct route *route;
    struct arena arena;
    struct slice query; /* undecoded, in `arena` */
    struct slice id;    /* `{id}`, decoded */
    struct buf out;
    struct json_writer json;
    const char *content_type;
    struct json_parser *parser; /* made when it is needed */
    enum err result;
    struct errinfo why;
};

#define C(method, path, thread, handler, summary) enum err route_##handler(struct control_job *job);
#include "control/control_route.def"
#undef C

/* The decoded value of a query parameter; false when absent. */
bool job_param(struct control_job *job, const char *key, struct slice *ret_value);
bool job_flag(struct control_job *job, const char *key); /* present, and not "0" or "false" */
/* A number up to `max`; `absent` without the parameter. Fills job->why. */
MUST enum err job_number(struct control_job *job, const char *key, uint64_t absent, uint64_t max, uint64_t *ret_value);
/* Parses one JSON text, copied into the job's arena first; valid until the next call. ERR_INVALID_JSON. */
MUST enum err job_parse(struct control_job *job, struct slice text, struct json_doc *ret_doc);
/* Answers with the job's result and frees it. thread: the loop. */
void job_answer(struct control_job *job);
void job_free(struct control_job *job);

/* "type", "event", "message_id" and the like of an event's payload. */
struct event_names {
    struct slice event, message_id, user;
};
void job_event_names(struct control_job *job, struct slice payload, struct event_names *ret_names);

/* The text of a destination's key: its id in the snapshot, else the id that its cursor kept, else the key in hex. */
struct slice control_destination_id(
    const struct control *control, const struct workspace *workspace, uint64_t key, struct arena *arena);
struct slice control_source_id(const struct workspace *workspace, uint64_t key, struct arena *arena);

/* control_tail.c */
void tails_free(struct control *control);

/* control_audit.c */
struct audit *audit_new(const struct control_deps *deps);
void audit_free(struct audit *audit);
void audit_workspace_changed(struct audit *audit);

#endif
