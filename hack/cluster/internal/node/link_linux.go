package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// innerLink is the name of the cluster's end of its link.
const innerLink = "eth0"

// Connect links this machine with the network namespace of a process. It returns the addresses of the far end and of
// this one, and configures this one; Enter configures the other.
func Connect(id string, pid int) (address, peer string, err error) {
	used, err := usedSubnets()
	if err != nil {
		return "", "", err
	}
	subnet, err := chooseSubnet(id, used)
	if err != nil {
		return "", "", err
	}
	near := subnet.Addr().Next()
	link := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: id},
		PeerName:      innerLink,
		PeerNamespace: netlink.NsPid(pid),
	}
	if err := netlink.LinkAdd(link); err != nil {
		return "", "", fmt.Errorf("creating the network link %s: %w", id, err)
	}
	return near.Next().String(), near.String(), configure(id, near.String())
}

// configure gives a link its address and brings it up.
func configure(name, address string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	subnet := &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(linkBits, 32)}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: subnet}); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func usedSubnets() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	var used []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		if address, ok := netip.AddrFromSlice(r.Dst.IP.To4()); ok {
			bits, _ := r.Dst.Mask.Size()
			used = append(used, netip.PrefixFrom(address, bits))
		}
	}
	return used, nil
}

// removeLink succeeds too when the link went away with the namespace of its other end.
func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil {
		if _, again := netlink.LinkByName(name); errors.As(again, &netlink.LinkNotFoundError{}) {
			return nil
		}
		return err
	}
	return nil
}

// configureInside sets up the network of the cluster's own namespace.
func configureInside(address string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	if err := configure(innerLink, address); err != nil {
		return err
	}
	return routeServices()
}

// routeServices lets the node's own processes send to Services: without any route to the address a packet is refused
// before the service proxy gets to rewrite it. There is no default route, so nothing ever leaves this machine.
func routeServices() error {
	link, err := netlink.LinkByName(innerLink)
	if err != nil {
		return err
	}
	_, services, err := net.ParseCIDR(state.ServiceCIDR)
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: services, Scope: netlink.SCOPE_LINK})
}
