package peer

// Constant is one of the constants, for tests that vary them.
type Constant struct {
	Name string
	at   func(*constants) *float64
}

// Constants are all of them.
var Constants = []Constant{
	{"within", func(c *constants) *float64 { return &c.within }},
	{"between", func(c *constants) *float64 { return &c.between }},
	{"spread", func(c *constants) *float64 { return &c.spread }},
	{"spreads", func(c *constants) *float64 { return &c.spreads }},
	{"level", func(c *constants) *float64 { return &c.level }},
	{"shared", func(c *constants) *float64 { return &c.shared }},
	{"variance", func(c *constants) *float64 { return &c.variance }},
	{"windows", func(c *constants) *float64 { return &c.windows }},
	{"usual", func(c *constants) *float64 { return &c.usual }},
}

// Scale multiplies a constant of a store.
func (c Constant) Scale(s *Store, by float64) { *c.at(&s.by) *= by }
