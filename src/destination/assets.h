/* JavaScript that is part of the program: what runs a destination's code, and what that code imports. Each is a C
 * string. Private to destination/. */
#ifndef SLUICE_DESTINATION_ASSETS_H
#define SLUICE_DESTINATION_ASSETS_H

extern const char asset_prelude_js[], asset_prelude_webhook_js[], asset_sluice_js[];

#endif
