/* Convolutions 3 x 3 and steps of a convolutional LSTM by Winograd's F(4 x 4, 3 x 3).
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
 * Tiles follow one another by row, with an empty one at each row's end: the neighbour to the left
 * of a row's first tile. Blocks of zeros lie before and behind. STRIP registers of tiles are worked
 * through at a time, so that what they need stays in a processor's own cache.
 *
 * This text is compiled once per kind of processor, with OUTPUTS x STRIP sums held in registers.
 */
#ifndef LANES

#include <stdint.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef struct {
    int64_t width;   /* tiles from one row to the next */
    int64_t margin;  /* blocks of zeros before the first */
    int64_t inputs;  /* channels of the image that is convolved */
    int64_t outputs; /* channels of sums, a multiple of 8 */
    int64_t begin;   /* first and last + 1 of the strips to work through */
    int64_t end;
    const float *weights; /* [outputs / OUTPUTS][36][inputs][OUTPUTS] */
    const float *mask;    /* [block][16][LANES], 1 inside of the image, 0 outside */
} Work;

enum { POINTS = 36, PIXELS = 16 };

#define INSTANCE(name, suffix) INSTANCE_(name, suffix)
#define INSTANCE_(name, suffix) name##_##suffix

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,fma,prefer-vector-width=512")
#define KIND avx512
#define LEAST _mm512_min_ps
#define MOST _mm512_max_ps
#define LANES 16
#define STRIP 3
#define OUTPUTS 8
#include "convolution.c"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define KIND avx2
#define LEAST _mm256_min_ps
#define MOST _mm256_max_ps
#define LANES 8
#define STRIP 2
#define OUTPUTS 4
#include "convolution.c"
#pragma GCC pop_options
#endif
#define KIND plain
#define LEAST(a, b) INSTANCE(chosen, KIND)(a < b, a, b)
#define MOST(a, b) INSTANCE(chosen, KIND)(a > b, a, b)
#define LANES 4
#define STRIP 2
#define OUTPUTS 4
#include "convolution.c"

enum { PLAIN, AVX2, AVX512 };

/* The best kind of processor that this one is. */
int kind(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return AVX2;
#endif
    return PLAIN;
}

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

/* A strip of an image, every channel turned into [36][inputs][STRIP]. */
static void INSTANCE(enter_strip, KIND)(const Work *work, const vec *image, vec *turned)
{
    int64_t stride = work->inputs * PIXELS;
    Shift shifts[3][3];
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++)
            shifts[j][i] = INSTANCE(shift, KIND)((j - 1) * work->width + i - 1);
    for (int64_t channel = 0; channel < work->inputs; channel++)
        for (int64_t part = 0; part < STRIP; part++) {
            const vec *place = image + part * stride + channel * PIXELS;
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
                INSTANCE(enter, KIND)(line, &lines[0][j], 6);
            }
            vec *target = turned + channel * STRIP + part;
            for (int i = 0; i < 6; i++)
                INSTANCE(enter, KIND)(lines[i], target + i * work->inputs * STRIP,
                                      6 * work->inputs * STRIP);
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

/* One step of OUTPUTS / 4 channels of a strip of one window. */
static void INSTANCE(advance_strip, KIND)(const Work *work, int64_t first, const vec *sums,
                                          const vec *gates, const vec *mask, vec *memory,
                                          vec *output)
{
    int64_t filters = work->inputs;
    for (int64_t filter = first; filter < first + OUTPUTS / 4 && filter < filters; filter++)
        for (int64_t part = 0; part < STRIP; part++) {
            vec z[4][PIXELS];
            for (int g = 0; g < 4; g++)
                INSTANCE(pixels, KIND)(sums + (4 * (filter - first) + g) * STRIP + part, z[g]);
            const vec *given = gates + (part * filters + filter) * 4 * PIXELS;
            int64_t place = (part * filters + filter) * PIXELS;
            for (int p = 0; p < PIXELS; p++) {
                vec entry = INSTANCE(gate, KIND)(z[0][p] + given[p]);
                vec forget = INSTANCE(gate, KIND)(z[1][p] + given[PIXELS + p]);
                vec candidate = INSTANCE(tangent, KIND)(z[2][p] + given[2 * PIXELS + p]);
                vec leaves = INSTANCE(gate, KIND)(z[3][p] + given[3 * PIXELS + p]);
                vec now = forget * memory[place + p] + entry * candidate;
                memory[place + p] = now;
                output[place + p] = mask[part * PIXELS + p] * leaves * INSTANCE(tangent, KIND)(now);
            }
        }
}

static vec *INSTANCE(space, KIND)(const Work *work)
{
    return aligned_alloc(64, sizeof(vec) * POINTS * STRIP * (work->inputs + OUTPUTS));
}

/* One step of several windows that see the same frame.
 *
 * gates: [block][filter][gate][16][LANES], what the frame adds; of the windows their outputs
 * before and after and their memories, [block][filter][16][LANES]. */
int INSTANCE(advance, KIND)(const Work *work, int64_t windows, const vec *gates,
                            const vec *const *before, vec *const *after, vec *const *memories)
{
    vec *turned = INSTANCE(space, KIND)(work), *sums = turned + POINTS * STRIP * work->inputs;
    if (!turned)
        return 1;
    for (int64_t strip = work->begin; strip < work->end; strip++) {
        int64_t block = work->margin + strip * STRIP;
        int64_t place = block * work->inputs * PIXELS;
        for (int64_t window = 0; window < windows; window++) {
            INSTANCE(enter_strip, KIND)(work, before[window] + place, turned);
            for (int64_t first = 0; first < work->outputs; first += OUTPUTS) {
                const float *weights = work->weights + first * POINTS * work->inputs;
                INSTANCE(weigh, KIND)(work->inputs, turned, weights, sums);
                INSTANCE(advance_strip, KIND)(work, first / 4, sums, gates + 4 * place,
                                              (const vec *)work->mask + block * PIXELS,
                                              memories[window] + place, after[window] + place);
            }
        }
    }
    free(turned);
    return 0;
}

/* Convolve an image; with `positive` what is below 0, and outside of the image, becomes 0.
 *
 * image: [block][inputs][16][LANES]; shifts: [outputs], added; result: [block][channels][16][LANES].
 */
int INSTANCE(convolve, KIND)(const Work *work, const vec *image, const float *shifts, int positive,
                             int64_t channels, vec *result)
{
    vec *turned = INSTANCE(space, KIND)(work), *sums = turned + POINTS * STRIP * work->inputs;
    if (!turned)
        return 1;
    for (int64_t strip = work->begin; strip < work->end; strip++) {
        int64_t block = work->margin + strip * STRIP;
        const vec *mask = (const vec *)work->mask + block * PIXELS;
        INSTANCE(enter_strip, KIND)(work, image + block * work->inputs * PIXELS, turned);
        for (int64_t first = 0; first < channels; first += OUTPUTS) {
            const float *weights = work->weights + first * POINTS * work->inputs;
            INSTANCE(weigh, KIND)(work->inputs, turned, weights, sums);
            for (int64_t output = first; output < first + OUTPUTS && output < channels; output++)
                for (int64_t part = 0; part < STRIP; part++) {
                    vec found[PIXELS];
                    vec *target = result + ((block + part) * channels + output) * PIXELS;
                    INSTANCE(pixels, KIND)(sums + (output - first) * STRIP + part, found);
                    for (int p = 0; p < PIXELS; p++) {
                        target[p] = found[p] + shifts[output];
                        if (positive)
                            target[p] = MOST(splat(0), target[p]) * mask[part * PIXELS + p];
                    }
                }
        }
    }
    free(turned);
    return 0;
}

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
