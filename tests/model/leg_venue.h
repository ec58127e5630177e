/* Two venues that do anything a venue may do, in virtual time, and the gateways in front of them.
 * What they are is written from the venues' rules and the gateways' promises, not from the
 * strategy's headers: only the records are shared. All chance is one generator, so that a scenario
 * is its number. */
#ifndef LEG_VENUE_H
#define LEG_VENUE_H

#include "leg_world.h"

/* ---- what reaches the strategy --------------------------------------------------------------- */

static void tell(const arb_exec_t *exec); /* the scenario's: into the ring of executions */

static void tell_of(const order_t *order, uint8_t kind, int64_t last, int64_t cum, double px,
                    uint32_t code)
{
    arb_exec_t exec = {.client_id = order->sent.client_id, .recv_mono_ns = world.now, .px = px,
                       .last_qty_lots = last, .cum_qty_lots = cum, .venue_code = code,
                       .row = order->sent.row, .venue = order->sent.venue, .kind = kind,
                       .side = order->sent.side};
    exec.fee_bps =
        kind == ARB_EXEC_FILL ? (float)FEE_RATE[order->sent.venue] * 10000 / FEE_UNITS : 0;
    tell(&exec);
}

static const double PX_TICK[ROWS] = {0.1, 0.01, 0.1, 1e-5};

static const int64_t STEP_LOTS[SYMBOLS][VENUES] = {{3, 2}, {1, 100}};

/* The same on both legs, in steps of the common grid, by what was told. */
static bool is_level(uint32_t symbol)
{
    int64_t first = world.known[symbol], second = world.known[SYMBOLS + symbol];
    const int64_t *step = STEP_LOTS[symbol];
    return first % step[0] == 0 && second % step[1] == 0 && first / step[0] == -(second / step[1]);
}

static void change_known(uint32_t row, int64_t lots)
{
    uint32_t symbol = row % SYMBOLS;
    world.known[row] += lots;
    if (is_level(symbol)) /* for a moment, maybe, but it was */
        world.uneven_since[symbol] = 0;
    else if (world.uneven_since[symbol] == 0)
        world.uneven_since[symbol] = world.now;
}

/* Told of so many lots in all: by executions, or by the count of the end. */
static void note_known(order_t *order, int64_t lots)
{
    int64_t more = lots - order->known;
    if (more <= 0)
        return;
    order->known = lots;
    change_known(order->sent.row, order->sent.side == ARB_SIDE_BUY ? more : -more);
}

static void tell_done(order_t *order)
{
    if (order->done_told || order->final < 0 || order->told_sum < order->final)
        return;
    order->done_told = true;
    tell_of(order, ARB_EXEC_DONE, 0, order->final, NAN, 0);
}

/* The gateway takes an execution, each once; the ledger gets every one, repeats too. */
static void take_fill(int32_t trade_index)
{
    trade_t *trade = &world.trades[trade_index];
    order_t *order = &world.orders[trade->order];
    if (world.book != NULL)
        fprintf(world.book, "F %u %u %lld %lld %d\n", order->sent.row, order->sent.side,
                (long long)trade->px_ticks, (long long)trade->lots, trade_index);
    if (trade->told)
        return;
    trade->told = true;
    bool known = order->done_told || order->reject_told;
    order->told_sum += trade->lots;
    note_known(order, order->told_sum);
    double px = (double)trade->px_ticks * PX_TICK[order->sent.row];
    tell_of(order, ARB_EXEC_FILL, trade->lots, known ? -1 : order->told_sum, px, 0);
    if (order->hostile && !known && chance(20)) /* a copy, word for word */
        tell_of(order, ARB_EXEC_FILL, trade->lots, order->told_sum, px, 0);
    tell_done(order);
}

static void take_over(order_t *order)
{
    if (order->reject_told)
        return;
    if (order->hostile && !order->done_told) { /* the end first, its executions later */
        order->done_told = true;
        note_known(order, order->filled);
        tell_of(order, ARB_EXEC_DONE, 0, order->filled, NAN, 0);
        return;
    }
    order->final = order->filled;
    tell_done(order);
}

static void tell_reject(order_t *order, uint32_t code)
{
    if (order->done_told || order->reject_told)
        return;
    order->reject_told = true;
    tell_of(order, ARB_EXEC_REJECT, 0, 0, NAN, code);
}

/* ---- the venue ------------------------------------------------------------------------------- */

static void trade(int32_t order_index, int64_t lots)
{
    order_t *order = &world.orders[order_index];
    uint32_t row = order->sent.row;
    int64_t sign = order->sent.side == ARB_SIDE_BUY ? 1 : -1;
    int64_t px_ticks = order->sent.px_ticks - sign * between(0, 2);
    if (world.trade_count == TRADES_MAX)
        fail("the model ran out of trades");
    px_ticks = px_ticks < 1 ? 1 : px_ticks;
    world.trades[world.trade_count++] = (trade_t){order_index, lots, px_ticks, false};
    world.position[row] += sign * lots;
    world.cash[row] -= sign * lots * px_ticks;
    world.fees[row] += lots * px_ticks * FEE_RATE[order->sent.venue];
    order->filled += lots;
    order->trade_count++;
}

/* A push takes its time, now and then long; on a dark line it is lost. */
static int64_t push_delay(void)
{
    return world.healed ? between(1, MS)
           : chance(5)  ? between(100 * MS, 500 * MS)
                        : between(1, 20 * MS);
}

static void match(int32_t order_index)
{
    order_t *order = &world.orders[order_index];
    uint32_t row = order->sent.row;
    int64_t sign = order->sent.side == ARB_SIDE_BUY ? 1 : -1;
    int64_t can = order->sent.qty_lots, held = -sign * world.position[row];
    if ((order->sent.flags & ARB_ORDER_REDUCE_ONLY) != 0)
        can = held < can ? held : can;
    if (can <= 0) { /* nothing to reduce */
        order->over = true;
        order->refused = true;
        later(push_delay(), EV_REFUSED, order_index, order->sent.venue == 0 ? 110017 : 51169);
        return;
    }
    int64_t total = can;
    if (world.faulty && !world.healed)
        total = chance(15) ? 0 : chance(50) ? can : between(0, can);
    order->trade_first = world.trade_count;
    int64_t left = total;
    for (int64_t parts = between(1, 4); left > 0; parts--) {
        int64_t lots = parts <= 1 ? left : between(1, left);
        trade(order_index, lots);
        left -= lots;
    }
    order->over = true;
    if (!(world.faulty && chance(8)))
        later(push_delay(), EV_ACK, order_index, 0);
    for (int32_t index = 0; index < order->trade_count; index++) {
        if (world.faulty && !world.healed && !order->hostile && chance(3))
            continue; /* a lost push: the question finds it */
        later(order->hostile ? between(1, 20 * MS) : push_delay(), EV_FILL,
              order->trade_first + index, 0);
        if (chance(5))
            later(push_delay(), EV_FILL, order->trade_first + index, 0);
    }
    if (!(world.faulty && !world.healed && chance(4)))
        later(push_delay(), EV_OVER, order_index, 0);
}

static void arrive(int32_t order_index)
{
    order_t *order = &world.orders[order_index];
    order->arrived = true;
    if (order->answer < 0) {
        match(order_index);
        return;
    }
    const code_t *code = &codes[order->answer];
    if (code->action == ACTION_QUERY && chance(50)) {
        match(order_index); /* it lives, whatever the answer says */
    } else {
        order->over = true;
        order->refused = true;
    }
    later(push_delay(), EV_REFUSED, order_index, code->code | (int64_t)code->action << 32);
}

/* What the gateway does with an order of the ring. */
static void accept_order(const arb_order_t *sent, int64_t timeout)
{
    if (world.order_count == ORDERS_MAX)
        fail("more orders than any scenario needs");
    int32_t index = world.order_count++;
    order_t *order = &world.orders[index];
    bool reduces = (sent->flags & ARB_ORDER_REDUCE_ONLY) != 0;
    *order = (order_t){.sent = *sent, .final = -1, .answer = -1};
    order->hostile = world.faulty && chance(25);
    if (!reduces && (world.dark_until[sent->venue] > world.now || (world.faulty && chance(1)))) {
        order->over = true; /* no line, or no token: it never left */
        tell_reject(order, chance(50) ? 1 : 2);
        return;
    }
    tell_of(order, ARB_EXEC_SENT, 0, -1, NAN, 0);
    if (world.faulty && !world.healed && chance(12)) {
        do /* each code in its turn */
            world.turn = (world.turn + 1) % code_count;
        while (codes[world.turn].venue != sent->venue);
        order->answer = (int32_t)world.turn;
        codes[world.turn].seen++;
    }
    order->lost = world.faulty && !world.healed && chance(3);
    if (!order->lost)
        later(between(1, world.faulty && chance(5) ? 200 * MS : 5 * MS), EV_ARRIVE, index, 0);
    later(timeout, EV_DEADLINE, index, 0);
}

/* The gateway asks for an order until it knows its end. */
static void ask(int32_t order_index)
{
    order_t *order = &world.orders[order_index];
    if (order->done_told || order->reject_told)
        return;
    bool dark = world.dark_until[order->sent.venue] > world.now;
    bool hasty = order->hostile && (order->sent.flags & ARB_ORDER_REDUCE_ONLY) == 0 && chance(30);
    if (!dark && !order->lost && !order->arrived && hasty) {
        tell_reject(order, 4); /* "not found", and then it arrives and fills after all */
    } else if (dark || (!order->lost && !order->arrived)) { /* no answer, or too early a one */
        later(between(5 * MS, 50 * MS), EV_ASK, order_index, 0);
    } else if (order->lost || order->refused) {
        tell_reject(order, 4);
    } else {
        for (int32_t index = 0; index < order->trade_count; index++)
            take_fill(order->trade_first + index);
        order->hostile = false;
        take_over(order);
    }
}

static void begin_asking(int32_t order_index)
{
    order_t *order = &world.orders[order_index];
    if (!order->asked)
        later(between(1, world.healed ? MS : 60 * MS), EV_ASK, order_index, 0);
    order->asked = true;
}

/* A refusal reaches the gateway: over, or, where the code leaves it open, to be asked for. */
static void take_refusal(int32_t order_index, int64_t more)
{
    order_t *order = &world.orders[order_index];
    if (order->done_told || order->reject_told)
        return;
    if (more >> 32 != ACTION_QUERY) {
        tell_reject(order, (uint32_t)more);
        return;
    }
    tell_of(order, ARB_EXEC_TIMEOUT, 0, -1, NAN, (uint32_t)more);
    begin_asking(order_index);
}

static bool is_dark(const order_t *order)
{
    return world.dark_until[order->sent.venue] > world.now;
}

/* Returns whether the event was one of an order. */
static bool venue_event(const event_t *event)
{
    order_t *order =
        &world.orders[event->type == EV_FILL ? world.trades[event->index].order : event->index];
    switch (event->type) {
    case EV_ARRIVE:
        if (is_dark(order) && chance(50))
            order->lost = true; /* into the gap */
        else
            arrive(event->index);
        return true;
    case EV_ACK:
        if (!is_dark(order) && !order->done_told && !order->reject_told && !order->acked) {
            order->acked = true;
            tell_of(order, ARB_EXEC_ACK, 0, -1, NAN, 0);
        }
        return true;
    case EV_REFUSED:
        if (!is_dark(order))
            take_refusal(event->index, event->more);
        return true;
    case EV_FILL:
        if (!is_dark(order))
            take_fill(event->index);
        else if (order->hostile) /* nobody asks any more: the stream's catching up tells it */
            later(10 * MS, EV_FILL, event->index, 0);
        return true;
    case EV_OVER:
        if (!is_dark(order))
            take_over(order);
        return true;
    case EV_DEADLINE:
        if (!order->done_told && !order->reject_told) {
            tell_of(order, ARB_EXEC_TIMEOUT, 0, -1, NAN, 0);
            begin_asking(event->index);
        }
        return true;
    case EV_ASK:
        ask(event->index);
        return true;
    default:
        return false;
    }
}

#endif
