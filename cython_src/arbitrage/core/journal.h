/* Journal: what this trader meant to do and what came of it, in files that outlive the process.
 *
 *   part 0: [ header: one page ][ record 1: 128 bytes ][ record 2 ] ... [ record n ]
 *   part 1: [ header ][ record n + 1 ] ...             append-only, fixed size
 *   record: [ checksum 8 | sequence 8 | wall 8 | mono 8 | run 4 | type 2 | bytes 2 | payload 88 ]
 *
 * A part is memory-mapped and its pages are written once at creation, so that an append is a copy
 * and a checksum, without a system call. A killed process loses nothing that was appended (the
 * pages are the kernel's); a power cut may lose the tail, which the checksum finds. Sequence counts
 * from 1 without holes through all parts of a run: the journal ends at the first record that is not
 * the next valid one.
 * The checksum is a chain of xor, odd multiply and rotate over 64-bit words: each step is a
 * bijection of the running value, so a change confined to one word is always found, others with
 * 1 - 2^-64.
 *
 * Rotation. The owner offers the next part, mapped and touched, while the present one fills; the
 * appender takes it when the present one is full. Where no part was offered in time an append is
 * refused, and the order it stood for must not leave.
 *
 * Durability. flush, when there is one, is called with each intent before its append returns; it
 * must bring the record to the disk. Without it the owner syncs now and then, or the kernel does.
 *
 * Threads: the strategy's appends; a cold one of the owner offers parts; anyone may read a whole
 * record it finds valid.
 */
#ifndef ARB_JOURNAL_H
#define ARB_JOURNAL_H

#include <stdbool.h>

#include "atomics.h"
#include "cacheline.h"
#include "records.h"

#define ARB_JOURNAL_MAGIC 0x314c4e524a425241ull /* "ARBJRNL1" */

enum {
    ARB_JOURNAL_VERSION = 3,
    ARB_JOURNAL_HEADER_BYTES = 4096,
    ARB_JOURNAL_RECORD_BYTES = 128,
    ARB_JOURNAL_PAYLOAD_BYTES = 88
};

typedef enum arb_journal_type {
    ARB_JOURNAL_EMPTY = 0,
    ARB_JOURNAL_RUN = 1,    /* arb_journal_run_t: a run began */
    ARB_JOURNAL_INTENT = 2, /* arb_order_t: about to be handed to a gateway */
    ARB_JOURNAL_EXEC = 3,   /* arb_exec_t: what the venue said, when the strategy took it */
    ARB_JOURNAL_PAIR = 4,   /* arb_journal_pair_t: a pair changed its phase */
    ARB_JOURNAL_KILL = 5,   /* arb_journal_kill_t: a control word changed */
    ARB_JOURNAL_CONTRACT = 6, /* arb_journal_contract_t: what a row's ticks and lots mean */
    ARB_JOURNAL_FILL = 7,     /* arb_journal_fill_t: one execution, exact */
    ARB_JOURNAL_FUNDING = 8,  /* arb_journal_funding_t: one settlement, exact */
    ARB_JOURNAL_POSITION = 9, /* arb_journal_position_t: what is held at one moment */
    ARB_JOURNAL_ADOPTED = 10, /* arb_journal_adopted_t: a pair taken over from an earlier run */
    ARB_JOURNAL_TAKEN = 11,   /* arb_journal_taken_t: all of them are; the run goes on from here */
    ARB_JOURNAL_TYPE_COUNT = 12
} arb_journal_type_t;

typedef struct arb_journal_header {
    uint64_t magic;
    uint32_t version;
    uint32_t record_bytes;
    uint64_t capacity;       /* records of this part */
    uint64_t first_sequence; /* of its first record */
    int64_t created_wall_ns;
    uint32_t run;
    uint32_t part;           /* from 0 */
} arb_journal_header_t;

typedef struct arb_journal_record {
    uint64_t checksum;       /* over the other 120 bytes; written last */
    uint64_t sequence;       /* from 1 in a run, no holes */
    int64_t wall_ns;
    int64_t mono_ns;
    uint32_t run;
    uint16_t type;           /* arb_journal_type_t */
    uint16_t payload_bytes;
    unsigned char payload[ARB_JOURNAL_PAYLOAD_BYTES];
} arb_journal_record_t;

_Static_assert(sizeof(arb_journal_record_t) == ARB_JOURNAL_RECORD_BYTES, "two cache lines");
_Static_assert(sizeof(arb_journal_header_t) <= ARB_JOURNAL_HEADER_BYTES, "the header is one page");
_Static_assert(sizeof(arb_order_t) <= ARB_JOURNAL_PAYLOAD_BYTES, "an intent fits a record");
_Static_assert(sizeof(arb_exec_t) <= ARB_JOURNAL_PAYLOAD_BYTES, "an execution fits a record");

typedef struct arb_journal_run {
    int64_t started_wall_ns;
    int64_t started_mono_ns;
    int64_t pid;
} arb_journal_run_t;

typedef struct arb_journal_pair {
    uint64_t opportunity_id;
    int64_t long_lots;  /* position of the buy leg */
    int64_t short_lots; /* position of the sell leg, positive when short */
    uint32_t pair;      /* number inside the run, as in the client ids */
    uint16_t buy_row;
    uint16_t sell_row;
    uint16_t symbol_index;
    uint8_t phase;      /* arb_pair_phase_t */
    uint8_t reason;     /* arb_exit_reason_t */
    uint8_t kind;       /* arb_pair_kind_t */
    uint8_t tag;        /* user's strategy that owns it; 0: built in */
    uint8_t reserved[2];
} arb_journal_pair_t;

/* Texts are ASCII, zero-padded; one of full length has no zero at its end. */
typedef struct arb_journal_contract {
    uint16_t row;
    uint16_t symbol_index;
    uint8_t venue;
    uint8_t reserved[3];
    char symbol[16];
    char venue_symbol[24];
    char tick[16]; /* price step, decimal */
    char lot[16];  /* quantity step in the venue's units, decimal */
} arb_journal_contract_t;

typedef struct arb_journal_kill {
    uint64_t kill;
    uint64_t opening_off;
    uint64_t flatten;
} arb_journal_kill_t;

/* ---- the account's records: a journal of its own, appended by the gateways' loop ---------------
 * A decimal is value * 10^exponent, exact. Times are the venue's. */

enum {
    ARB_JOURNAL_ROUNDED = 1,    /* a decimal had more digits than 63 bits hold */
    ARB_JOURNAL_RECOVERED = 2,  /* found at the venue after the run that traded it */
    ARB_JOURNAL_BY_LEDGER = 0,  /* who counted a position: we did, from its fills */
    ARB_JOURNAL_BY_VENUE = 1    /* the venue told it */
};

typedef struct arb_journal_fill {
    uint64_t client_id; /* 0: no order of ours */
    int64_t wall_ns;
    int64_t px;         /* of one coin, settlement currency */
    int64_t qty;        /* coins */
    int64_t fee;        /* settlement currency; positive: paid */
    char trade_id[36];  /* the venue's; a longer one is '#' and a hash of it */
    uint16_t row;
    uint8_t venue;
    uint8_t side;       /* arb_side_t */
    int8_t px_exponent;
    int8_t qty_exponent;
    int8_t fee_exponent;
    uint8_t mode;       /* whose money: see trading/account_journal.py */
    uint8_t flags;
    uint8_t reserved[3];
} arb_journal_fill_t;

typedef struct arb_journal_funding {
    int64_t wall_ns;
    int64_t amount;     /* settlement currency; positive: paid */
    char payment_id[48];
    uint16_t row;
    uint8_t venue;
    int8_t amount_exponent;
    uint8_t mode;
    uint8_t flags;
    uint8_t reserved[2];
} arb_journal_funding_t;

typedef struct arb_journal_position {
    int64_t wall_ns;
    int64_t qty;        /* coins; negative: short */
    int64_t entry_px;   /* average, of one coin; 0: flat or not known */
    uint16_t row;
    uint8_t venue;
    uint8_t source;     /* ARB_JOURNAL_BY_* */
    int8_t qty_exponent;
    int8_t entry_exponent;
    uint8_t mode;
    uint8_t flags;
} arb_journal_position_t;

_Static_assert(sizeof(arb_journal_fill_t) == ARB_JOURNAL_PAYLOAD_BYTES, "a fill fits a record");
_Static_assert(sizeof(arb_journal_funding_t) <= ARB_JOURNAL_PAYLOAD_BYTES, "so does a settlement");
_Static_assert(sizeof(arb_journal_position_t) == 32, "no padding");
/* A pair of an earlier run, as the new one holds it. A journal without the record TAKEN behind them
 * is that of a run that ended before it had taken over what stood: its own are void, the run before
 * it counts. */
typedef struct arb_journal_adopted {
    uint64_t opportunity_id;
    int64_t started_wall_ns;
    int64_t opened_wall_ns; /* 0: it never stood level */
    int64_t long_lots;      /* as in arb_journal_pair_t */
    int64_t short_lots;
    double buy_px;          /* average entry of each leg, venue quotation; NaN: not known */
    double sell_px;
    float buy_fee_bps;      /* average fee of its fills so far; NaN: not known */
    float sell_fee_bps;
    float funding_bps;      /* accrued */
    uint32_t from_run;      /* where it was opened, and its number there */
    uint32_t from_pair;
    uint16_t buy_row;
    uint16_t sell_row;
    uint16_t symbol_index;
    uint8_t phase;          /* arb_pair_phase_t it goes on in */
    uint8_t kind;           /* arb_pair_kind_t */
    uint8_t tag;            /* of an intent: whose pair it is */
    uint8_t reserved;
    uint16_t pair;          /* number inside this run: one of the first */
} arb_journal_adopted_t;

typedef struct arb_journal_taken {
    uint32_t pair_count;
    uint32_t from_run;      /* the run that was taken over; 0: there was none */
    uint8_t mode;           /* whose orders: see trading/past.py */
    uint8_t reserved[7];
} arb_journal_taken_t;

_Static_assert(sizeof(arb_journal_adopted_t) <= ARB_JOURNAL_PAYLOAD_BYTES, "a pair fits a record");

/* Bring a record to the disk; not 0: it is not there. */
typedef int (*arb_journal_flush_t)(const arb_journal_record_t *record);

/* The handle of appender and owner: private to their process, points into the mappings. */
typedef struct arb_journal {
    /* the appender's */
    arb_journal_record_t *records; /* of the part that fills; NULL: closed, every append refused */
    uint64_t capacity;             /* of that part */
    uint64_t base;                 /* records in the parts before it */
    uint64_t count;                /* records in all parts; readers load it relaxed for display */
    uint64_t refused;              /* appends that did not reach the journal, or not the disk */
    uint32_t run;
    /* the owner's */
    int64_t wall_offset_ns;        /* wall - mono */
    uint64_t spare;                /* address of the next part's records; 0: none, or taken */
    uint64_t spare_capacity;
    arb_journal_flush_t flush;     /* NULL: an append is done when the kernel has it */
} arb_journal_t;

static inline uint64_t arb_journal_checksum(const arb_journal_record_t *record)
{
    uint64_t mixed = 0x9E3779B97F4A7C15ull;
    for (uint32_t word_index = 1; word_index < ARB_JOURNAL_RECORD_BYTES / 8; word_index++) {
        uint64_t word;
        memcpy(&word, (const char *)record + 8 * word_index, 8);
        mixed = (mixed ^ word) * 0xD6E8FEB86659FD93ull;
        mixed = (mixed << 29) | (mixed >> 35);
    }
    mixed ^= mixed >> 32;
    return mixed != 0 ? mixed : 1; /* 0 means "nothing written" */
}

/* Whether a record is whole and is number sequence of this run. */
static inline bool arb_journal_record_valid(const arb_journal_record_t *record, uint32_t run,
                                            uint64_t sequence)
{
    return record->sequence == sequence && record->run == run &&
           record->type != ARB_JOURNAL_EMPTY && record->type < ARB_JOURNAL_TYPE_COUNT &&
           record->payload_bytes <= ARB_JOURNAL_PAYLOAD_BYTES &&
           record->checksum == arb_journal_checksum(record);
}

/* Records of a part from its start that are valid: where the journal ends. */
static inline uint64_t arb_journal_valid_count(const arb_journal_record_t *records,
                                               uint64_t capacity, uint32_t run,
                                               uint64_t first_sequence)
{
    uint64_t count = 0;
    while (count < capacity &&
           arb_journal_record_valid(records + count, run, first_sequence + count))
        count++;
    return count;
}

/* ---- owner, a cold thread ------------------------------------------------------------------- */

/* Is there no part in waiting? Also true once it was taken: then the one before it is finished. */
static inline bool arb_journal_wants_part(const arb_journal_t *journal)
{
    /* acquire: all records of the finished part are written; pairs with
     * journal.h:arb_journal_turn */
    return arb_load_acquire(&journal->spare) == 0;
}

/* Offer the next part: its pages are mapped, touched and zero. Only when one is wanted. */
static inline void arb_journal_offer(arb_journal_t *journal, arb_journal_record_t *records,
                                     uint64_t capacity)
{
    journal->spare_capacity = capacity;
    /* release: capacity and pages are ready; pairs with journal.h:arb_journal_turn and
     * arb_journal_room */
    arb_store_release(&journal->spare, (uint64_t)(uintptr_t)records);
}

/* ---- appender ------------------------------------------------------------------------------- */

/* Records that can surely be appended now. */
static inline uint64_t arb_journal_room(const arb_journal_t *journal)
{
    if (journal->records == NULL)
        return 0;
    uint64_t left = journal->capacity - (journal->count - journal->base);
    /* acquire: the capacity belongs to that part; pairs with journal.h:arb_journal_offer */
    return left + (arb_load_acquire(&journal->spare) != 0 ? journal->spare_capacity : 0);
}

/* Begin the part that was offered. false: none was. */
static inline bool arb_journal_turn(arb_journal_t *journal)
{
    /* acquire: its capacity and pages are ready; pairs with journal.h:arb_journal_offer */
    uint64_t spare = arb_load_acquire(&journal->spare);
    if (spare == 0)
        return false;
    journal->records = (arb_journal_record_t *)(uintptr_t)spare;
    journal->base += journal->capacity;
    journal->capacity = journal->spare_capacity;
    /* release: nothing is written to the finished part any more; pairs with
     * journal.h:arb_journal_wants_part */
    arb_store_release(&journal->spare, 0);
    return true;
}

/* Append one record. Strategy thread only. false: it did not reach the journal, or not the disk
 * where that is asked for; what it stood for must not happen. */
static inline bool arb_journal_append(arb_journal_t *journal, arb_journal_type_t type,
                                      const void *payload, uint32_t payload_bytes,
                                      int64_t now_mono_ns)
{
    if (ARB_UNLIKELY(journal->records == NULL || payload_bytes > ARB_JOURNAL_PAYLOAD_BYTES ||
                     (journal->count - journal->base == journal->capacity &&
                      !arb_journal_turn(journal)))) {
        arb_count(&journal->refused, 1);
        return false;
    }
    arb_journal_record_t local;
    local.sequence = journal->count + 1;
    /* relaxed: any recent offset will do; pairs with the owner's refresh */
    local.wall_ns = now_mono_ns + arb_load_relaxed(&journal->wall_offset_ns);
    local.mono_ns = now_mono_ns;
    local.run = journal->run;
    local.type = (uint16_t)type;
    local.payload_bytes = (uint16_t)payload_bytes;
    memset(local.payload, 0, sizeof local.payload);
    memcpy(local.payload, payload, payload_bytes);
    local.checksum = arb_journal_checksum(&local);
    arb_journal_record_t *record = journal->records + (journal->count - journal->base);
    arb_copy_words_in((uint64_t *)record + 1, (const char *)&local + 8,
                      ARB_JOURNAL_RECORD_BYTES - 8);
    /* release: the record is whole before its checksum stands; pairs with the reader's acquire
     * load */
    arb_store_release(&record->checksum, local.checksum);
    arb_count(&journal->count, 1);
    if (ARB_UNLIKELY(journal->flush != NULL) && type == ARB_JOURNAL_INTENT &&
        journal->flush(record) != 0) {
        arb_count(&journal->refused, 1);
        return false;
    }
    return true;
}

#endif
