/* The bytes of files as they are when the program is built (the Makefile names them as what this file depends on). */
#include "destination/assets.h"

#define ASSET(symbol, path) \
    __asm__(".pushsection .rodata\n" \
            ".global " #symbol "\n" \
            ".type " #symbol ", @object\n" #symbol ":\n" \
            ".incbin \"" path "\"\n" \
            ".byte 0\n" \
            ".size " #symbol ", . - " #symbol "\n" \
            ".popsection\n");

ASSET(asset_prelude_js, "src/destination/prelude.js")
ASSET(asset_prelude_webhook_js, "src/destination/prelude_webhook.js")
ASSET(asset_sluice_js, "src/destination/sluice.js")
