/* A block of the network in training: convolution 3 x 3, batch normalisation and ReLU, over images
 * [image][pixel][channel], and the gradient of the latter two.
 *
 * Sums are in double. In float, those over a batch's hundred thousands of pixels lose two of seven
 * digits, and a mean that is off moves every value of a channel the same way over the ReLU's bend,
 * where it gets or loses its gradient; the convolution's own sums lose one digit. Normalising is
 * in double too: it waits for memory anyway.
 *
 * What is said of a channel comes SPAN times, [SPAN][channel], as SPAN pixels hold it: a loop over
 * so many values fills the processor's vectors whatever the number of channels.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../processors.h"

enum { SPAN = 16 };
enum { CHANNELS = 8 };           /* of a panel of outputs, as wide as a register */
enum { ACROSS = 4, PANELS = 4 }; /* pixels and panels that are summed up at a time */

typedef double Doubles __attribute__((vector_size(8 * CHANNELS)));
typedef float Floats __attribute__((vector_size(4 * CHANNELS)));

/* Sums of ACROSS neighbouring pixels, of which `count` are written, in `wide` panels.
 *
 * x: where the first one's upper left neighbour lies in an image that has lines of `line` values.
 * weights: [9][inputs][panels], from the panel on. y: likewise; `left` outputs of a pixel are. */
static inline __attribute__((always_inline)) void
convolve_pixels(int64_t line, int64_t inputs, int64_t panels, const int wide, const double *x,
                const Doubles *weights, int64_t count, int64_t outputs, int64_t left, float *y)
{
    Doubles sums[ACROSS][PANELS] = {{{0}}};
    for (int tap = 0; tap < 9; tap++) {
        const double *from = x + tap / 3 * line + tap % 3 * inputs;
        for (int64_t input = 0; input < inputs; input++, from++, weights += panels)
            for (int pixel = 0; pixel < ACROSS; pixel++)
                for (int panel = 0; panel < wide; panel++)
                    sums[pixel][panel] += from[pixel * inputs] * weights[panel];
    }
    for (int pixel = 0; pixel < count; pixel++)
        for (int panel = 0; panel < wide; panel++) {
            int64_t some = left - panel * CHANNELS;
            Floats found = __builtin_convertvector(sums[pixel][panel], Floats);
            memcpy(y + pixel * outputs + panel * CHANNELS, &found,
                   sizeof(float) * (some < CHANNELS ? some : CHANNELS));
        }
}

EVERY_PROCESSOR
/* Convolve images, with zeros around them; 1 if there is no memory.
 *
 * weights: [9][inputs][panels of outputs], zeros behind the last output. */
int convolve(int64_t images, int64_t rows, int64_t columns, int64_t inputs, int64_t outputs,
             const Doubles *weights, const float *x, float *y)
{
    int64_t panels = (outputs + CHANNELS - 1) / CHANNELS;
    int64_t line = ((columns + ACROSS - 1) / ACROSS * ACROSS + 2) * inputs;
    double *padded = calloc((rows + 2) * line, sizeof *padded);
    if (!padded)
        return 1;
    for (int64_t image = 0; image < images; image++) {
        for (int64_t row = 0; row < rows; row++)
            for (int64_t i = 0; i < columns * inputs; i++)
                padded[(row + 1) * line + inputs + i] = *x++;
        for (int64_t row = 0; row < rows; row++)
            for (int64_t column = 0; column < columns; column += ACROSS) {
                const double *from = padded + row * line + column * inputs;
                int64_t count = columns - column < ACROSS ? columns - column : ACROSS;
                for (int64_t panel = 0; panel < panels; panel += PANELS) {
                    const Doubles *own = weights + panel;
                    int64_t left = outputs - panel * CHANNELS;
                    float *to = y + (row * columns + column) * outputs + panel * CHANNELS;
                    if (panels - panel >= 4)
                        convolve_pixels(line, inputs, panels, 4, from, own, count, outputs, left, to);
                    else if (panels - panel == 3)
                        convolve_pixels(line, inputs, panels, 3, from, own, count, outputs, left, to);
                    else if (panels - panel == 2)
                        convolve_pixels(line, inputs, panels, 2, from, own, count, outputs, left, to);
                    else
                        convolve_pixels(line, inputs, panels, 1, from, own, count, outputs, left, to);
                }
            }
        y += rows * columns * outputs;
    }
    free(padded);
    return 0;
}

/* Values of the span of pixels that begins here. */
static inline int64_t values(int64_t begin, int64_t pixels, int64_t channels)
{
    return (pixels - begin < SPAN ? pixels - begin : SPAN) * channels;
}

/* The gradient in front of the ReLU: a product, as compilers make no vectors of a choice here. */
static inline double before(float y, float by_y) { return (float)(y > 0) * by_y; }

EVERY_PROCESSOR
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

EVERY_PROCESSOR
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

EVERY_PROCESSOR
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

EVERY_PROCESSOR
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
