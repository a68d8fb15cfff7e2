/* The bytes of files as they are when the program is built (the Makefile names them as what this file depends on). */
#include "transform/assets.h"

#ifndef ACORN_JS
#error "the Makefile says where acorn.js is"
#endif

#define ASSET(symbol, path) \
    __asm__(".pushsection .rodata\n" \
            ".global " #symbol "\n" \
            ".type " #symbol ", @object\n" #symbol ":\n" \
            ".incbin \"" path "\"\n" \
            ".byte 0\n" \
            ".size " #symbol ", . - " #symbol "\n" \
            ".popsection\n");

ASSET(asset_acorn_js, ACORN_JS)
ASSET(asset_compiler_js, "src/transform/compiler.js")
ASSET(asset_runtime_js, "src/transform/runtime.js")
