package peer

// constants are the numbers that were chosen on a recording. TestSweep prints
// their effect at half and double.
type constants struct {
	// within is how many windows the tenant's dispersion counts for against that of
	// a group, and between how many subjects the tenant's spread of subjects does.
	within, between float64
	// spread is what a tenant's spread is thought to be before its groups tell, and
	// spreads for how many groups that counts: rather wide, for the first busy
	// day of a tenant is judged by a night.
	spread  float64
	spreads float64
	// level is how many windows resemble each other as the hours of a night or of a
	// day do: of so many windows one is independent. What was seen in few
	// of them says little about how much counts vary at other times: the dispersion
	// within subjects is taken to be 1 + level/lived times what it was.
	level float64
	// shared is how much the silhouettes of a family's subjects vary together,
	// against how much each varies by itself: on a release day all of them do other
	// things. Without it the two subjects of a night would be judged by the forty
	// of a day.
	shared float64
	// variance is that of a subject's silhouette until its family's windows tell,
	// and windows how many of them it counts for: it varies by 0.3.
	variance, windows float64
	// usual is how many windows the family's mean silhouette counts for against a
	// subject's own.
	usual float64
}

var shipped = constants{
	within: 5, between: 3, spread: 2, spreads: 10, level: 8,
	shared: 0.1, variance: 0.1, windows: 4, usual: 2,
}
