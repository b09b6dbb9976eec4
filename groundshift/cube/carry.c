/* Carrying pixels forward over a tile that lies chunk by chunk, as it is stored.

An observation has the bands of a pixel side by side; a chunk has a plane of 32 x 32 pixels for
each band. Turning one into the other while a mask decides is one pass here, and four in NumPy. */

#include <stdint.h>
#include <string.h>

#include "../processors.h"

enum { EDGE = 32, AREA = EDGE * EDGE, SIDE = 8, LINE = 64 };

typedef struct {
    int64_t rows, columns, bands, size; /* of the observation's part; bytes of a value, 2 or 4 */
    int64_t value_row, valid_row;       /* bytes from one row to the next */
    int64_t chunk;                      /* bytes of a chunk: bands, ages, freshness */
} Shape;

typedef uint16_t Eight __attribute__((vector_size(2 * SIDE)));

/* Eight vectors so that `to[i][j]` is `from[j][i]`: three times every row between its opposite. */
static inline void turn(Eight *to, Eight *from) {
    Eight *rows = from, *next = to;
    for (int time = 0; time < 3; time++) {
        for (int i = 0; i < SIDE / 2; i++) {
            const Eight one = rows[i], other = rows[i + SIDE / 2];
            next[2 * i] = __builtin_shuffle(one, other, (Eight){0, 8, 1, 9, 2, 10, 3, 11});
            next[2 * i + 1] = __builtin_shuffle(one, other, (Eight){4, 12, 5, 13, 6, 14, 7, 15});
        }
        Eight *const done = rows;
        rows = next, next = done;
    }
}

/* Eight pixels of at least eight bands; the last bands are done twice where eight don't divide. */
static inline void take_square(uint16_t *planes, const uint16_t *pixels, const uint8_t *valid,
                               int64_t bands) {
    Eight mask;
    for (int x = 0; x < SIDE; x++)
        mask[x] = valid[x] ? UINT16_MAX : 0;
    for (int64_t from = 0; from < bands; from += SIDE) {
        const int64_t first = from + SIDE <= bands ? from : bands - SIDE;
        Eight rows[SIDE], turned[SIDE];
        for (int x = 0; x < SIDE; x++)
            memcpy(&rows[x], pixels + x * bands + first, sizeof(Eight));
        turn(turned, rows);
        for (int band = 0; band < SIDE; band++) {
            uint16_t *plane = planes + (first + band) * AREA;
            Eight known;
            memcpy(&known, plane, sizeof(Eight));
            known = (turned[band] & mask) | (known & ~mask);
            memcpy(plane, &known, sizeof(Eight));
        }
    }
}

static inline void take_shorts(uint16_t *planes, const uint16_t *pixels, const uint8_t *valid,
                               int64_t count, int64_t bands) {
    int64_t x = 0;
    if (bands >= SIDE)
        for (; x + SIDE <= count; x += SIDE)
            take_square(planes + x, pixels + x * bands, valid + x, bands);
    for (; x < count; x++)
        for (int64_t band = 0; valid[x] && band < bands; band++)
            planes[band * AREA + x] = pixels[x * bands + band];
}

static inline void take_floats(uint32_t *planes, const uint32_t *pixels, const uint8_t *valid,
                               int64_t count, int64_t bands) {
    for (int64_t band = 0; band < bands; band++)
        for (int64_t x = 0; x < count; x++)
            planes[band * AREA + x] =
                valid[x] ? pixels[x * bands + band] : planes[band * AREA + x];
}

/* Put in the pixels that an observation saw, with the day of the look, and whether it is fresh.
   `look_day` lies chunk by chunk as well. */
EVERY_PROCESSOR
void carry_take(uint8_t *chunks, int32_t *look_day, const uint8_t *values, const uint8_t *valid,
                const Shape *shape, int32_t day, int32_t fresh) {
    const int64_t across = (shape->columns + EDGE - 1) / EDGE, bands = shape->bands;
    for (int64_t y = 0; y < shape->rows; y++)
        for (int64_t left = 0; left < shape->columns; left += EDGE) {
            const int64_t rest = shape->columns - left, count = rest < EDGE ? rest : EDGE;
            const int64_t chunk = y / EDGE * across + left / EDGE, place = y % EDGE * EDGE;
            const uint8_t *mask = valid + y * shape->valid_row + left;
            const void *pixels = values + y * shape->value_row + left * bands * shape->size;
            void *planes = chunks + chunk * shape->chunk + place * shape->size;
            uint8_t *seen = chunks + (chunk + 1) * shape->chunk - AREA + place;
            int32_t *days = look_day + chunk * AREA + place;
            /* Rows lie apart, so that the processor doesn't foresee the next one. */
            for (int64_t ahead = 0; ahead < count * bands * shape->size; ahead += LINE)
                __builtin_prefetch((const uint8_t *)pixels + shape->value_row + ahead);
            int any = 0;
            for (int64_t x = 0; x < count; x++) {
                any |= mask[x];
                days[x] = mask[x] ? day : days[x];
                seen[x] |= mask[x] & fresh;
            }
            if (!any)
                continue;
            if (shape->size == sizeof(uint16_t))
                take_shorts(planes, pixels, mask, count, bands);
            else if (bands == 2) /* radar: told so that the compiler can pair them */
                take_floats(planes, pixels, mask, count, 2);
            else
                take_floats(planes, pixels, mask, count, bands);
        }
}

/* Days from each pixel's last look, -1 of which there was none, into the ages of `count` chunks. */
EVERY_PROCESSOR
void carry_ages(uint8_t *chunks, const int32_t *look_day, int64_t count, int64_t chunk,
                int32_t day) {
    for (int64_t number = 0; number < count; number++) {
        int16_t *ages = (int16_t *)(chunks + (number + 1) * chunk - 3 * AREA);
        for (int64_t pixel = 0; pixel < AREA; pixel++) {
            const int32_t look = look_day[number * AREA + pixel];
            const int32_t age = look > day ? 0 : day - look;
            ages[pixel] = look < 0 ? -1 : age < INT16_MAX ? age : INT16_MAX;
        }
    }
}
