/* JavaScript that is part of the program: our two sources and Debian's acorn, put in by the assembler. Each is a C
 * string. */
#ifndef SLUICE_TRANSFORM_ASSETS_H
#define SLUICE_TRANSFORM_ASSETS_H

extern const char asset_acorn_js[], asset_compiler_js[], asset_runtime_js[];

#endif
