/* A venue's request limit: so many in any window of so long.
 *
 * A bucket of tokens, each of which comes back one window after it was taken. A bucket that fills
 * evenly lets twice its size through in the window after a pause; this one never lets through more
 * than its limit in any window, which is how the venues count.
 *
 *   ring of the times at which tokens were taken:  [back][back][out][out][out]  ...
 *                                                   head: oldest still out ^    ^ tail: next
 *
 * The last reserve tokens are for what must not wait: cancels, unwinds, questions. A pause holds
 * back everything else. What the venue says of its own count (limit and tokens left) only ever
 * makes the bucket emptier: requests it has not yet seen are counted here already.
 *
 * Threads: one. Limits: times do not run backwards; no allocation.
 */
#ifndef ARB_RATE_BUCKET_H
#define ARB_RATE_BUCKET_H

#include <stddef.h>
#include <stdint.h>

enum { ARB_RATE_LIMIT_MAX = 4096 };

typedef struct arb_rate_bucket {
    int64_t window_ns;
    int64_t paused_until_ns;
    uint64_t head;            /* number of the oldest token still out */
    uint64_t tail;            /* number of the next to be taken */
    uint64_t refused_count;
    uint32_t limit;           /* tokens in all */
    uint32_t reserve;         /* of them for urgent requests alone */
    uint32_t reserve_percent; /* of a limit that the venue changes */
    uint32_t capacity;        /* places in the ring, a power of two, at least the limit */
} arb_rate_bucket_t;

/* Places for a limit that may yet grow to limit_max; 0: out of range. */
static inline uint32_t arb_rate_bucket_capacity(uint32_t limit_max)
{
    uint32_t capacity = 1;
    if (limit_max == 0 || limit_max > ARB_RATE_LIMIT_MAX)
        return 0;
    while (capacity < limit_max)
        capacity *= 2;
    return capacity;
}
static inline uint64_t arb_rate_bucket_bytes(uint32_t capacity)
{
    return sizeof(arb_rate_bucket_t) + (uint64_t)capacity * sizeof(int64_t);
}
static inline int64_t *arb_rate_taken(arb_rate_bucket_t *bucket)
{
    return (int64_t *)(bucket + 1);
}

/* Another limit; at least one token stays for requests that are not urgent. */
static inline void arb_rate_bucket_limit(arb_rate_bucket_t *bucket, uint32_t limit)
{
    bucket->limit = limit < 1 ? 1 : limit > bucket->capacity ? bucket->capacity : limit;
    bucket->reserve = (uint32_t)((uint64_t)bucket->limit * bucket->reserve_percent / 100);
    if (bucket->reserve >= bucket->limit)
        bucket->reserve = bucket->limit - 1;
}

static inline void arb_rate_bucket_init(arb_rate_bucket_t *bucket, uint32_t capacity,
                                        uint32_t limit, uint32_t reserve_percent, int64_t window_ns)
{
    bucket->window_ns = window_ns;
    bucket->paused_until_ns = INT64_MIN;
    bucket->head = bucket->tail = bucket->refused_count = 0;
    bucket->capacity = capacity;
    bucket->reserve_percent = reserve_percent;
    arb_rate_bucket_limit(bucket, limit);
}

/* Tokens in the bucket now, the reserve included. */
static inline uint32_t arb_rate_left(arb_rate_bucket_t *bucket, int64_t now_ns)
{
    const int64_t *taken = arb_rate_taken(bucket);
    const uint64_t mask = bucket->capacity - 1;
    while (bucket->head != bucket->tail && now_ns - taken[bucket->head & mask] >= bucket->window_ns)
        bucket->head++;
    const uint64_t out = bucket->tail - bucket->head;
    return out < bucket->limit ? bucket->limit - (uint32_t)out : 0;
}

/* How many tokens are out now. It changes nothing: for readers beside the bucket's own loop. */
static inline uint32_t arb_rate_used(const arb_rate_bucket_t *bucket, int64_t now_ns)
{
    const int64_t *taken = (const int64_t *)(bucket + 1);
    const uint64_t mask = bucket->capacity - 1;
    uint64_t position = bucket->head;
    const uint64_t end = bucket->tail;
    while (position < end && now_ns - taken[position & mask] >= bucket->window_ns)
        position++;
    return position < end ? (uint32_t)(end - position) : 0;
}

/* Whether a request may leave now; a refusal is counted. NULL: no limit. */
static inline int arb_rate_may(arb_rate_bucket_t *bucket, int64_t now_ns, int is_urgent)
{
    if (bucket == NULL)
        return 1;
    if ((is_urgent || now_ns >= bucket->paused_until_ns) &&
        arb_rate_left(bucket, now_ns) > (is_urgent ? 0 : bucket->reserve))
        return 1;
    bucket->refused_count++;
    return 0;
}

/* How long until arb_rate_may would say yes, if nothing else is taken meanwhile; 0: now. */
static inline int64_t arb_rate_wait_ns(arb_rate_bucket_t *bucket, int64_t now_ns, int is_urgent)
{
    const uint32_t kept = is_urgent ? 0 : bucket->reserve;
    const uint64_t out_max = bucket->limit - kept - 1;
    const uint32_t left = arb_rate_left(bucket, now_ns);
    int64_t wait_ns = is_urgent || bucket->paused_until_ns <= now_ns
                          ? 0
                          : bucket->paused_until_ns - now_ns;
    if (left <= kept) {
        /* the youngest of the tokens that must come back first */
        const uint64_t last = bucket->tail - out_max - 1;
        const int64_t back_ns =
            arb_rate_taken(bucket)[last & (bucket->capacity - 1)] + bucket->window_ns - now_ns;
        if (back_ns > wait_ns)
            wait_ns = back_ns;
    }
    return wait_ns;
}

/* Take a token for a request that leaves now, after arb_rate_may said yes. */
static inline void arb_rate_take(arb_rate_bucket_t *bucket, int64_t now_ns)
{
    if (bucket == NULL || bucket->tail - bucket->head == bucket->capacity)
        return;
    arb_rate_taken(bucket)[bucket->tail++ & (bucket->capacity - 1)] = now_ns;
}

/* The venue said how many it allows and how many are left until reset_ns (0: not said): others may
 * spend from the same account. */
static inline void arb_rate_told(arb_rate_bucket_t *bucket, int64_t now_ns, uint32_t limit,
                                 uint32_t left, int64_t reset_ns)
{
    int64_t *taken = arb_rate_taken(bucket);
    const uint64_t mask = bucket->capacity - 1;
    if (limit == 0 || left > limit)
        return;
    if (limit != bucket->limit)
        arb_rate_bucket_limit(bucket, limit);
    int64_t stamp_ns = now_ns;
    if (left == 0 && reset_ns > now_ns && reset_ns - now_ns < bucket->window_ns)
        stamp_ns = reset_ns - bucket->window_ns;
    if (bucket->head != bucket->tail && taken[(bucket->tail - 1) & mask] > stamp_ns)
        stamp_ns = taken[(bucket->tail - 1) & mask]; /* the ring stays in the order of time */
    while (arb_rate_left(bucket, now_ns) > left && bucket->tail - bucket->head < bucket->capacity)
        taken[bucket->tail++ & mask] = stamp_ns;
}

/* Hold back what is not urgent until then. */
static inline void arb_rate_pause(arb_rate_bucket_t *bucket, int64_t until_ns)
{
    if (bucket != NULL && until_ns > bucket->paused_until_ns)
        bucket->paused_until_ns = until_ns;
}

#endif
