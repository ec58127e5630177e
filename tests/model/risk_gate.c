/* The risk gate as a library, so that it can be built from a header that was changed on purpose. */
#include <stdlib.h>

#include "risk.h"

typedef struct {
    arb_risk_t risk;
    uint64_t kill, opening_off, flatten;
    uint8_t paused[ARB_SYMBOLS_MAX];
} gate_t;

gate_t *gate_new(const arb_risk_limits_t *limits)
{
    gate_t *gate = calloc(1, sizeof *gate);
    arb_risk_init(&gate->risk, limits, &gate->kill, &gate->opening_off, &gate->flatten,
                  gate->paused);
    return gate;
}
void gate_free(gate_t *gate) { free(gate); }
void gate_limits(gate_t *gate, const arb_risk_limits_t *limits)
{
    arb_risk_set_limits(&gate->risk, limits);
}

void gate_words(gate_t *gate, uint64_t kill, uint64_t opening_off, uint64_t flatten)
{
    gate->kill = kill;
    gate->opening_off = opening_off;
    gate->flatten = flatten;
}
uint64_t gate_kill(const gate_t *gate) { return gate->kill; }
void gate_pause(gate_t *gate, uint32_t symbol, uint8_t on) { gate->paused[symbol] = on; }

void gate_pair(gate_t *gate, uint32_t symbol, uint8_t open)
{
    if (open)
        arb_risk_pair_begin(&gate->risk, symbol);
    else
        arb_risk_pair_end(&gate->risk, symbol);
}
void gate_exposure(gate_t *gate, uint32_t row, uint32_t venue, uint32_t symbol, int64_t micro)
{
    arb_risk_set_exposure(&gate->risk, row, venue, symbol, micro);
}
void gate_one_sided(gate_t *gate, uint32_t symbol, int64_t micro)
{
    arb_risk_set_one_sided(&gate->risk, symbol, micro);
}
void gate_day(gate_t *gate, int64_t micro, int64_t wall_ns)
{
    arb_risk_begin_day(&gate->risk, micro, wall_ns);
}
void gate_result(gate_t *gate, int64_t micro, int64_t wall_ns)
{
    arb_risk_note_result(&gate->risk, micro, wall_ns);
}
int gate_check(gate_t *gate, const arb_risk_order_t *order, int64_t other, int64_t orders,
               int64_t now)
{
    return (int)arb_risk_check(&gate->risk, order, other, orders, now);
}
void gate_take(gate_t *gate) { arb_risk_take(&gate->risk); }
int64_t gate_pico(double px) { return arb_risk_pico(px); }
int64_t gate_micro(double px, double qty) { return arb_risk_micro(px, qty); }
int gate_beyond(double one, double mid, int64_t ppm)
{
    int64_t a = arb_risk_pico(one), b = arb_risk_pico(mid);
    return arb_risk_is_beyond(a > b ? a - b : b - a, b, ppm);
}
