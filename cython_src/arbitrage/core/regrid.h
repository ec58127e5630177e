/* Counts of one grid brought onto another, exactly or to the side that is wanted.
 *
 * A venue may change a contract's tick or lot while a position is held. The strategy goes on
 * counting in the ticks and lots that it began with; orders leave on the venue's grid of now.
 * Fractions are reduced, both parts above zero. Cost: two 128-bit divisions, and only for rows
 * whose grid has changed.
 */
#ifndef ARB_REGRID_H
#define ARB_REGRID_H

#include <stdint.h>

#include "records.h"

typedef struct arb_regrid {
    int64_t px_num, px_den;   /* old tick over new tick; px_den 0: the grid has not changed */
    int64_t qty_num, qty_den; /* old lot over new lot, in coins */
} arb_regrid_t;

/* Ticks of the new grid, rounded away from us: a buy up, a sell down; at least one tick. */
static inline int64_t arb_regrid_ticks(const arb_regrid_t *regrid, int64_t ticks, uint8_t side)
{
    __int128 scaled = (__int128)ticks * regrid->px_num;
    __int128 count = scaled / regrid->px_den;
    if (side == ARB_SIDE_BUY && scaled % regrid->px_den != 0)
        count++;
    if (count < 1)
        return 1;
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

/* Whole lots of the new grid that are not more than these; 0 when they make none. */
static inline int64_t arb_regrid_lots(const arb_regrid_t *regrid, int64_t lots)
{
    __int128 count = (__int128)lots * regrid->qty_num / regrid->qty_den;
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

#endif
