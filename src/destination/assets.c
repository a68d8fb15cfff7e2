/* The bytes of files as they are when the program is built (the Makefile names them as what this file depends on). */
#include "destination/assets.h"

#include "base/asset.h"

ASSET(asset_prelude_js, "src/destination/prelude.js")
ASSET(asset_prelude_webhook_js, "src/destination/prelude_webhook.js")
ASSET(asset_sluice_js, "src/destination/sluice.js")
