/* What the processor can do beyond the baseline: the one place that chooses vector code, at run
 * time.
 *
 * The package is built for the baseline of its architecture, so that one wheel runs everywhere. A
 * function with wider instructions carries ARB_AVX2, exists only where ARB_AVX2_BUILT is 1, and is
 * called only behind arb_cpu_has_avx2(). Beside it stands a baseline with the same result to the
 * last bit. Tests force the baseline with -DARB_NO_AVX2; -DARB_NO_SIMD takes SSE2 away, too, as on
 * other architectures.
 *
 * Threads: pure; the processor was asked when the program was loaded.
 */
#ifndef ARB_CPU_H
#define ARB_CPU_H

#include <stdbool.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && \
    !defined(ARB_NO_AVX2) && !defined(ARB_NO_SIMD)
#include <immintrin.h>
#define ARB_AVX2_BUILT 1
/* BMI came with AVX2; pdep and pext, which are slow on some of these processors, are not used */
#define ARB_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#else
#define ARB_AVX2_BUILT 0
#endif

/* May functions that carry ARB_AVX2 be called? */
static inline bool arb_cpu_has_avx2(void)
{
#if ARB_AVX2_BUILT
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
#else
    return false;
#endif
}

#endif
