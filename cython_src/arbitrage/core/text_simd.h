/* Expected text compared without branches: each comparison gives the bits that differ, a frame ORs
 * them and asks once.
 *
 * Threads: pure functions. Limits: each function reads exactly the bytes that its name says.
 * Built where ARB_AVX2_BUILT (cpu.h).
 */
#ifndef ARB_TEXT_SIMD_H
#define ARB_TEXT_SIMD_H

#include <string.h>

#include "number_tables.h"

#if ARB_AVX2_BUILT

/* Bits that differ from a text of up to 4 bytes; 4 are read. */
#define ARB_DIFFERS4(at, literal) arb_differs4((at), literal "\0\0\0", sizeof(literal) - 1)
/* The same for 8. */
#define ARB_DIFFERS8(at, literal) arb_differs8((at), literal "\0\0\0\0\0\0\0", sizeof(literal) - 1)

static inline uint64_t arb_differs4(const char *at, const char *literal, size_t bytes)
{
    uint32_t found, wanted;
    memcpy(&found, at, 4);
    memcpy(&wanted, literal, 4);
    return (found ^ wanted) << (32 - 8 * bytes);
}

static inline uint64_t arb_differs8(const char *at, const char *literal, size_t bytes)
{
    uint64_t found, wanted;
    memcpy(&found, at, 8);
    memcpy(&wanted, literal, 8);
    return (found ^ wanted) << (64 - 8 * bytes);
}

/* Bits that differ from 16 bytes in which a 0 stands for any byte. */
ARB_AVX2 static inline __m256i arb_differs16(const char *at, const char literal[17])
{
    __m128i wanted = _mm_loadu_si128((const __m128i *)literal);
    __m128i cared = _mm_cmpgt_epi8(wanted, _mm_setzero_si128());
    __m128i differs = _mm_xor_si128(_mm_loadu_si128((const __m128i *)at), wanted);
    return _mm256_zextsi128_si256(_mm_and_si128(cared, differs));
}

/* The same for 32. */
ARB_AVX2 static inline __m256i arb_differs32(const char *at, const char literal[33])
{
    __m256i wanted = _mm256_loadu_si256((const __m256i *)literal);
    __m256i cared = _mm256_cmpgt_epi8(wanted, _mm256_setzero_si256());
    __m256i differs = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)at), wanted);
    return _mm256_and_si256(cared, differs);
}

/* Bytes of a name before its '"', or before a byte that only the scanner judges (an escape, a
 * control byte, anything but ASCII, a blank); 32: longer. */
ARB_AVX2 static inline uint64_t arb_name_bytes32(const arb_number_tables_t *tables, __m256i text)
{
    /* '"' and all below it, and as signed bytes all that is not ASCII */
    __m256i low = _mm256_cmpgt_epi8(ARB_CONSTANT(tables, quote_next), text);
    __m256i escape = _mm256_cmpeq_epi8(text, ARB_CONSTANT(tables, escape));
    return _tzcnt_u32((uint32_t)_mm256_movemask_epi8(_mm256_or_si256(low, escape)));
}

/* Bits that differ between a name and the first `bytes` of 32 bytes of text. */
ARB_AVX2 static inline __m256i arb_name_differs32(const arb_number_tables_t *tables, __m256i name,
                                                  const char *at, uint64_t bytes)
{
    const uint8_t *keep = tables->keep_first + 32 - bytes;
    return _mm256_and_si256(_mm256_xor_si256(name, _mm256_loadu_si256((const __m256i *)at)),
                            _mm256_loadu_si256((const __m256i *)keep));
}

#endif
#endif
