#!/usr/bin/env python3
"""Writes the reference values of the tests of package baseline.

    pip install scipy==1.17.1 mpmath==1.4.1 gmpy2
    python3 reference.py

The tails are computed with 60 digits by mpmath, because SciPy's logsf and
logcdf lose the far tails; where SciPy is good (log p above -20) the two are
compared here, so the parametrisation is SciPy's: nbinom(r, p) with r = 1/phi,
p = r/(r + mean), poisson(mean), betabinom(n, a, b), t(df).

Columns of the tails: parameters, x, log P(X > x) + P(X = x)/2,
log P(X < x) + P(X = x)/2. Of "t" the parameter is the degrees of freedom, of
"combine" log p and n, and the value is log(1 - (1 - p)^n).
"""
import csv, math
import mpmath as mp
from scipy import stats

mp.mp.dps = 60
half = mp.mpf(1) / 2


def sides(at, x, up, down, last=None):
    """Sums the probabilities below and above x from P(X = x) and the ratios of
    neighbours: up(k) = P(k+1)/P(k), down(k) = P(k-1)/P(k). The side above is
    1 - the rest, where that keeps 25 digits."""
    below, term, k = mp.mpf(0), at, x
    while k > 0 and term > below * mp.mpf(10) ** -40:
        term *= down(k)
        below += term
        k -= 1
    above = 1 - below - at
    if above > mp.mpf(10) ** -25:
        return above, below
    above, term, k = mp.mpf(0), at, x
    while (last is None or k < last) and term > above * mp.mpf(10) ** -40:
        term *= up(k)
        above += term
        k += 1
    return above, below


def nb(mean, phi, x):
    mean, phi = mp.mpf(mean), mp.mpf(phi)
    r = 1 / phi
    p, q = r / (r + mean), mean / (r + mean)
    at = mp.exp(mp.loggamma(x + r) - mp.loggamma(r) - mp.loggamma(x + 1) + r * mp.log(p) + x * mp.log(q))
    if x > 2e4 and mean < 1e6:
        above = mp.betainc(x + 1, r, 0, q, regularized=True)
        below = mp.betainc(r, x, 0, p, regularized=True)
    else:
        above, below = sides(at, x, lambda k: q * (k + r) / (k + 1), lambda k: k / (q * (k - 1 + r)))
    return mp.log(above + at * half), mp.log(below + at * half), stats.nbinom(float(r), float(p))


def poisson(mean, x):
    mean = mp.mpf(mean)
    at = mp.exp(x * mp.log(mean) - mean - mp.loggamma(x + 1))
    above, below = sides(at, x, lambda k: mean / (k + 1), lambda k: k / mean)
    return mp.log(above + at * half), mp.log(below + at * half), stats.poisson(float(mean))


def bb(n, a, b, x):
    a, b = mp.mpf(a), mp.mpf(b)
    at = mp.binomial(n, x) * mp.beta(x + a, n - x + b) / mp.beta(a, b)
    above, below = mp.mpf(0), mp.mpf(0)
    term = at
    for k in range(x, n):
        term *= (n - k) * (k + a) / ((k + 1) * (n - k - 1 + b))
        above += term
    term = at
    for k in range(x, 0, -1):
        term *= k * (n - k + b) / ((n - k + 1) * (k - 1 + a))
        below += term
    return mp.log(above + at * half), mp.log(below + at * half), stats.betabinom(n, float(a), float(b))


def student(df, t):
    df, t = mp.mpf(df), mp.mpf(t)
    if t < 1:
        beyond = half - mp.betainc(half, df / 2, 0, t * t / (df + t * t), regularized=True) / 2
    else:
        beyond = mp.betainc(df / 2, half, 0, df / (df + t * t), regularized=True) / 2
    return mp.log(beyond), mp.log1p(-beyond), stats.t(float(df))


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

# Far out, and large: from "never happened" to 1e-300 and beyond.
for mean in (1e-7, 0.01, 3, 200, 3000):
    for phi in (1e-8, 1e-5, 0.0025, 0.3, 100, 1e8):
        sd = math.sqrt(mean + phi * mean * mean)
        for x in sorted({0, 1, 5, 100, int(mean * 0.9), int(mean), int(mean + 8 * sd) + 3, int(mean + min(60 * sd, 2e4)) + 9}):
            up, low, d = nb(mean, phi, x)
            if mean >= 0.01 and phi >= 1e-5:  # else SciPy's p is rounded to 1
                check(up, low, d, x)
            rows.append(("nb", mean, phi, 0, x, up, low))
for phi, x in ((1e-5, 1_001_000), (1e-5, 1_200_000)):
    up, low, d = nb(1e6, phi, x)
    rows.append(("nb", 1e6, phi, 0, x, up, low))
for mean in (1e-7, 0.01, 3, 200, 3000, 1e6):
    for x in sorted({0, 1, 5, 100, 400, 3000, int(mean), int(mean * 1.001), int(mean * 1.1), int(mean * 0.9)}):
        up, low, d = poisson(mean, x)
        check(up, low, d, x)
        rows.append(("poisson", mean, 0, 0, x, up, low))
for n in (1000, 10000):
    for a, b in ((1e-6, 1), (0.002, 1.9), (0.3, 40), (0.4, 0.3), (20, 1e-3), (200, 30), (2, 5000), (50000, 50000), (1, 1e6)):
        for x in sorted({0, 3, n // 20, n // 2, n}):
            up, low, d = bb(n, a, b, x)
            rows.append(("bb", n, a, b, x, up, low))
for df in (0.1, 1, 2.5, 7, 40, 1000):
    for t in (0, 1e-9, 0.01, 0.5, 1, 2.5, 4, 8, 20, 38, 100, 1e4, 1e40):
        up, low, d = student(df, t)
        if up > -20:
            assert abs(float(up) - d.logsf(t)) < 1e-6 * max(1, abs(float(up))), (up, df, t)
        rows.append(("t", df, 0, 0, t, up, low))
for logp in (-1e-12, -1e-3, -0.3, -0.69, -2, -12, -26, -27.6, -27.7, -40, -700, -5000):
    for n in (1, 2, 11, 60, 1000):
        p = mp.exp(mp.mpf(logp))
        rows.append(("combine", logp, n, 0, 0, mp.log(-mp.expm1(n * mp.log1p(-p))), n * mp.log1p(-p)))

with open("tails.csv", "w", newline="") as f:
    f.write("# written by reference.py (mpmath 1.4.1, SciPy 1.17.1): distribution, parameters, x, log upper and log lower mid-p tail\n")
    for r in rows:
        csv.writer(f, lineterminator="\n").writerow([r[0], r[1], r[2], r[3], r[4], mp.nstr(r[5], 17), mp.nstr(r[6], 17)])

with open("quantiles.csv", "w", newline="") as f:
    f.write("# written by reference.py (mpmath 1.4.1): log p, z with log(Phi(z)) = log p (mpmath.findroot)\n")
    for lp in (-0.7, -1, -2, -3.0, -5.0, -10, -14, -15, -16, -20, -50, -100, -500, -690.775527898, -1000, -1e4, -1e6, -1e9, -12.0, -13.0, -14.5, -30, -250, -0.5, -0.1, -0.01, -1e-6, -1e-12):
        guess = -mp.sqrt(-2 * mp.mpf(lp)) if lp < -1 else mp.mpf(0)
        logcdf = lambda z: mp.log(mp.ncdf(z)) if z > -30 else -z * z / 2 - mp.log(-z * mp.sqrt(2 * mp.pi)) + mp.log1p(
            mp.nsum(lambda k: (-1) ** k * mp.fac2(2 * k - 1) / z ** (2 * k), [1, 25]))
        if lp > -0.6:  # from the upper side
            rest = mp.log(-mp.expm1(mp.mpf(lp)))
            z = -mp.findroot(lambda z: mp.log(mp.ncdf(z)) - rest, -mp.sqrt(-2 * rest) if rest < -1 else mp.mpf(-0.2))
        else:
            z = mp.findroot(lambda z: logcdf(z) - lp, guess)
        csv.writer(f, lineterminator="\n").writerow([repr(lp), mp.nstr(z, 17)])
