#!/usr/bin/env python3
"""Make a deterministic, realistic synthetic workload for side-by-side benchmarks.

Writes EOPatches (plain ``.npy`` layout, readable by eo-learn 1.4 and 1.5; numpy
is the only dependency) in the tree that the published stage 2 reads::

    OUT/S1_asc/eopatches/<timestamp>/{data/L1_GND,mask/dataMask}.npy   (t,y,x,2)
    OUT/S1_dsc/eopatches/...
    OUT/S2/eopatches/<timestamp>/{data/L1C_data,mask/dataMask}.npy     (t,y,x,13)
    OUT/manifest.json   parameters, counts, bytes, digest of all arrays
    OUT/truth.json      planted urban changes (bbox in pixels, date, kind)
    OUT/truth.npz       change_id, change_time (unix s, NaN = none) per pixel

What is modelled, because it decides speed and size:
  * S1: linear power, gamma speckle (ENL 4.4) on a land-cover backscatter map,
    slight spatial correlation of the speckle, swath edges in some masks;
  * S2: 13 bands of reflectance on the 1e-4 grid, 20 m / 60 m bands repeated by
    nearest neighbour (this drives gzip ratios), seasonal vegetation, smooth
    atmospheric gain, sensor noise, clouds as blobs in dataMask (bright under the
    mask, a few per cent missed), fully masked observations dropped (as the published
    stage 1 does);
  * planted changes: blocks whose reflectance and backscatter move to another
    class at a date (abrupt) or over 60 days (gradual).

The same --seed and size give the same bytes on the same numpy major version.
"""

import argparse
import datetime as dt
import hashlib
import json
import os

import numpy as np

SIZES = {  # height, width, days, mean gaps in days between obs (asc, dsc, S2), changes
    "tiny": {
        "height": 70,
        "width": 100,
        "days": 181,
        "gap_asc": 3.6,
        "gap_dsc": 3.6,
        "gap_s2": 4.2,
        "changes": 3,
    },
    "small": {
        "height": 178,
        "width": 236,
        "days": 181,
        "gap_asc": 3.6,
        "gap_dsc": 3.6,
        "gap_s2": 4.2,
        "changes": 6,
    },
    "medium": {
        "height": 512,
        "width": 512,
        "days": 547,
        "gap_asc": 3.4,
        "gap_dsc": 3.4,
        "gap_s2": 4.3,
        "changes": 24,
    },
}
START = dt.datetime(2017, 1, 1)
# published order: B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B10 B11 B12
RES = np.array([6, 1, 1, 1, 2, 2, 2, 1, 2, 6, 6, 2, 2])
SPECTRA = {
    #            B01   B02   B03   B04   B05   B06   B07   B08   B8A   B09   B10    B11   B12
    "vegetation": [
        0.120,
        0.095,
        0.085,
        0.060,
        0.105,
        0.250,
        0.320,
        0.340,
        0.350,
        0.110,
        0.0015,
        0.190,
        0.090,
    ],
    "bare": [
        0.135,
        0.120,
        0.120,
        0.130,
        0.155,
        0.175,
        0.190,
        0.205,
        0.215,
        0.080,
        0.0018,
        0.280,
        0.230,
    ],
    "urban": [
        0.160,
        0.150,
        0.145,
        0.150,
        0.160,
        0.170,
        0.180,
        0.190,
        0.195,
        0.075,
        0.0020,
        0.200,
        0.175,
    ],
    "water": [
        0.110,
        0.085,
        0.065,
        0.045,
        0.042,
        0.038,
        0.036,
        0.033,
        0.030,
        0.015,
        0.0010,
        0.012,
        0.008,
    ],
}
BACKSCATTER = {  # linear VV, VH
    "vegetation": (0.090, 0.0220),
    "bare": (0.055, 0.0075),
    "urban": (0.420, 0.0650),
    "water": (0.006, 0.0010),
}
CLASSES = list(SPECTRA)


def smooth_noise(rng, h, w, scale):
    """Zero-mean, unit-variance Gaussian field with correlation length scale (px)."""
    n = rng.standard_normal((h, w))
    fy = np.fft.fftfreq(h)[:, None]
    fx = np.fft.rfftfreq(w)[None, :]
    f = np.exp(-2.0 * (np.pi * scale) ** 2 * (fy**2 + fx**2))
    out = np.fft.irfft2(np.fft.rfft2(n) * f, s=(h, w))
    return (out - out.mean()) / (out.std() + 1e-12)


def nearest_blocks(a, r):
    """Sample on a grid r times coarser and repeat, as nearest neighbour does."""
    if r == 1:
        return a
    iy, ix = (np.minimum(np.arange(n) // r * r + r // 2, n - 1) for n in a.shape)
    return a[np.ix_(iy, ix)]


def half_plane(rng, h, w, keep):
    """Swath edge: a slanted line; keeps about `keep` of the area."""
    ang = rng.uniform(-0.35, 0.35) + (0 if rng.random() < 0.5 else np.pi)
    y, x = np.mgrid[0:h, 0:w]
    d = (x - w / 2) * np.cos(ang) + (y - h / 2) * np.sin(ang)
    return d <= np.quantile(d, keep)


def times(rng, days, gap, hour, jitter_s):
    """Observation times on a repeat cycle with drop-outs; whole seconds, sorted."""
    out, t = [], rng.uniform(0, 1.5)
    while t < days:
        day = int(t)
        out.append(
            START + dt.timedelta(days=day, hours=hour, seconds=int(rng.integers(0, jitter_s)))
        )
        t += max(1.0, rng.choice([gap - 1.0, gap, gap + 1.0]) + rng.uniform(-0.4, 0.4))
    return [x for x in sorted(set(out)) if x < START + dt.timedelta(days=days)]


def write_patch(root, when, feature, data, mask, bbox, digest):
    """Write one observation as an EOPatch folder; gives its bytes."""
    path = os.path.join(root, when.strftime("%Y%m%dT%H%M%S"))
    os.makedirs(os.path.join(path, "data"))
    os.makedirs(os.path.join(path, "mask"))
    np.save(os.path.join(path, "data", feature + ".npy"), data[None])
    np.save(os.path.join(path, "mask", "dataMask.npy"), mask[None, ..., None])
    with open(os.path.join(path, "timestamps.json"), "w") as f:
        json.dump([when.isoformat()], f)
    x0, y0, x1, y1 = bbox
    with open(os.path.join(path, "bbox.geojson"), "w") as f:
        json.dump(
            {
                "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}},
                "type": "Polygon",
                "coordinates": [[[x0, y0], [x0, y1], [x1, y1], [x1, y0], [x0, y0]]],
            },
            f,
        )
    digest.update(np.ascontiguousarray(data).data)
    digest.update(np.ascontiguousarray(mask).data)
    return data.nbytes + mask.nbytes


def main():
    """Make the workload that the command line asks for."""
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--out", required=True)
    ap.add_argument("--size", choices=SIZES, default="small")
    ap.add_argument("--seed", type=int, default=20170101)
    for k in ("height", "width", "days", "changes"):
        ap.add_argument("--" + k, type=int, default=None)
    a = ap.parse_args()
    p = dict(SIZES[a.size])
    p.update(
        {
            k: getattr(a, k)
            for k in ("height", "width", "days", "changes")
            if getattr(a, k) is not None
        }
    )
    h, w, days = p["height"], p["width"], p["days"]
    rng = np.random.default_rng(a.seed)
    os.makedirs(a.out, exist_ok=True)
    if os.path.exists(os.path.join(a.out, "manifest.json")):
        print("workload is already there:", a.out)
        return

    # -- scene: class map from smooth fields, a street grid in the urban part --
    f1, f2 = smooth_noise(rng, h, w, 14), smooth_noise(rng, h, w, 9)
    cls = np.zeros((h, w), np.int8)
    cls[f2 > 0.7] = 1
    cls[f1 > 0.55] = 2
    cls[f1 < -1.5] = 3
    yy, xx = np.mgrid[0:h, 0:w]
    cls[(cls == 2) & (((yy % 17) < 2) | ((xx % 23) < 2))] = 1
    texture = 1.0 + 0.12 * smooth_noise(rng, h, w, 1.2) + 0.08 * smooth_noise(rng, h, w, 5)
    texture = np.clip(texture, 0.5, 1.6)
    sar_texture = np.clip(np.exp(0.35 * smooth_noise(rng, h, w, 0.8)), 0.3, 4.0)

    # -- planted changes --
    changes, cid = [], np.zeros((h, w), np.int32)
    ctime = np.full((h, w), np.nan)
    tries = 0
    while len(changes) < p["changes"] and tries < 2000:
        tries += 1
        bh, bw = int(rng.integers(8, 22)), int(rng.integers(8, 22))
        y0, x0 = int(rng.integers(2, max(3, h - bh - 2))), int(rng.integers(2, max(3, w - bw - 2)))
        blk = (slice(y0, y0 + bh), slice(x0, x0 + bw))
        if cid[blk].any():
            continue
        src = CLASSES[int(np.bincount(cls[blk].ravel(), minlength=4).argmax())]
        if src == "water":
            continue
        dst = "bare" if src == "urban" else "urban"
        day = float(rng.uniform(0.4, 0.65) * days)
        ramp = 60.0 if len(changes) % 3 == 2 else 0.0
        n = len(changes) + 1
        cls[blk] = CLASSES.index(src)
        cid[blk] = n
        when = START + dt.timedelta(days=day)
        ctime[blk] = (when - dt.datetime(1970, 1, 1)).total_seconds()
        changes.append(
            {
                "id": n,
                "y0": y0,
                "x0": x0,
                "y1": y0 + bh,
                "x1": x0 + bw,
                "kind": src + "->" + dst,
                "date": when.isoformat(),
                "ramp_days": ramp,
                "day": day,
                "dst": dst,
            }
        )

    spec = np.array([SPECTRA[c] for c in CLASSES])  # 4,13
    back = np.array([BACKSCATTER[c] for c in CLASSES])  # 4,2
    refl0, sar0 = spec[cls], back[cls]  # h,w,13 / h,w,2

    def state(base, table, day):
        out = base.copy()
        for c in changes:
            if day < c["day"]:
                continue
            frac = 1.0 if c["ramp_days"] == 0 else min(1.0, (day - c["day"]) / c["ramp_days"])
            s = (slice(c["y0"], c["y1"]), slice(c["x0"], c["x1"]))
            out[s] = (1 - frac) * out[s] + frac * table[CLASSES.index(c["dst"])]
        return out

    lon0, lat0 = 18.14, 49.83
    bbox = (lon0, lat0, lon0 + w * 10 / (111320 * np.cos(np.radians(lat0))), lat0 + h * 10 / 110574)
    digest, total, counts = hashlib.sha256(), 0, {}

    # -- Sentinel-1 --
    for name, hour, gap in (("S1_asc", 16.6, p["gap_asc"]), ("S1_dsc", 5.0, p["gap_dsc"])):
        root = os.path.join(a.out, name, "eopatches")
        os.makedirs(root)
        look = 1.0 + 0.1 * smooth_noise(rng, h, w, 2)  # orbit-dependent look
        ts = times(rng, days, gap, hour, 900)
        for when in ts:
            day = (when - START).total_seconds() / 86400
            mean = state(sar0, back, day) * (sar_texture * look)[..., None]
            mean = mean * (1 + 0.06 * rng.standard_normal())  # moisture
            enl = 4.4
            g = rng.gamma(enl, 1 / enl, (h + 1, w + 1, 2)).astype(np.float32)
            g = 0.85 * g[:h, :w] + 0.15 * g[1:, 1:]
            data = np.maximum(mean * g, 1e-5).astype(np.float32)
            mask = np.ones((h, w), bool)
            if rng.random() < 0.15:
                mask = half_plane(rng, h, w, rng.uniform(0.3, 0.95))
                data = np.where(mask[..., None], data, np.float32(0))
            total += write_patch(root, when, "L1_GND", data, mask, bbox, digest)
        counts[name] = len(ts)

    # -- Sentinel-2 --
    root = os.path.join(a.out, "S2", "eopatches")
    os.makedirs(root)
    n2 = 0
    for when in times(rng, days, p["gap_s2"], 9.9, 900):
        day = (when - START).total_seconds() / 86400
        r = state(refl0, spec, day)
        green = 0.5 + 0.5 * np.sin(2 * np.pi * (day - 105) / 365.25)  # season
        veg = (cls == 0) & ~(
            (cid > 0)
            & (np.nan_to_num(ctime, nan=np.inf) <= (when - dt.datetime(1970, 1, 1)).total_seconds())
        )
        season = np.ones(13)
        season[5:9] += 0.35 * (green - 0.5)
        season[3] -= 0.25 * (green - 0.5)
        season[11:13] -= 0.2 * (green - 0.5)
        r = np.where(veg[..., None], r * season, r)
        r *= texture[..., None]
        r *= (1 + 0.03 * rng.standard_normal(13)) * (1 + 0.02 * smooth_noise(rng, h, w, 40))[
            ..., None
        ]
        r += 0.0015 * rng.standard_normal((h, w, 13))
        cover = rng.beta(0.55, 0.65)
        field = smooth_noise(rng, h, w, rng.uniform(6, 25))
        cloud = field > np.quantile(field, 1 - cover) if cover > 0.01 else np.zeros((h, w), bool)
        if cover > 0.97:
            continue  # "fully masked": stage 1 drops these
        bright = np.clip(0.35 + 0.25 * field, 0.15, 0.95)[..., None]
        r = np.where(cloud[..., None], bright * np.linspace(1.05, 0.8, 13), r)
        detected = cloud & ~(smooth_noise(rng, h, w, 4) > 2.0)
        mask = ~detected
        if rng.random() < 0.12:
            mask &= half_plane(rng, h, w, rng.uniform(0.3, 0.95))
        for b in range(13):
            if RES[b] > 1:
                r[..., b] = nearest_blocks(r[..., b], RES[b])
        data = (np.clip(np.round(r * 10000), 1, 65535) / 10000).astype(np.float32)
        if not mask.any():
            continue
        total += write_patch(root, when, "L1C_data", data, mask, bbox, digest)
        n2 += 1
    counts["S2"] = n2

    np.savez_compressed(os.path.join(a.out, "truth.npz"), change_id=cid, change_time=ctime, cls=cls)
    with open(os.path.join(a.out, "truth.json"), "w") as f:
        json.dump(
            [{k: v for k, v in c.items() if k not in ("day", "dst")} for c in changes], f, indent=1
        )
    man = dict(
        size=a.size,
        seed=a.seed,
        start=START.isoformat(),
        end=(START + dt.timedelta(days=days)).isoformat(),
        **p,
        observations=counts,
        total_observations=sum(counts.values()),
        array_bytes=total,
        sha256=digest.hexdigest(),
        numpy=np.__version__,
    )
    with open(os.path.join(a.out, "manifest.json"), "w") as f:
        json.dump(man, f, indent=1)
    print(json.dumps(man, indent=1))


if __name__ == "__main__":
    main()
