package lifecycle

import (
	"net"

	"github.com/insitu-dev/insitu/hack/cluster/internal/state"
)

// freePorts returns loopback ports that nothing listened on a moment ago.
func freePorts() (state.Ports, error) {
	var ports state.Ports
	for _, port := range []*int{&ports.API, &ports.Etcd, &ports.EtcdPeer, &ports.ControllerManager, &ports.Scheduler} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports, err
		}
		*port = listener.Addr().(*net.TCPAddr).Port
		// Closed at the end, so that no port is given out twice.
		defer func() { _ = listener.Close() }()
	}
	return ports, nil
}
