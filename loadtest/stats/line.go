package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// A Line is y = Intercept + Slope·x by least squares.
type Line struct {
	Slope     Estimate `json:"slope"`
	Intercept Estimate `json:"intercept"`
	R2        float64  `json:"r2"`
	// Distinct is the number of different x.
	Distinct int `json:"distinct"`
}

// Slope fits a line to a metric against clients, over all repeats that count. Its intercept
// is the part that does not depend on the clients.
func Slope(cells []*Cell, m Metric) Line {
	var xs, ys []float64
	for _, c := range cells {
		for _, v := range c.Values(m) {
			xs, ys = append(xs, float64(c.Clients)), append(ys, v)
		}
	}
	return LineOf(xs, ys)
}

// LineOf fits a line to points. The intervals are Student's, with n-2 degrees of freedom:
// they assume independent residuals of equal variance. Fewer than three points, or points
// at only one x, have no line: N is 0.
func LineOf(xs, ys []float64) Line {
	seen := map[float64]bool{}
	for _, x := range xs {
		seen[x] = true
	}
	line := Line{Distinct: len(seen)}
	n := len(xs)
	if n < 3 || n != len(ys) || len(seen) < 2 {
		return line
	}
	a, b := stat.LinearRegression(xs, ys, nil, false)
	mean := stat.Mean(xs, nil)
	var sxx, sse, sst float64
	ymean := stat.Mean(ys, nil)
	for i, x := range xs {
		sxx += (x - mean) * (x - mean)
		r := ys[i] - a - b*x
		sse += r * r
		sst += (ys[i] - ymean) * (ys[i] - ymean)
	}
	s := math.Sqrt(sse / float64(n-2))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 2)}.Quantile(1 - (1-confidence)/2)
	of := func(v, se float64) Estimate {
		return Estimate{Value: v, Lo: v - t*se, Hi: v + t*se, N: n, Method: Student, Level: confidence}
	}
	line.Slope = of(b, s/math.Sqrt(sxx))
	line.Intercept = of(a, s*math.Sqrt(1/float64(n)+mean*mean/sxx))
	if line.R2 = 1; sst > 0 {
		line.R2 = 1 - sse/sst
	}
	return line
}
