package node

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"net/netip"
)

const (
	// linkBits is the prefix length of a link: two addresses, one for each end.
	linkBits = 30
	// linkRange is where links take their subnets from.
	linkRange = "10.231.0.0/16"
)

// chooseSubnet returns a subnet of linkRange that overlaps none of those in use. It starts to look at a place that
// depends on the ID, so that clusters that start at the same time do not choose the same.
func chooseSubnet(id string, used []netip.Prefix) (netip.Prefix, error) {
	all := netip.MustParsePrefix(linkRange)
	first := binary.BigEndian.Uint32(all.Addr().AsSlice())
	count := uint32(1) << (linkBits - all.Bits())
	hash := fnv.New32a()
	hash.Write([]byte(id))
	for i := range count {
		index := (hash.Sum32() + i) % count
		address := binary.BigEndian.AppendUint32(nil, first+index<<(32-linkBits))
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte(address)), linkBits)
		if !inUse(subnet, used) {
			return subnet, nil
		}
	}
	return netip.Prefix{}, errors.New("no free subnet in " + linkRange)
}

// inUse ignores wide routes, such as those of a private network: the narrow one of a link wins over them.
func inUse(subnet netip.Prefix, used []netip.Prefix) bool {
	for _, u := range used {
		if u.Bits() >= netip.MustParsePrefix(linkRange).Bits() && u.Overlaps(subnet) {
			return true
		}
	}
	return false
}
