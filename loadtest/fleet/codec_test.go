package fleet

import (
	"reflect"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/load"
)

// populate sets each field that is sent to a value other than zero.
func populate(v reflect.Value, n *int64) {
	*n++
	if v.CanAddr() {
		switch p := v.Addr().Interface().(type) {
		case **hdrhistogram.Histogram:
			*p = load.NewHistogram()
			for i := range *n {
				_ = (*p).RecordValue(i * i * 1e6)
			}
			return
		case *time.Time:
			*p = time.Unix(1e9, *n).UTC()
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		populate(v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			populate(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			populate(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		populate(key, n)
		populate(value, n)
		v.SetMapIndex(key, value)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(*n)
	case reflect.Float64:
		v.SetFloat(float64(*n) / 3)
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a message has a " + v.Kind().String() + ": can it be sent?")
	}
}

// Every field of a message arrives, including those that are added to it later.
func TestMessagesArriveWhole(t *testing.T) {
	same := cmp.Options{
		cmp.Comparer(func(a, b *hdrhistogram.Histogram) bool {
			if a == nil || b == nil {
				return a == b
			}
			return a.Equals(b)
		}),
	}
	for _, message := range []any{&order{}, &report{}} {
		n := int64(0)
		populate(reflect.ValueOf(message).Elem(), &n)
		b, err := encode(message)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(message).Elem()).Interface()
		if err := decode(b, got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(message, got, same); d != "" {
			t.Errorf("%T came as\n%s", message, d)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct{ reason, text string }{
		{"no JSON", "?"},
		{"another value", `{"Value":7}`},
		{"a histogram is missing", `{"Value":{"Service":{}}}`},
		{"a histogram too many", `{"Value":{},"Histograms":["HISTFAAAABl4nJNpmSzMwMDAxAABzFCaEUzOmMFgDwEAAgIB"]}`},
		{"a histogram that is none", `{"Value":{"Service":{}},"Histograms":["????"]}`},
	} {
		if err := decode([]byte(tt.text), &load.Interval{}); err == nil {
			t.Errorf("%s: no error", tt.reason)
		}
	}
}
