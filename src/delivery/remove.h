/* Destinations that are gone from the workspace: everything that they had not ended is expired, counted and noted; then
 * their cursor no longer holds the log.
 *
 * thread: a caller of delivery's, under delivery->lock. Blocks: a destination that was far behind is read to the head
 * of the log. */
#ifndef SLUICE_DELIVERY_REMOVE_H
#define SLUICE_DELIVERY_REMOVE_H

#include "delivery/delivery_internal.h"

/* Frees the sender, unless an error leaves it to the next try. */
MUST enum err delivery_remove_sender(struct sender *sender);
/* A cursor without a sender: a crash came in the middle of a removal, or the workspace changed while nothing ran. */
MUST enum err delivery_retire_orphan(struct delivery *delivery, const struct cursor_info *info);

#endif
