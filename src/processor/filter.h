/* What becomes of an event at a connection's destination: disabled, device mode, message type, `integrations`, consent,
 * event lists. The event is parsed only when some rule has to look inside, once for all of its connections.
 *
 * thread: a filter belongs to one thread. */
#ifndef SLUICE_PROCESSOR_FILTER_H
#define SLUICE_PROCESSOR_FILTER_H

#include "model/workspace.h"
#include "processor/outlet.h"
#include "json/json.h"

struct filter;

struct filter *filter_new(void);
void filter_free(struct filter *filter);
/* Forgets the event before. `record` must live until the next filter_begin. */
void filter_begin(struct filter *filter, const struct record *record);
/* DELIVER, or FILTER with a reason. */
enum verdict filter_verdict(struct filter *filter, const struct connection *connection, enum reason *ret_reason);
/* The event parsed; NULL when it is no JSON object. Valid until the next filter_begin. */
const struct json_doc *filter_event(struct filter *filter);
/* Scratch memory until the next filter_begin. */
struct arena *filter_arena(struct filter *filter);

#endif
