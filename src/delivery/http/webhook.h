/* WEBHOOK: the event as it is, to a URL of the user's. */
#ifndef SLUICE_DELIVERY_HTTP_WEBHOOK_H
#define SLUICE_DELIVERY_HTTP_WEBHOOK_H

#include "delivery/kind.h"

extern const struct delivery_kind delivery_webhook;

#endif
