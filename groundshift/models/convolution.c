/* Convolutions 3 x 3 and steps of a convolutional LSTM, without a gradient (see `winograd.h`).
 *
 * Tiles follow one another by row, with an empty one at each row's end: the neighbour to the left
 * of a row's first tile. Blocks of zeros lie before and behind.
 */
#ifndef LANES

#include <stdint.h>

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

#define BODY "convolution.c"
#define STRIP_AVX512 3
#include "winograd.h"

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
            INSTANCE(enter_strip, KIND)(work->width, work->inputs, before[window] + place, NULL,
                                        work->inputs, STRIP, turned);
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
        INSTANCE(enter_strip, KIND)(work->width, work->inputs,
                                    image + block * work->inputs * PIXELS, NULL, work->inputs,
                                    STRIP, turned);
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

#endif
