/* ASSET(symbol, path): the bytes of a file as they are when the program is built, with a NUL behind them. The Makefile
 * names the file as what the object depends on. Declare it as `extern const char symbol[];`. */
#ifndef SLUICE_BASE_ASSET_H
#define SLUICE_BASE_ASSET_H

#define ASSET(symbol, path) \
    __asm__(".pushsection .rodata\n" \
            ".global " #symbol "\n" \
            ".type " #symbol ", @object\n" #symbol ":\n" \
            ".incbin \"" path "\"\n" \
            ".byte 0\n" \
            ".size " #symbol ", . - " #symbol "\n" \
            ".popsection\n");

#endif
