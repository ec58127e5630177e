/* Basis: the slow average of how far a symbol's price on venue 1 lies above that on venue 0.
 *
 * Perpetuals of two venues may differ for days by a standing amount; an edge that is only this
 * basis does not converge. The average is exponential with a time constant, fed with mid prices at
 * intervals; while young it is the plain mean of its samples, so that it does not start from an
 * accident.
 *
 * Threads: one owner. Limits: two venues.
 */
#ifndef ARB_BASIS_H
#define ARB_BASIS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum { ARB_BASIS_SAMPLES_MIN = 50 }; /* fewer say nothing */

typedef struct arb_basis {
    double mean_bps;      /* (mid of venue 1 - mid of venue 0) / mid of venue 0, bps */
    uint64_t sample_count;
    int64_t last_mono_ns;
} arb_basis_t;

static inline bool arb_basis_is_known(const arb_basis_t *basis)
{
    return basis->sample_count >= ARB_BASIS_SAMPLES_MIN;
}

/* Add one sample; a mid that is NaN or not above zero is left out. */
static inline void arb_basis_add(arb_basis_t *basis, double mid_0, double mid_1,
                                 int64_t now_mono_ns, double time_constant_ns)
{
    if (!(mid_0 > 0 && mid_1 > 0))
        return;
    double sample_bps = (mid_1 - mid_0) / mid_0 * 1e4;
    double weight = (double)(now_mono_ns - basis->last_mono_ns) / time_constant_ns;
    double young = 1.0 / (double)(basis->sample_count + 1);
    weight = basis->sample_count == 0 || weight > 1 ? 1 : weight < young ? young : weight;
    basis->mean_bps += weight * (sample_bps - basis->mean_bps);
    basis->sample_count++;
    basis->last_mono_ns = now_mono_ns;
}

/* How far apart the venues stand on average, either way, in whole parts per million, rounded up; 0:
 * the average is not known. */
static inline int64_t arb_basis_known_ppm(const arb_basis_t *basis)
{
    if (!arb_basis_is_known(basis))
        return 0;
    double ppm = fabs(basis->mean_bps) * 100;
    /* rounded up; NaN too is far */
    return ppm < 1e15 ? (int64_t)ppm + ((double)(int64_t)ppm < ppm) : (int64_t)1e15;
}

/* What is left of an edge when the standing basis is taken out of it. */
static inline double arb_basis_excess_bps(const arb_basis_t *basis, double gross_bps,
                                          bool buys_venue_0)
{
    return buys_venue_0 ? gross_bps - basis->mean_bps : gross_bps + basis->mean_bps;
}

#endif
