/* Batch normalisation and ReLU over images [image][pixel][channel], and their gradient.
 *
 * Sums are in double: in float, those over a batch's hundred thousands of pixels lose two of seven
 * digits, and a mean that is off moves every value of a channel the same way over the ReLU's bend.
 * So is the arithmetic on a value: it waits for memory anyway.
 *
 * What is said of a channel comes SPAN times, [SPAN][channel], as SPAN pixels hold it: a loop over
 * so many values fills the processor's vectors whatever the number of channels.
 */
#include <stdint.h>

enum { SPAN = 16 };

#if defined(__x86_64__) && defined(__linux__)
#define ANY_PROCESSOR                                                                              \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ANY_PROCESSOR
#endif

/* Values of the span of pixels that begins here. */
static inline int64_t values(int64_t begin, int64_t pixels, int64_t channels)
{
    return (pixels - begin < SPAN ? pixels - begin : SPAN) * channels;
}

/* The gradient in front of the ReLU: a product, as compilers make no vectors of a choice here. */
static inline double before(float y, float by_y) { return (float)(y > 0) * by_y; }

ANY_PROCESSOR
/* For each image sums of its values and of their squares, [image][2][SPAN][channel], zeros at
 * first. */
void add_moments(int64_t images, int64_t pixels, int64_t channels, const float *x,
                 double *restrict sums)
{
    for (int64_t image = 0; image < images; image++) {
        double *restrict squares = sums + SPAN * channels;
        for (int64_t begin = 0; begin < pixels; begin += SPAN) {
            int64_t count = values(begin, pixels, channels);
            for (int64_t i = 0; i < count; i++) {
                double value = x[i];
                sums[i] += value;
                squares[i] += value * value;
            }
            x += count;
        }
        sums += 2 * SPAN * channels;
    }
}

ANY_PROCESSOR
/* y = max(0, (x - mean) * scale + shift); what is no number stays none. */
void normalise(int64_t images, int64_t pixels, int64_t channels, const double *mean,
               const double *scale, const double *shift, const float *x, float *restrict y)
{
    for (int64_t image = 0; image < images; image++)
        for (int64_t begin = 0; begin < pixels; begin += SPAN) {
            int64_t count = values(begin, pixels, channels);
            for (int64_t i = 0; i < count; i++) {
                float value = (float)((x[i] - mean[i]) * scale[i] + shift[i]);
                y[i] = value < 0 ? 0 : value;
            }
            x += count;
            y += count;
        }
}

ANY_PROCESSOR
/* For each image sums of the gradient in front of the ReLU, and of its products with what values
 * are off their mean, as of `add_moments`. */
void add_slopes(int64_t images, int64_t pixels, int64_t channels, const double *mean,
                const float *x, const float *y, const float *by_y, double *restrict sums)
{
    for (int64_t image = 0; image < images; image++) {
        double *restrict products = sums + SPAN * channels;
        for (int64_t begin = 0; begin < pixels; begin += SPAN) {
            int64_t count = values(begin, pixels, channels);
            for (int64_t i = 0; i < count; i++) {
                double slope = before(y[i], by_y[i]);
                sums[i] += slope;
                products[i] += slope * (x[i] - mean[i]);
            }
            x += count;
            y += count;
            by_y += count;
        }
        sums += 2 * SPAN * channels;
    }
}

ANY_PROCESSOR
/* by_x = (slope - level - (x - mean) * tilt) * scale, with the gradient in front of the ReLU. */
void spread_slopes(int64_t images, int64_t pixels, int64_t channels, const double *mean,
                   const double *scale, const double *level, const double *tilt, const float *x,
                   const float *y, const float *by_y, float *restrict by_x)
{
    for (int64_t image = 0; image < images; image++)
        for (int64_t begin = 0; begin < pixels; begin += SPAN) {
            int64_t count = values(begin, pixels, channels);
            for (int64_t i = 0; i < count; i++) {
                double slope = before(y[i], by_y[i]);
                by_x[i] = (float)((slope - level[i] - (x[i] - mean[i]) * tilt[i]) * scale[i]);
            }
            x += count;
            y += count;
            by_y += count;
            by_x += count;
        }
}
