package node

import (
	"net/netip"
	"testing"
)

func TestChooseSubnet(t *testing.T) {
	free, err := chooseSubnet("a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !netip.MustParsePrefix(linkRange).Overlaps(free) || free.Bits() != linkBits || free != free.Masked() {
		t.Errorf("chooseSubnet() = %v, want a /%d subnet of %s", free, linkBits, linkRange)
	}
	wide := netip.MustParsePrefix("10.0.0.0/8")
	for name, used := range map[string][]netip.Prefix{
		"same subnet": {free},
		"one address": {netip.PrefixFrom(free.Addr().Next(), 32)},
		"wide route":  {wide, free},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := chooseSubnet("a", used)
			if err != nil || got.Overlaps(free) {
				t.Errorf("chooseSubnet() = %v, %v, want a subnet other than %v", got, err, free)
			}
		})
	}
	if got, err := chooseSubnet("a", []netip.Prefix{wide}); err != nil || got != free {
		t.Errorf("chooseSubnet() = %v, %v, want the wide route ignored", got, err)
	}
	if got, err := chooseSubnet("a", []netip.Prefix{netip.MustParsePrefix(linkRange)}); err == nil {
		t.Errorf("chooseSubnet() = %v, want an error when all are in use", got)
	}
}
