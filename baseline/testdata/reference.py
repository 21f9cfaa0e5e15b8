#!/usr/bin/env python3
"""Writes the reference values of the tests of package baseline.

    pip install scipy mpmath
    python3 reference.py

The tails are computed with 60 digits by mpmath, because SciPy's logsf and
logcdf lose the far tails; where SciPy is good (log p above -20) the two are
compared here, so the parametrisation is SciPy's: nbinom(r, p) with r = 1/phi,
p = r/(r + mean), poisson(mean), betabinom(n, a, b).

Columns of the tails: parameters, x, log P(X > x) + P(X = x)/2,
log P(X < x) + P(X = x)/2.
"""
import csv, math
import mpmath as mp
from scipy import stats

mp.mp.dps = 60
half = mp.mpf(1) / 2


def nb(mean, phi, x):
    mean, phi = mp.mpf(mean), mp.mpf(phi)
    r = 1 / phi
    p, q = r / (r + mean), mean / (r + mean)
    at = mp.exp(mp.loggamma(x + r) - mp.loggamma(r) - mp.loggamma(x + 1) + r * mp.log(p) + x * mp.log(q))
    above = mp.betainc(x + 1, r, 0, q, regularized=True)
    below = mp.betainc(r, x, 0, p, regularized=True) if x > 0 else mp.mpf(0)
    return mp.log(above + at * half), mp.log(below + at * half), stats.nbinom(float(r), float(p))


def poisson(mean, x):
    mean = mp.mpf(mean)
    at = mp.exp(x * mp.log(mean) - mean - mp.loggamma(x + 1))
    above = mp.gammainc(x + 1, 0, mean, regularized=True)
    below = mp.gammainc(x, mean, mp.inf, regularized=True) if x > 0 else mp.mpf(0)
    return mp.log(above + at * half), mp.log(below + at * half), stats.poisson(float(mean))


def bb(n, a, b, x):
    a, b = mp.mpf(a), mp.mpf(b)
    pmf = lambda k: mp.binomial(n, k) * mp.beta(k + a, n - k + b) / mp.beta(a, b)
    above = mp.fsum(pmf(k) for k in range(x + 1, n + 1))
    below = mp.fsum(pmf(k) for k in range(0, x))
    at = pmf(x)
    return mp.log(above + at * half), mp.log(below + at * half), stats.betabinom(n, float(a), float(b))


def check(up, low, dist, x):
    want = math.log(dist.sf(x) + dist.pmf(x) / 2) if dist.sf(x) + dist.pmf(x) > 0 else -math.inf
    if up > -20:
        assert abs(float(up) - want) < 1e-5 * max(1, abs(want)), (up, want, x)


rows = []
for mean in (0.001, 0.1, 1, 5, 40, 1000, 50000):
    for phi in (0.0025, 0.1, 1, 30, 5000):
        sd = math.sqrt(mean + phi * mean * mean)
        for x in sorted({0, 1, 2, 7, int(mean), int(mean + sd), int(mean + 4 * sd), int(mean + 30 * sd), max(0, int(mean - 3 * sd))}):
            up, low, d = nb(mean, phi, x)
            check(up, low, d, x)
            rows.append(("nb", mean, phi, 0, x, up, low))
for mean in (0.001, 0.1, 1, 5, 40, 1000, 50000):
    sd = math.sqrt(mean)
    for x in sorted({0, 1, 2, 7, int(mean), int(mean + sd), int(mean + 4 * sd), int(mean + 30 * sd), max(0, int(mean - 3 * sd))}):
        up, low, d = poisson(mean, x)
        check(up, low, d, x)
        rows.append(("poisson", mean, 0, 0, x, up, low))
for n in (1, 2, 10, 300):
    for a, b in ((0.002, 1.9), (0.3, 40), (5, 5), (0.4, 0.3), (200, 30), (2, 5000)):
        for x in sorted({0, 1, n // 10, n // 2, n - 1, n}):
            if x < 0:
                continue
            up, low, d = bb(n, a, b, x)
            check(up, low, d, x)
            rows.append(("bb", n, a, b, x, up, low))

with open("tails.csv", "w", newline="") as f:
    f.write("# written by reference.py: distribution, parameters, x, log upper and log lower mid-p tail\n")
    for r in rows:
        csv.writer(f, lineterminator="\n").writerow([r[0], r[1], r[2], r[3], r[4], mp.nstr(r[5], 17), mp.nstr(r[6], 17)])

with open("quantiles.csv", "w", newline="") as f:
    f.write("# written by reference.py: log p, z with log(Phi(z)) = log p (mpmath.findroot)\n")
    for lp in (-0.7, -1, -2, -3.0, -5.0, -10, -14, -15, -16, -20, -50, -100, -500, -690.775527898, -1000, -1e4, -1e6, -1e9, -0.5, -0.1, -0.01, -1e-6, -1e-12):
        guess = -mp.sqrt(-2 * mp.mpf(lp)) if lp < -1 else mp.mpf(0)
        logcdf = lambda z: mp.log(mp.ncdf(z)) if z > -30 else -z * z / 2 - mp.log(-z * mp.sqrt(2 * mp.pi)) + mp.log1p(
            mp.nsum(lambda k: (-1) ** k * mp.fac2(2 * k - 1) / z ** (2 * k), [1, 25]))
        if lp > -0.6:  # from the upper side
            rest = mp.log(-mp.expm1(mp.mpf(lp)))
            z = -mp.findroot(lambda z: mp.log(mp.ncdf(z)) - rest, -mp.sqrt(-2 * rest) if rest < -1 else mp.mpf(-0.2))
        else:
            z = mp.findroot(lambda z: logcdf(z) - lp, guess)
        csv.writer(f, lineterminator="\n").writerow([repr(lp), mp.nstr(z, 17)])
