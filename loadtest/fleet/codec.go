package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A packet is an encoded value: its JSON, in which histograms are empty, and its
// histograms in the order of a walk through the value. A new field of a message is sent
// without a change here, even if it is a histogram.
type packet struct {
	Value      json.RawMessage
	Histograms []string `json:",omitempty"` // in HdrHistogram's compressed V2 encoding, which is lossless
}

func encode(v any) ([]byte, error) {
	var p packet
	var err error
	if p.Value, err = json.Marshal(v); err != nil {
		return nil, err
	}
	err = histograms(reflect.ValueOf(v), func(h **hdrhistogram.Histogram) error {
		b, err := (*h).Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		p.Histograms = append(p.Histograms, string(b))
		return err
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// decode fills v, a pointer to a zero value of the type that was encoded.
func decode(b []byte, v any) error {
	var p packet
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	if err := json.Unmarshal(p.Value, v); err != nil {
		return err
	}
	err := histograms(reflect.ValueOf(v), func(h **hdrhistogram.Histogram) error {
		if len(p.Histograms) == 0 {
			return errors.New("a histogram is missing")
		}
		var err error
		*h, err = hdrhistogram.Decode([]byte(p.Histograms[0]))
		p.Histograms = p.Histograms[1:]
		return err
	})
	if err == nil && len(p.Histograms) > 0 {
		err = fmt.Errorf("%d histograms are left over", len(p.Histograms))
	}
	return err
}

// histograms calls do for each histogram within v that is not nil.
func histograms(v reflect.Value, do func(**hdrhistogram.Histogram) error) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if v.CanAddr() && v.CanInterface() {
			if h, ok := v.Addr().Interface().(**hdrhistogram.Histogram); ok {
				return do(h)
			}
		}
		return histograms(v.Elem(), do)
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue // JSON leaves it out as well
			}
			if err := histograms(v.Field(i), do); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := histograms(v.Index(i), do); err != nil {
				return err
			}
		}
	}
	return nil
}
