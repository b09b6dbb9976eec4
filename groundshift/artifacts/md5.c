/* MD5 (RFC 1321) of many messages side by side, one in each lane of the processor's vectors.

A single MD5 is one long chain of dependent steps, which leaves most of a core idle. Messages that
have nothing to do with one another fill it. */

#include <stdint.h>
#include <string.h>

#include "../processors.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "words are read as they lie; hashlib does the work elsewhere"
#endif

enum { LANES = 16, WORDS = 16, BLOCK = 64 };

typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint32_t Four __attribute__((vector_size(16)));

static const uint32_t BEGIN[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

static const uint32_t SINES[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

/* One of the four rounds of 16 steps: `mix` of b, c and d, the word of step i, four rotations. */
#define ROUND(from, mix, word, r0, r1, r2, r3)                                                     \
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) {                                         \
        const int turn = i % 4 == 0 ? r0 : i % 4 == 1 ? r1 : i % 4 == 2 ? r2 : r3;                  \
        Words sum = a + (mix) + words[(word) % WORDS] + SINES[from + i];                            \
        a = d, d = c, c = b;                                                                       \
        b += sum << turn | sum >> (32 - turn);                                                     \
    }

/* Sixteen words of each lane, as they lie, into one vector per word with an element per lane. In
   squares of four, which any processor's vectors hold: the widest ones alone turn all at once. */
static inline __attribute__((always_inline)) void turn(Words *words, const uint8_t *const *rows) {
    for (int lane = 0; lane < LANES; lane += 4)
        for (int word = 0; word < WORDS; word += 4) {
            Four row[4];
            for (int i = 0; i < 4; i++)
                memcpy(&row[i], rows[lane + i] + word * sizeof(uint32_t), sizeof(Four));
            const Four a = __builtin_shuffle(row[0], row[1], (Four){0, 4, 1, 5});
            const Four b = __builtin_shuffle(row[0], row[1], (Four){2, 6, 3, 7});
            const Four c = __builtin_shuffle(row[2], row[3], (Four){0, 4, 1, 5});
            const Four d = __builtin_shuffle(row[2], row[3], (Four){2, 6, 3, 7});
            const Four column[4] = {
                __builtin_shuffle(a, c, (Four){0, 1, 4, 5}),
                __builtin_shuffle(a, c, (Four){2, 3, 6, 7}),
                __builtin_shuffle(b, d, (Four){0, 1, 4, 5}),
                __builtin_shuffle(b, d, (Four){2, 3, 6, 7}),
            };
            for (int i = 0; i < 4; i++)
                memcpy((uint32_t *)&words[word + i] + lane, &column[i], sizeof(Four));
        }
}

/* Take in whole blocks: lane l its own `counts[l]` from `data[l]` on; `states` is [word, lane]. */
EVERY_PROCESSOR
void md5_update(uint32_t *states, const uint8_t *const *data, const int64_t *counts) {
    static const uint8_t nothing[BLOCK];
    const uint8_t *at[LANES], *rows[LANES];
    int64_t most = 0;
    Words state[4];
    memcpy(state, states, sizeof state);
    for (int lane = 0; lane < LANES; lane++) {
        at[lane] = data[lane];
        most = counts[lane] > most ? counts[lane] : most;
    }
    for (int64_t block = 0; block < most; block++) {
        Words words[WORDS], live;
        for (int lane = 0; lane < LANES; lane++) {
            const int busy = block < counts[lane];
            rows[lane] = busy ? at[lane] : nothing;
            at[lane] += busy * BLOCK;
            live[lane] = busy ? UINT32_MAX : 0;
        }
        turn(words, rows);
        Words a = state[0], b = state[1], c = state[2], d = state[3];
        ROUND(0, d ^ (b & (c ^ d)), i, 7, 12, 17, 22)
        ROUND(16, c ^ (d & (b ^ c)), 5 * i + 1, 5, 9, 14, 20)
        ROUND(32, b ^ c ^ d, 3 * i + 5, 4, 11, 16, 23)
        ROUND(48, c ^ (b | ~d), 7 * i, 6, 10, 15, 21)
        state[0] += a & live, state[1] += b & live, state[2] += c & live, state[3] += d & live;
    }
    memcpy(states, state, sizeof state);
}

/* MD5s of `count` messages of `size` bytes, whole blocks, that follow one another in memory. */
void md5_alike(uint8_t *digests, const uint8_t *messages, int64_t count, int64_t size) {
    uint8_t closing[BLOCK] = {0x80};
    const uint64_t bits = 8 * (uint64_t)size;
    memcpy(closing + BLOCK - sizeof bits, &bits, sizeof bits);
    for (int64_t first = 0; first < count; first += LANES) {
        const uint8_t *data[LANES], *end[LANES];
        int64_t counts[LANES], ends[LANES];
        uint32_t states[4][LANES];
        for (int lane = 0; lane < LANES; lane++) {
            const int busy = first + lane < count;
            data[lane] = messages + (busy ? first + lane : 0) * size, end[lane] = closing;
            counts[lane] = busy ? size / BLOCK : 0, ends[lane] = 1;
            for (int word = 0; word < 4; word++)
                states[word][lane] = BEGIN[word];
        }
        md5_update(states[0], data, counts);
        md5_update(states[0], end, ends);
        for (int lane = 0; lane < LANES && first + lane < count; lane++)
            for (int word = 0; word < 4; word++, digests += sizeof(uint32_t))
                memcpy(digests, &states[word][lane], sizeof(uint32_t));
    }
}
