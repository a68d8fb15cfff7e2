/* The transformations of a workspace, compiled: what serve, a reload and `sluice check` ask before they take it. */
#ifndef SLUICE_DELIVERY_USER_CODE_SET_H
#define SLUICE_DELIVERY_USER_CODE_SET_H

#include "model/workspace.h"
#include "transform/transform.h"

struct user_code_set;

/* Compiles every transformation of the workspace in a worker; none is started when there is none, and what was found
 * good before is not compiled again. ERR_INVALID: `why->path` is file:line:column, `why->text` names the transformation
 * and the error, with the line of code and a caret on lines of their own. The set keeps versions and counters alive
 * from one snapshot to the next: close the old one after the new one is in use. thread: any but a loop's; blocks. */
MUST enum err user_code_open(struct transform *transform, const struct workspace *workspace,
    struct user_code_set **ret_set, struct errinfo *why);
void user_code_close(struct user_code_set *set); /* takes NULL */

#endif
