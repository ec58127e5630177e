/* Risk room: what the gate's limits of money leave, for whoever sizes an order to fit them.
 *
 * Threads: the strategy's.
 */
#ifndef ARB_RISK_ROOM_H
#define ARB_RISK_ROOM_H

#include "risk.h"

/* What the limits of money leave for each leg of a new pair, and which of them leaves least. */
typedef struct arb_risk_room {
    int64_t micro; /* below 0: a limit is passed already */
    arb_risk_reason_t reason;
} arb_risk_room_t;

static inline void arb_risk_narrow(arb_risk_room_t *room, int64_t micro, arb_risk_reason_t reason)
{
    if (micro >= room->micro)
        return;
    room->micro = micro;
    room->reason = reason;
}

static inline arb_risk_room_t arb_risk_pair_room(const arb_risk_t *risk, uint32_t symbol_index,
                                                 const uint32_t rows[2], const uint32_t venues[2])
{
    const arb_risk_limits_t *limits = &risk->limits;
    arb_risk_room_t room = {arb_risk_limit(&limits->order_micro_max), ARB_RISK_ORDER_NOTIONAL};
    for (uint32_t leg = 0; leg < 2; leg++) {
        arb_risk_narrow(
            &room, arb_risk_limit(&limits->position_micro_max) - risk->exposure_micro[rows[leg]],
            ARB_RISK_POSITION_NOTIONAL);
        arb_risk_narrow(&room,
                        arb_risk_limit(&limits->venue_micro_max) - risk->venue_micro[venues[leg]],
                        ARB_RISK_VENUE_NOTIONAL);
    }
    arb_risk_narrow(
        &room, (arb_risk_limit(&limits->symbol_micro_max) - risk->symbol_micro[symbol_index]) / 2,
        ARB_RISK_SYMBOL_NOTIONAL);
    arb_risk_narrow(&room, (arb_risk_limit(&limits->gross_micro_max) - risk->gross_micro) / 2,
                    ARB_RISK_GROSS_NOTIONAL);
    return room;
}

#endif
