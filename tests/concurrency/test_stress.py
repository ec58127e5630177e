"""The C harnesses: real headers pass, weakened orders are reported, wrong algorithms are caught.

observed                                         outcome     sentence
-----------------------------------------------  ----------  ---------------------------------------
a harness ends with 0, with and without TSan     ACCEPTABLE  only acceptable outcomes were seen
TSan reports a harness over the real headers     FORBIDDEN   an order is too weak
TSan is silent about a weakened acquire/release  FORBIDDEN   the order, or the test, is for nothing
the stress passes a wrong algorithm              FORBIDDEN   it could not see a real bug either
"""

import itertools
import os
import time
from pathlib import Path

import pytest
from stress_build import (
    FORBIDDEN,
    HARNESSES,
    THREAD_HARNESSES,
    TSAN_REPORT,
    Mutant,
    Site,
    compile_harness,
    compile_mutant,
    run,
    sites,
    why_no_compiler,
    why_no_tsan,
)

pytestmark = pytest.mark.skipif(bool(why_no_compiler()), reason=why_no_compiler())
needs_tsan = pytest.mark.skipif(bool(why_no_tsan()), reason=why_no_tsan())
# gcc expands a short memcpy in line and does not instrument it: as a call, TSan sees the payload
TSAN_FLAGS = ("-g", "-fsanitize=thread", "-fno-builtin-memcpy")

# A wrong algorithm shows when its threads run at once. On a busy machine that is rare and comes in
# spells, so new seeds are tried for so long, and longer runs after each ten.
ONE_CORE = len(os.sched_getaffinity(0)) == 1
CATCH_S = 2.0 if ONE_CORE else 50.0
OPERATIONS_MAX = 10_000_000

# Where threads wait for each other, a busy machine makes every step a turn of its scheduler.
QUICK_OPERATIONS = {"spsc": 40_000, "mpsc": 20_000, "parker": 20_000, "takeover": 3_000}

# Orders whose weakening TSan must report: the payloads they order are plain memory. Taking over a
# killed holder's end is not part of the stress.
ORDERED = [
    site
    for header in ("spsc_ring.h", "mpsc_ring.h")
    for site in sites(header, "arb_load_acquire|arb_store_release")
    if not site.function.endswith("_recover")
]

# The same for the journal's parts; the record's own checksum is for readers of other processes.
JOURNAL_ORDERED = [
    site
    for site in sites("journal.h", "arb_load_acquire|arb_store_release")
    if site.function != "arb_journal_append"
]

# And for the pool's buffers, whose bytes are their holder's alone.
POOL_ORDERED = sites("buffer_pool.h", "arb_fetch_or_release|arb_compare_exchange_acq_rel")

NO_RECHECK = (
    (
        "return (begun & 1) == 0 && arb_load_relaxed(version) == begun;",
        "(void)version; return (begun & 1) == 0;",
    ),
)
# Nanoseconds that decide whether a reader of the board may go back, made long: the reader waits
# between which page it was told and the page, the writer between the page and telling of it.
SLOW_BOARD = (
    (
        "        uint64_t begun = arb_seqlock_read_begin(&page->version);",
        "        harness_dawdle();\n"
        "        uint64_t begun = arb_seqlock_read_begin(&page->version);",
    ),
    (
        "    arb_store_release(&board->newest, place);",
        "    harness_dawdle();\n    arb_store_release(&board->newest, place);",
    ),
)
LATE_SEQUENCE = (
    ("arb_store_relaxed(version, arb_load_relaxed(version) + 1);", "(void)version;"),
    (
        "arb_store_release(version, arb_load_relaxed(version) + 1);",
        "arb_store_release(version, arb_load_relaxed(version) + 2);",
    ),
)
MUTANTS = [
    Mutant("seqlock-no-recheck", "seqlock", "seqlock.h", NO_RECHECK),
    Mutant("seqlock-late-sequence", "seqlock", "seqlock.h", LATE_SEQUENCE),
    Mutant(
        "broadcast-no-recheck",
        "broadcast",
        "broadcast_ring.h",
        (
            (
                "return arb_slot_past(arb_load_relaxed(&slot->sequence), 2 * cursor + 2);",
                "return 0;",
            ),
        ),
    ),
    Mutant(
        "broadcast-late-sequence",
        "broadcast",
        "broadcast_ring.h",
        (("arb_store_relaxed(&slot->sequence, 2 * position + 1);", ";"),),
    ),
    Mutant("board-no-recheck", "board", "seqlock.h", NO_RECHECK),
    Mutant(
        "board-one-page-and-late-sequence",
        "board",
        "board.h",
        (
            ("uint64_t place = 1 - arb_load_relaxed(&board->newest);", "uint64_t place = 0;"),
            ("    arb_seqlock_write_begin(&page->version);", "    ;"),
            (
                "    arb_seqlock_write_end(&page->version);",
                "    arb_store_release(&page->version, arb_load_relaxed(&page->version) + 2);",
            ),
        ),
    ),
    Mutant(
        "board-no-second-look-at-newest",
        "board",
        "board.h",
        (
            *SLOW_BOARD,
            (
                "            && arb_load_acquire(&board->newest) == place)",
                "            && place == place)",
            ),
        ),
        flags=("-Wno-tautological-compare",),
    ),
    Mutant("lane-no-recheck", "lane", "seqlock.h", NO_RECHECK),
    Mutant("lane-late-sequence", "lane", "seqlock.h", LATE_SEQUENCE),
    Mutant(
        "lane-forgets-bits-that-did-not-fit",
        "lane",
        "market_pipeline.h",
        (("arb_fetch_or_release(word, left);", ";"),),
    ),
    Mutant(
        "tap-no-recheck",
        "tap",
        "frame_tap.h",
        (
            (
                "return arb_load_relaxed(&tap->intent) - cursor <= tap->capacity;",
                "(void)tap, (void)cursor; return true;",
            ),
        ),
    ),
    Mutant(
        "door-does-not-wait-for-the-trader",
        "door",
        "intent_door.h",
        (
            (
                "position - arb_load_acquire(&door->taken) >= ARB_DOOR_CAPACITY",
                "position - arb_load_acquire(&door->taken) >= 2 * ARB_DOOR_CAPACITY",
            ),
        ),
    ),
    Mutant(
        "journal-takes-a-part-twice",
        "journal",
        "journal.h",
        (("    arb_store_release(&journal->spare, 0);", "    ;"),),
    ),
    Mutant(
        "journal-gives-a-part-back-one-record-early",
        "journal",
        "journal.h",
        (
            (
                "journal->count - journal->base == journal->capacity",
                "journal->count - journal->base + 1 >= journal->capacity",
            ),
        ),
    ),
    Mutant(
        "pool-takes-without-an-exchange",
        "buffer",
        "buffer_pool.h",
        (
            (
                "if (!arb_compare_exchange_acq_rel(&pool->free_bits[word_index], &bits,\n"
                "                                              bits & (bits - 1)))\n"
                "                continue;",
                "arb_store_relaxed(&pool->free_bits[word_index], bits & (bits - 1));",
            ),
        ),
    ),
    Mutant(
        "pool-gives-by-a-store",
        "buffer",
        "buffer_pool.h",
        (
            (
                "uint64_t before = arb_fetch_or_release(&pool->free_bits[index / 64], bit);",
                "uint64_t before = arb_load_relaxed(&pool->free_bits[index / 64]);\n"
                "    arb_store_release(&pool->free_bits[index / 64], before | bit);",
            ),
        ),
    ),
    Mutant(
        "pool-forgets-the-other-words",
        "buffer",
        "buffer_pool.h",
        (("word_index < pool->word_count; word_index++) {", "word_index < 1; word_index++) {"),),
    ),
    Mutant(
        "parker-takes-the-flag-but-does-not-wake",
        "parker",
        "parker.h",
        (("syscall(SYS_futex, &parker->parked, FUTEX_WAKE, 1, NULL, NULL, 0);", ";"),),
    ),
    Mutant(
        "takeover-producer-does-not-recover",
        "takeover",
        "spsc_ring.h",
        (("arb_slot_free(position)) > 0)", "arb_slot_free(position)) > INT64_MAX - 1)"),),
    ),
    Mutant(
        "takeover-consumer-does-not-recover",
        "takeover",
        "spsc_ring.h",
        (("arb_slot_full(position)) > 0)", "arb_slot_full(position)) > INT64_MAX - 1)"),),
    ),
    Mutant(
        "takeover-writer-does-not-recover",
        "takeover",
        "broadcast_ring.h",
        (
            (
                "(ring, position)->sequence) == 2 * position + 2)",
                "(ring, position)->sequence) == 0)",
            ),
        ),
    ),
    Mutant("parker-no-second-look", "parker", flags=("-DMUTANT_NO_SECOND_LOOK",)),
]

# Needs two threads within nanoseconds of each other, so a free core for each; the exhaustive model
# rejects the same mutant on every machine.
NO_FENCE = Mutant(
    "parker-no-fence",
    "parker",
    flags=('-Darb_fence_seq_cst()=__asm__ __volatile__("":::"memory")',),
)


@pytest.mark.parametrize("name", HARNESSES)
def test_real_headers_show_only_acceptable_outcomes(name: str, tmp_path: Path) -> None:
    binary = compile_harness(name, tmp_path / name)
    code, output = run(binary, QUICK_OPERATIONS.get(name, 400_000))
    assert code == 0, output


def test_the_slow_board_shows_only_acceptable_outcomes(tmp_path: Path) -> None:
    """What makes a wrong board fail is no fault by itself."""
    binary = compile_mutant(Mutant("board-slow", "board", "board.h", SLOW_BOARD), tmp_path)
    code, output = run(binary, 40_000)
    assert code == 0, output


@needs_tsan
@pytest.mark.parametrize("name", THREAD_HARNESSES)
def test_thread_sanitizer_is_silent_about_real_headers(name: str, tmp_path: Path) -> None:
    binary = compile_harness(name, tmp_path / name, *TSAN_FLAGS, optimise="-O1")
    code, output = run(binary, QUICK_OPERATIONS.get(name, 400_000) // 4)
    assert code == 0, output


def test_every_order_of_the_plain_payload_rings_is_known() -> None:
    """Four hand-offs each: producer acquires and releases, consumer acquires and releases."""
    assert len(ORDERED) == 8, [str(site) for site in ORDERED]
    assert len(JOURNAL_ORDERED) == 5, [str(site) for site in JOURNAL_ORDERED]
    assert len(POOL_ORDERED) == 2, [str(site) for site in POOL_ORDERED]


@needs_tsan
@pytest.mark.parametrize("site", [*ORDERED, *JOURNAL_ORDERED, *POOL_ORDERED], ids=str)
def test_a_weakened_order_is_reported(site: Site, tmp_path: Path) -> None:
    weaken = (f"-DARB_WEAKEN_FIRST={site.first}", f"-DARB_WEAKEN_LAST={site.last}")
    name = Path(site.header).stem.split("_")[0]
    binary = compile_harness(name, tmp_path / name, *TSAN_FLAGS, *weaken, optimise="-O1")
    operations, deadline = 20_000, time.monotonic() + CATCH_S
    for seed in itertools.count(1):
        code, output = run(binary, operations, seed)
        if code == TSAN_REPORT:
            assert "data race" in output
            return
        if seed >= 5:  # where cores are short, threads run one after the other for long
            if time.monotonic() > deadline:
                break
            operations = min(2 * operations, OPERATIONS_MAX)
    pytest.fail(f"TSan did not report {site} made relaxed: exit code {code}, {output}")


@pytest.mark.parametrize(
    "mutant",
    [*MUTANTS, pytest.param(NO_FENCE, marks=pytest.mark.long)],
    ids=lambda mutant: mutant.name,
)
def test_a_wrong_algorithm_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    binary = compile_mutant(mutant, tmp_path)
    operations = QUICK_OPERATIONS.get(mutant.harness, 40_000) * 10
    deadline = time.monotonic() + CATCH_S
    for seed in itertools.count(1):
        code, output = run(binary, operations, seed, timeout=60)
        if code == FORBIDDEN:
            return
        if time.monotonic() > deadline:
            break
        if seed % 10 == 0 and operations < OPERATIONS_MAX:
            operations *= 2
    if ONE_CORE:
        pytest.skip("one core: threads never run at once, so this bug hardly ever shows")
    pytest.fail(f"{mutant.name} passed {seed} runs: exit code {code}, {output}")
