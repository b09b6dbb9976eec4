/* Winograd's F(4 x 4, 3 x 3), shared by `convolution.c` and `recurrence.c`.
 *
 * A tile is 4 x 4 pixels of output; 6 x 6 pixels of input are turned into 36 values, for each of
 * which input channels are weighed and added up, and the 36 sums are turned back into 16 pixels:
 * 36 multiplications where there were 144. Points 0, 1, -1, 1/2, -1/2 and infinity; those with 2
 * in place of 1/2 lose a digit more.
 *
 * Images are stored so that LANES neighbouring tiles fill a register:
 *
 *     float image[block][channel][16 pixels of a tile][LANES tiles]
 *
 * STRIP registers of tiles are worked through at a time, so that what they need stays in a
 * processor's own cache.
 *
 * The text that includes this one names itself as BODY and is compiled once per kind of processor,
 * with OUTPUTS x STRIP sums held in registers; with AVX-512 it sets STRIP_AVX512.
 */
#ifndef LANES

#include <stdint.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { POINTS = 36, PIXELS = 16 };
enum { LEFT, RIGHT, ABOVE, BELOW, EDGES };

#define INSTANCE(name, suffix) INSTANCE_(name, suffix)
#define INSTANCE_(name, suffix) name##_##suffix

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,fma,prefer-vector-width=512")
#define KIND avx512
#define LEAST _mm512_min_ps
#define MOST _mm512_max_ps
#define LANES 16
#define STRIP STRIP_AVX512
#define OUTPUTS 8
#include "winograd.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define KIND avx2
#define LEAST _mm256_min_ps
#define MOST _mm256_max_ps
#define LANES 8
#define STRIP 2
#define OUTPUTS 4
#include "winograd.h"
#pragma GCC pop_options
#endif
#define KIND plain
#define LEAST(a, b) INSTANCE(chosen, KIND)(a < b, a, b)
#define MOST(a, b) INSTANCE(chosen, KIND)(a > b, a, b)
#define LANES 4
#define STRIP 2
#define OUTPUTS 4
#include "winograd.h"

#else

typedef float INSTANCE(vec, KIND) __attribute__((vector_size(4 * LANES)));
typedef int32_t INSTANCE(lanes, KIND) __attribute__((vector_size(4 * LANES)));
#define vec INSTANCE(vec, KIND)
#define lanes INSTANCE(lanes, KIND)
#define HELPER(name) static inline __attribute__((always_inline)) name

HELPER(vec INSTANCE(splat, KIND))(float value) { return value - (vec){0}; }
#define splat INSTANCE(splat, KIND)

HELPER(vec INSTANCE(chosen, KIND))(lanes where, vec a, vec b)
{
    return (vec)((where & (lanes)a) | (~where & (lanes)b));
}

/* Between two limits; what is no number stays none. */
HELPER(vec INSTANCE(clip, KIND))(vec x, float low, float high)
{
    return MOST(splat(low), LEAST(splat(high), x));
}

/* Where the tiles so far to the right lie: from this block on, and in which places of two. */
typedef struct {
    int64_t block;
    lanes index;
} INSTANCE(Shift, KIND);
#define Shift INSTANCE(Shift, KIND)

static Shift INSTANCE(shift, KIND)(int64_t tiles)
{
    Shift shift = {.block = (tiles >= 0 ? tiles : tiles - LANES + 1) / LANES};
    for (int32_t i = 0; i < LANES; i++)
        shift.index[i] = i + (int32_t)(tiles - shift.block * LANES);
    return shift;
}

HELPER(vec INSTANCE(shifted, KIND))(const vec *place, const Shift *shift, int64_t stride)
{
    const vec *first = place + shift->block * stride;
    return __builtin_shuffle(first[0], first[stride], shift->index);
}

/* Six values of a line of input. */
HELPER(void INSTANCE(enter, KIND))(const vec *d, vec *v, int64_t step)
{
    vec even = d[4] - 0.25f * d[2], odd = d[3] - 0.25f * d[1];
    vec wide = d[4] - d[2], half = 0.5f * (d[3] - d[1]);
    v[0] = 0.25f * d[0] - 1.25f * d[2] + d[4];
    v[step] = even + odd;
    v[2 * step] = even - odd;
    v[3 * step] = wide + half;
    v[4 * step] = wide - half;
    v[5 * step] = 0.25f * d[1] - 1.25f * d[3] + d[5];
}

/* Four values of a line of output. */
HELPER(void INSTANCE(leave, KIND))(const vec *m, int64_t step, vec *y, int64_t apart)
{
    vec sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    vec sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
    y[0] = m[0] + sum + sum2;
    y[apart] = difference + 0.5f * difference2;
    y[2 * apart] = sum + 0.25f * sum2;
    y[3 * apart] = difference + 0.125f * difference2 + m[5 * step];
}

/* A strip of an image, every channel turned into [36][inputs][across], of which STRIP are written.
 *
 * image: the strip's place in [block][channels][16][LANES]. edges: its place in
 * [block][EDGES][LANES], all bits where a tile has that neighbour, none where it has not; without
 * them what lies beyond an edge is zero in the image itself. */
HELPER(void INSTANCE(enter_strip, KIND))(int64_t width, int64_t channels, const vec *image,
                                         const lanes *edges, int64_t inputs, int64_t across,
                                         vec *turned)
{
    int64_t stride = channels * PIXELS;
    Shift shifts[3][3];
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++)
            shifts[j][i] = INSTANCE(shift, KIND)((j - 1) * width + i - 1);
    for (int64_t channel = 0; channel < channels; channel++)
        for (int64_t part = 0; part < STRIP; part++) {
            const vec *place = image + part * stride + channel * PIXELS;
            const lanes *edge = edges + part * EDGES;
            vec lines[6][6], line[6];
            for (int j = 0; j < 6; j++) {
                const Shift *around = shifts[j == 0 ? 0 : j == 5 ? 2 : 1];
                const vec *row = place + (j == 0 ? 3 : j == 5 ? 0 : j - 1) * 4;
                line[0] = INSTANCE(shifted, KIND)(row + 3, around, stride);
                for (int i = 0; i < 4; i++)
                    line[i + 1] = j == 0 || j == 5
                                      ? INSTANCE(shifted, KIND)(row + i, around + 1, stride)
                                      : row[i];
                line[5] = INSTANCE(shifted, KIND)(row, around + 2, stride);
                if (edges) {
                    line[0] = (vec)((lanes)line[0] & edge[LEFT]);
                    line[5] = (vec)((lanes)line[5] & edge[RIGHT]);
                    for (int i = 0; i < 6 && (j == 0 || j == 5); i++)
                        line[i] = (vec)((lanes)line[i] & edge[j ? BELOW : ABOVE]);
                }
                INSTANCE(enter, KIND)(line, &lines[0][j], 6);
            }
            vec *target = turned + channel * across + part;
            for (int i = 0; i < 6; i++)
                INSTANCE(enter, KIND)(lines[i], target + i * inputs * across, 6 * inputs * across);
        }
}

/* Sums over the input channels of OUTPUTS channels of a strip: [36][OUTPUTS][STRIP]. */
static void INSTANCE(weigh, KIND)(int64_t inputs, const vec *turned, const float *weights, vec *sums)
{
    for (int64_t point = 0; point < POINTS; point++) {
        vec sum[OUTPUTS][STRIP] = {{{0}}};
        for (int64_t channel = 0; channel < inputs; channel++) {
            for (int output = 0; output < OUTPUTS; output++)
                for (int part = 0; part < STRIP; part++)
                    sum[output][part] += weights[output] * turned[part];
            turned += STRIP;
            weights += OUTPUTS;
        }
        for (int output = 0; output < OUTPUTS; output++)
            for (int part = 0; part < STRIP; part++)
                *sums++ = sum[output][part];
    }
}

/* The 16 pixels of one channel of sums. */
HELPER(void INSTANCE(pixels, KIND))(const vec *sums, vec *found)
{
    vec lines[4][6];
    for (int i = 0; i < 6; i++)
        INSTANCE(leave, KIND)(sums + i * OUTPUTS * STRIP, 6 * OUTPUTS * STRIP, &lines[0][i], 6);
    for (int j = 0; j < 4; j++)
        INSTANCE(leave, KIND)(lines[j], 1, found + 4 * j, 1);
}

/* 1 - 2 / (exp(2 x) + 1), within 2e-7. The power of 2 is split: a sum with 1.5 * 2^23 has the whole
 * part of the exponent in its last bits, a polynomial fitted to the rest is right to 1e-7. */
HELPER(vec INSTANCE(tangent, KIND))(vec x)
{
    vec exponent = INSTANCE(clip, KIND)(x, -9, 9) * 2.8853900818f;
    vec whole = exponent + 12582912.0f;
    vec rest = exponent - (whole - 12582912.0f);
    vec power = 9.671697938e-03f + rest * 1.321867248e-03f;
    power = 5.550892952e-02f + rest * power;
    power = 2.402223800e-01f + rest * power;
    power = 6.931468559e-01f + rest * power;
    power = 1.0f + rest * power;
    power = (vec)((lanes)power + ((lanes)whole << 23));
    return 1.0f - 2.0f / (power + 1.0f);
}

HELPER(vec INSTANCE(gate, KIND))(vec x)
{
    return INSTANCE(clip, KIND)(0.2f * x + 0.5f, 0, 1);
}

#include BODY

#undef vec
#undef lanes
#undef HELPER
#undef splat
#undef Shift
#undef KIND
#undef LEAST
#undef MOST
#undef LANES
#undef STRIP
#undef OUTPUTS
#endif
