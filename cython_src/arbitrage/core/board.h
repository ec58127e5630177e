/* Board: what only the trader's main thread knows, as bytes, for readers of other processes.
 *
 *   [ newest ][ page 0: version, bytes, words ... ][ page 1: version, bytes, words ... ]
 *
 * One writer fills the page that is not the newest, then names it the newest; each page is a
 * seqlock (seqlock.h), so a reader that is overtaken twice within one copy finds it out and looks
 * again. What it copied counts only if its page is still the newest: no reader ever goes back. A
 * writer that is killed within a page leaves the newest one whole.
 * Threads: one writer, the owner's main thread, a few times a second; readers anywhere. No hot
 * thread touches it. What the bytes say is no matter of this header.
 */
#ifndef ARB_BOARD_H
#define ARB_BOARD_H

#include "cacheline.h"
#include "seqlock.h"

enum {
    ARB_BOARD_BYTES_MAX = 1 << 16,
    ARB_BOARD_TRIES = 64,
};

typedef struct arb_board_page {
    uint64_t version;
    uint64_t bytes; /* of the text in words; 0: nothing was ever written */
    uint64_t words[ARB_BOARD_BYTES_MAX / 8];
} ARB_SEPARATED arb_board_page_t;

typedef struct arb_board {
    uint64_t newest; /* 0 or 1 */
    arb_board_page_t pages[2];
} ARB_SEPARATED arb_board_t;

/* Publish `bytes` of text; false when they are more than a page holds: the last ones stay. */
static inline bool arb_board_write(arb_board_t *board, const char *text, uint64_t bytes)
{
    if (bytes > ARB_BOARD_BYTES_MAX)
        return false;
    /* relaxed: this thread is the only writer */
    uint64_t place = 1 - arb_load_relaxed(&board->newest);
    arb_board_page_t *page = &board->pages[place];
    uint32_t whole = (uint32_t)(bytes & ~7ull), rest = (uint32_t)(bytes & 7);
    arb_seqlock_write_begin(&page->version);
    /* relaxed: ordered by the page's seqlock; pairs with arb_board_read */
    arb_store_relaxed(&page->bytes, bytes);
    arb_copy_words_in(page->words, text, whole);
    if (rest > 0) {
        uint64_t last = 0;
        memcpy(&last, text + whole, rest);
        arb_copy_words_in(page->words + whole / 8, &last, 8);
    }
    arb_seqlock_write_end(&page->version);
    /* release: the whole page is visible before it is the newest; pairs with arb_board_read */
    arb_store_release(&board->newest, place);
    return true;
}

/* Copy the newest text out, as one write left it; returns its bytes, 0 when there is none or the
 * writer was in the way ARB_BOARD_TRIES times. `text` has room for ARB_BOARD_BYTES_MAX. */
static inline uint64_t arb_board_read(const arb_board_t *board, char *text)
{
    for (uint32_t try_index = 0; try_index < ARB_BOARD_TRIES; try_index++) {
        /* acquire: the page that it names is whole, or being overwritten since, which its version
         * tells; pairs with arb_board_write */
        uint64_t place = arb_load_acquire(&board->newest);
        const arb_board_page_t *page = &board->pages[place & 1];
        uint64_t begun = arb_seqlock_read_begin(&page->version);
        /* relaxed: checked by the page's seqlock; pairs with arb_board_write */
        uint64_t bytes = arb_load_relaxed(&page->bytes);
        if (bytes > ARB_BOARD_BYTES_MAX)
            continue;
        uint32_t whole = (uint32_t)(bytes & ~7ull), rest = (uint32_t)(bytes & 7);
        arb_copy_words_out(text, page->words, whole);
        if (rest > 0) {
            uint64_t last;
            arb_copy_words_out(&last, page->words + whole / 8, 8);
            memcpy(text + whole, &last, rest);
        }
        /* acquire: a whole page that is not named yet would let the next read go back; pairs with
         * arb_board_write */
        if (arb_seqlock_read_valid(&page->version, begun)
            && arb_load_acquire(&board->newest) == place)
            return bytes;
    }
    return 0;
}

#endif
