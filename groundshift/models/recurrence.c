/* The convolutional LSTM in training: all steps of one sample, and their gradient.
 *
 * A sample's frames and its output before them are one image to a single convolution that gives
 * the gates (see `winograd.h`); its transpose gives the gradients of both, and a third sum of the
 * same 36 values the gradient of the kernel. Tiles follow one another by row without gaps: what
 * lies beyond an image's edge is cut off by `edges`. All states are kept for the way back.
 */
#ifndef LANES

#include <stdint.h>
#include <string.h>

typedef struct {
    int64_t width;   /* tiles of a row */
    int64_t blocks;  /* of an image, a multiple of STRIP */
    int64_t margin;  /* blocks that may be read before an image and behind it, of any content */
    int64_t pixels;  /* of an image as it is given, [pixel][channel] */
    int64_t seen;    /* channels of a frame */
    int64_t filters; /* of the memory */
    const int32_t *places; /* [block][16][LANES], the pixel that lies there, -1 for none */
    const int32_t *edges;  /* [block][EDGES][LANES], see `enter_strip` */
    const float *mask;     /* [block][16][LANES], 1 inside of the image, 0 outside */
    const float *weights;  /* of frame and output, [outputs / OUTPUTS][36][inputs][OUTPUTS] */
    const float *back;     /* of the gates to both, likewise */
    const float *bias;     /* [filter][gate] */
} Layer;

/* All steps of a sample: what it saw, and what is kept of every step for the way back. */
typedef struct {
    int64_t length;
    const float *frames; /* [step][pixel][seen] */
    float *outputs;      /* [step + 1][block][filter][16][LANES], before the first step too */
    float *memories;     /* likewise */
    float *gates;        /* [step][block][filter][gate][16][LANES], after their functions */
} Sample;

#define BODY "recurrence.c"
#define STRIP_AVX512 2
#include "winograd.h"

#else

#define SPAN (64 / LANES)  /* blocks that the kernel's gradient is summed over at a time */
#define PANEL 3            /* registers of gates in these sums */
#define ROWS 8             /* input channels in these sums */

/* An image [pixel][channel] as tiles; zeros where there is none. */
static void INSTANCE(lay, KIND)(const Layer *layer, int64_t channels, const float *image, vec *tiles)
{
    const int32_t *place = layer->places;
    for (int64_t block = 0; block < layer->blocks; block++, tiles += channels * PIXELS)
        for (int p = 0; p < PIXELS; p++)
            for (int lane = 0; lane < LANES; lane++, place++) {
                float *target = (float *)(tiles + p) + lane;
                for (int64_t channel = 0; channel < channels; channel++)
                    target[channel * PIXELS * LANES] =
                        *place < 0 ? 0 : image[*place * channels + channel];
            }
}

/* Tiles as an image [pixel][channel]. */
static void INSTANCE(lift, KIND)(const Layer *layer, int64_t channels, const vec *tiles,
                                 float *image)
{
    const int32_t *place = layer->places;
    for (int64_t block = 0; block < layer->blocks; block++, tiles += channels * PIXELS)
        for (int p = 0; p < PIXELS; p++)
            for (int lane = 0; lane < LANES; lane++, place++) {
                const float *source = (const float *)(tiles + p) + lane;
                for (int64_t channel = 0; channel < channels && *place >= 0; channel++)
                    image[*place * channels + channel] = source[channel * PIXELS * LANES];
            }
}

/* Frame and output before it, turned into [36][inputs][across]. */
static void INSTANCE(enter_both, KIND)(const Layer *layer, int64_t block, const vec *frame,
                                       const vec *output, int64_t inputs, int64_t across,
                                       vec *turned)
{
    const lanes *edges = (const lanes *)layer->edges + block * EDGES;
    INSTANCE(enter_strip, KIND)(layer->width, layer->seen, frame + block * layer->seen * PIXELS,
                                edges, inputs, across, turned);
    INSTANCE(enter_strip, KIND)(layer->width, layer->filters,
                                output + block * layer->filters * PIXELS, edges, inputs, across,
                                turned + layer->seen * across);
}

/* One step of OUTPUTS / 4 filters of a strip. */
static void INSTANCE(step_strip, KIND)(const Layer *layer, int64_t block, int64_t first,
                                       const vec *sums, const vec *memory, vec *next, vec *output,
                                       vec *gates)
{
    int64_t filters = layer->filters;
    const vec *mask = (const vec *)layer->mask + block * PIXELS;
    for (int64_t filter = first; filter < first + OUTPUTS / 4 && filter < filters; filter++)
        for (int64_t part = 0; part < STRIP; part++) {
            vec z[4][PIXELS];
            for (int g = 0; g < 4; g++)
                INSTANCE(pixels, KIND)(sums + (4 * (filter - first) + g) * STRIP + part, z[g]);
            const float *bias = layer->bias + 4 * filter;
            int64_t place = ((block + part) * filters + filter) * PIXELS;
            vec *kept = gates + 4 * place;
            for (int p = 0; p < PIXELS; p++) {
                vec entry = INSTANCE(gate, KIND)(z[0][p] + bias[0]);
                vec forget = INSTANCE(gate, KIND)(z[1][p] + bias[1]);
                vec candidate = INSTANCE(tangent, KIND)(z[2][p] + bias[2]);
                vec leaves = INSTANCE(gate, KIND)(z[3][p] + bias[3]);
                vec now = forget * memory[place + p] + entry * candidate;
                kept[p] = entry;
                kept[PIXELS + p] = forget;
                kept[2 * PIXELS + p] = candidate;
                kept[3 * PIXELS + p] = leaves;
                next[place + p] = now;
                output[place + p] = mask[part * PIXELS + p] * leaves * INSTANCE(tangent, KIND)(now);
            }
        }
}

/* Memory for so many registers, all zeros: a sum with what is nearly no number is slow. */
static vec *INSTANCE(room, KIND)(int64_t registers)
{
    vec *found = aligned_alloc(64, (sizeof(vec) * registers + 63) / 64 * 64);
    if (found)
        memset(found, 0, sizeof(vec) * registers);
    return found;
}

/* Fold a sample's frames in time; `last` is its output after them, [pixel][filter]. */
int INSTANCE(fold, KIND)(const Layer *layer, const Sample *sample, float *last)
{
    int64_t seen = layer->seen, filters = layer->filters, inputs = seen + filters;
    int64_t image = layer->blocks * filters * PIXELS;
    int64_t turning = POINTS * STRIP * inputs, summing = POINTS * STRIP * OUTPUTS;
    vec *turned = INSTANCE(room, KIND)(turning + summing +
                                       (layer->blocks + 2 * layer->margin) * seen * PIXELS);
    if (!turned)
        return 1;
    vec *sums = turned + turning, *frame = sums + summing + layer->margin * seen * PIXELS;
    vec *output = (vec *)sample->outputs, *memory = (vec *)sample->memories;
    vec *gates = (vec *)sample->gates;
    memset(output, 0, sizeof(vec) * image);
    memset(memory, 0, sizeof(vec) * image);
    for (int64_t step = 0; step < sample->length; step++) {
        INSTANCE(lay, KIND)(layer, seen, sample->frames + step * layer->pixels * seen, frame);
        for (int64_t block = 0; block < layer->blocks; block += STRIP) {
            INSTANCE(enter_both, KIND)(layer, block, frame, output, inputs, STRIP, turned);
            for (int64_t first = 0; first < 4 * filters; first += OUTPUTS) {
                INSTANCE(weigh, KIND)(inputs, turned, layer->weights + first * POINTS * inputs,
                                      sums);
                INSTANCE(step_strip, KIND)(layer, block, first / 4, sums, memory, memory + image,
                                           output + image, gates);
            }
        }
        output += image;
        memory += image;
        gates += 4 * image;
    }
    INSTANCE(lift, KIND)(layer, filters, output, last);
    free(turned);
    return 0;
}

/* The slope of `gate`, where it gave this. */
HELPER(vec INSTANCE(slope, KIND))(vec gate)
{
    return INSTANCE(chosen, KIND)((gate > 0.0f) & (gate < 1.0f), splat(0.2f), splat(0));
}

/* One step back: from the gradients of output and memory to those of the gates' sums and of the
 * memory before; those of the sums are added up over the pixels too, [filter][gate]. */
static void INSTANCE(retreat, KIND)(const Layer *layer, const vec *gates, const vec *memory,
                                    const vec *by_output, vec *by_memory, vec *by_gate,
                                    vec *by_bias)
{
    int64_t filters = layer->filters;
    const vec *before = memory, *after = memory + layer->blocks * filters * PIXELS;
    const vec *mask = (const vec *)layer->mask;
    for (int64_t block = 0; block < layer->blocks; block++, mask += PIXELS)
        for (int64_t filter = 0; filter < filters; filter++) {
            vec total[4] = {{0}};
            for (int p = 0; p < PIXELS; p++) {
                vec entry = gates[p], forget = gates[PIXELS + p];
                vec candidate = gates[2 * PIXELS + p], leaves = gates[3 * PIXELS + p];
                vec squashed = INSTANCE(tangent, KIND)(*after++), given = mask[p] * *by_output++;
                vec through = *by_memory + given * leaves * (1.0f - squashed * squashed);
                by_gate[p] = through * candidate * INSTANCE(slope, KIND)(entry);
                by_gate[PIXELS + p] = through * *before++ * INSTANCE(slope, KIND)(forget);
                by_gate[2 * PIXELS + p] = through * entry * (1.0f - candidate * candidate);
                by_gate[3 * PIXELS + p] = given * squashed * INSTANCE(slope, KIND)(leaves);
                *by_memory++ = through * forget;
                for (int g = 0; g < 4; g++)
                    total[g] += by_gate[g * PIXELS + p];
            }
            for (int g = 0; g < 4; g++)
                by_bias[4 * filter + g] += total[g];
            gates += 4 * PIXELS;
            by_gate += 4 * PIXELS;
        }
}

/* From the gradient of the gates' sums to those of frame and output before. */
static void INSTANCE(spread, KIND)(const Layer *layer, const vec *by_gate, vec *by_frame,
                                   vec *by_output, vec *turned, vec *sums)
{
    int64_t seen = layer->seen, filters = layer->filters, gates = 4 * filters;
    for (int64_t block = 0; block < layer->blocks; block += STRIP) {
        INSTANCE(enter_strip, KIND)(layer->width, gates, by_gate + block * gates * PIXELS,
                                    (const lanes *)layer->edges + block * EDGES, gates, STRIP,
                                    turned);
        for (int64_t first = 0; first < seen + filters; first += OUTPUTS) {
            INSTANCE(weigh, KIND)(gates, turned, layer->back + first * POINTS * gates, sums);
            for (int64_t input = first; input < first + OUTPUTS && input < seen + filters; input++)
                for (int64_t part = 0; part < STRIP; part++) {
                    vec *target = input < seen
                                      ? by_frame + ((block + part) * seen + input) * PIXELS
                                      : by_output + ((block + part) * filters + input - seen) * PIXELS;
                    INSTANCE(pixels, KIND)(sums + (input - first) * STRIP + part, target);
                }
        }
    }
}

/* Rows become columns. */
HELPER(void INSTANCE(transpose, KIND))(vec *rows)
{
    for (int apart = 1; apart < LANES; apart *= 2) {
        lanes low, high;
        for (int i = 0; i < LANES; i++) {
            low[i] = i & apart ? LANES + i - apart : i;
            high[i] = i & apart ? LANES + i : i + apart;
        }
        for (int i = 0; i < LANES; i++)
            if (!(i & apart)) {
                vec first = rows[i], second = rows[i + apart];
                rows[i] = __builtin_shuffle(first, second, low);
                rows[i + apart] = __builtin_shuffle(first, second, high);
            }
    }
}

/* Six values of a line of the outputs' gradient: the transpose of `leave`. */
HELPER(void INSTANCE(enter_back, KIND))(const vec *y, int64_t apart, vec *m, int64_t step)
{
    vec even = y[0] + y[2 * apart], odd = y[apart] + y[3 * apart];
    vec even2 = y[0] + 0.25f * y[2 * apart], odd2 = 0.5f * y[apart] + 0.125f * y[3 * apart];
    m[0] = y[0];
    m[step] = even + odd;
    m[2 * step] = even - odd;
    m[3 * step] = even2 + odd2;
    m[4 * step] = even2 - odd2;
    m[5 * step] = y[3 * apart];
}

/* LANES channels of a block's gradient, turned into [36][tile][PANEL] with channels as lanes. */
static void INSTANCE(enter_panel, KIND)(const vec *by_gate, int64_t channels, vec *turned)
{
    vec tiles[LANES][PIXELS];
    for (int p = 0; p < PIXELS; p++) {
        vec rows[LANES] = {{0}};
        for (int64_t channel = 0; channel < LANES && channel < channels; channel++)
            rows[channel] = by_gate[channel * PIXELS + p];
        INSTANCE(transpose, KIND)(rows);
        for (int tile = 0; tile < LANES; tile++)
            tiles[tile][p] = rows[tile];
    }
    for (int tile = 0; tile < LANES; tile++) {
        vec lines[4][6];
        for (int j = 0; j < 4; j++)
            INSTANCE(enter_back, KIND)(tiles[tile] + 4 * j, 1, lines[j], 1);
        for (int i = 0; i < 6; i++)
            INSTANCE(enter_back, KIND)(&lines[0][i], 6, turned + (i * SPAN * LANES + tile) * PANEL,
                                       6 * SPAN * LANES * PANEL);
    }
}

/* Sums over tiles of ROWS inputs times `wide` registers of gates, added to [row][registers]. */
HELPER(void INSTANCE(multiply, KIND))(int64_t tiles, const float *rows, const vec *panel,
                                      const int wide, vec *result, int64_t registers)
{
    vec sum[ROWS][PANEL] = {{{0}}};
    for (int64_t tile = 0; tile < tiles; tile++)
        for (int row = 0; row < ROWS; row++)
            for (int at = 0; at < wide; at++)
                sum[row][at] += rows[row * SPAN * LANES + tile] * panel[tile * PANEL + at];
    for (int row = 0; row < ROWS; row++)
        for (int at = 0; at < wide; at++)
            result[row * registers + at] += sum[row][at];
}

/* Add a step to the gradient of the kernel's 36 values, [36][inputs, whole ROWS][registers]. */
static void INSTANCE(correlate, KIND)(const Layer *layer, const vec *frame, const vec *output,
                                      const vec *by_gate, vec *turned, vec *panel, vec *result)
{
    int64_t gates = 4 * layer->filters, registers = (gates + LANES - 1) / LANES;
    int64_t inputs = (layer->seen + layer->filters + ROWS - 1) / ROWS * ROWS;
    for (int64_t begin = 0; begin < layer->blocks; begin += SPAN) {
        int64_t count = layer->blocks - begin < SPAN ? layer->blocks - begin : SPAN;
        for (int64_t block = 0; block < count; block += STRIP)
            INSTANCE(enter_both, KIND)(layer, begin + block, frame, output, inputs, SPAN,
                                       turned + block);
        for (int64_t first = 0; first < registers; first += PANEL) {
            int64_t wide = registers - first < PANEL ? registers - first : PANEL;
            for (int64_t block = 0; block < count; block++)
                for (int64_t at = 0; at < wide; at++) {
                    int64_t channel = (first + at) * LANES;
                    INSTANCE(enter_panel, KIND)(
                        by_gate + ((begin + block) * gates + channel) * PIXELS, gates - channel,
                        panel + block * LANES * PANEL + at);
                }
            for (int64_t point = 0; point < POINTS; point++)
                for (int64_t row = 0; row < inputs; row += ROWS) {
                    const float *rows = (const float *)(turned + (point * inputs + row) * SPAN);
                    const vec *columns = panel + point * SPAN * LANES * PANEL;
                    vec *target = result + (point * inputs + row) * registers + first;
                    if (wide == 3)
                        INSTANCE(multiply, KIND)(count * LANES, rows, columns, 3, target, registers);
                    else if (wide == 2)
                        INSTANCE(multiply, KIND)(count * LANES, rows, columns, 2, target, registers);
                    else
                        INSTANCE(multiply, KIND)(count * LANES, rows, columns, 1, target, registers);
                }
        }
    }
}

/* The gradient of `fold`, given that of its output, [pixel][filter].
 *
 * by_frames: [step][pixel][seen]. by_kernel: of the kernel's 36 values, zeros at first, see
 * `correlate`. by_bias: zeros at first, [filter][gate][LANES], to be added up. */
int INSTANCE(unfold, KIND)(const Layer *layer, const Sample *sample, const float *by_last,
                           float *by_frames, vec *by_kernel, vec *by_bias)
{
    int64_t seen = layer->seen, filters = layer->filters, gates = 4 * filters;
    int64_t blocks = layer->blocks, image = blocks * filters * PIXELS;
    int64_t inputs = (seen + filters + ROWS - 1) / ROWS * ROWS;
    int64_t padded = (blocks + 2 * layer->margin) * PIXELS;
    int64_t sizes[] = {POINTS * STRIP * gates, POINTS * STRIP * OUTPUTS, POINTS * SPAN * inputs,
                       POINTS * SPAN * LANES * PANEL, padded * seen, padded * gates,
                       blocks * seen * PIXELS, image, image};
    vec *parts[sizeof sizes / sizeof *sizes];
    int64_t total = 0;
    for (size_t part = 0; part < sizeof sizes / sizeof *sizes; part++)
        total += sizes[part];
    parts[0] = INSTANCE(room, KIND)(total);
    if (!parts[0])
        return 1;
    for (size_t part = 1; part < sizeof sizes / sizeof *sizes; part++)
        parts[part] = parts[part - 1] + sizes[part - 1];
    vec *frame = parts[4] + layer->margin * seen * PIXELS;
    vec *by_gate = parts[5] + layer->margin * gates * PIXELS;
    vec *by_frame = parts[6], *by_output = parts[7], *by_memory = parts[8];
    INSTANCE(lay, KIND)(layer, filters, by_last, by_output);
    for (int64_t step = sample->length - 1; step >= 0; step--) {
        const vec *output = (const vec *)sample->outputs + step * image;
        int64_t first = step * layer->pixels * seen;
        INSTANCE(retreat, KIND)(layer, (const vec *)sample->gates + step * 4 * image,
                                (const vec *)sample->memories + step * image, by_output, by_memory,
                                by_gate, by_bias);
        INSTANCE(spread, KIND)(layer, by_gate, by_frame, by_output, parts[0], parts[1]);
        INSTANCE(lift, KIND)(layer, seen, by_frame, by_frames + first);
        INSTANCE(lay, KIND)(layer, seen, sample->frames + first, frame);
        INSTANCE(correlate, KIND)(layer, frame, output, by_gate, parts[2], parts[3], by_kernel);
    }
    free(parts[0]);
    return 0;
}

#undef SPAN
#undef PANEL
#undef ROWS

#endif
