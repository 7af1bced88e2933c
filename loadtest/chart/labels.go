package chart

import "slices"

// spread moves the wanted positions as little as possible (in the sum of squares), so that
// neighbours are gap apart and all are within lo and hi, if they fit there. Equal positions
// keep their order.
func spread(want []float64, gap, lo, hi float64) []float64 {
	order := make([]int, len(want))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case want[a] < want[b]:
			return -1
		case want[a] > want[b]:
			return 1
		}
		return 0
	})
	// A block is a run of labels that touch. Its position is the mean of what its labels want.
	type block struct {
		n   int
		sum float64 // of the positions that each of its labels wants for the first
		at  float64
	}
	place := func(b *block) {
		b.at = min(max(b.sum/float64(b.n), lo), hi-gap*float64(b.n-1))
	}
	var blocks []block
	for _, i := range order {
		b := block{n: 1, sum: want[i]}
		place(&b)
		for len(blocks) > 0 {
			last := blocks[len(blocks)-1]
			if last.at+gap*float64(last.n) <= b.at {
				break
			}
			b = block{n: last.n + b.n, sum: last.sum + b.sum - gap*float64(last.n*b.n)}
			place(&b)
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	out := make([]float64, len(want))
	k := 0
	for _, b := range blocks {
		for j := range b.n {
			out[order[k]] = b.at + gap*float64(j)
			k++
		}
	}
	return out
}
