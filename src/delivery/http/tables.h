/* Destinations whose definition says in tables what is sent: all of them by one kind. */
#ifndef SLUICE_DELIVERY_HTTP_TABLES_H
#define SLUICE_DELIVERY_HTTP_TABLES_H

#include "delivery/kind.h"

extern const struct delivery_kind delivery_tables;

#endif
