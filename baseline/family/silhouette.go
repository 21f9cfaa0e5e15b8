package family

import "math"

// silhouettes returns the silhouette of every item (Rousseeuw 1987), given
// their distances, how many roles each stands for and the number of its family.
// It is NaN for an item alone in its family, and for all of them where there is
// one family only.
func silhouettes(m matrix, sizes, family []int) []float64 {
	s := make([]float64, m.n)
	families := 0
	for _, f := range family {
		families = max(families, f+1)
	}
	roles := make([]int, families)
	for i, f := range family {
		roles[f] += sizes[i]
	}
	sums := make([]float64, families)
	for i, own := range family {
		if roles[own] < 2 || families < 2 {
			s[i] = math.NaN()
			continue
		}
		clear(sums)
		for j, d := range m.row(i) {
			sums[family[j]] += d * float64(sizes[j])
		}
		inside, outside := sums[own]/float64(roles[own]-1), math.Inf(1)
		for f := range sums {
			if f != own {
				outside = min(outside, sums[f]/float64(roles[f]))
			}
		}
		if widest := max(inside, outside); widest > 0 {
			s[i] = (outside - inside) / widest
		}
	}
	return s
}
