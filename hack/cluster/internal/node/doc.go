// Package node gives a cluster with a real node its own small machine inside this one: process, mount, network, IPC and
// host name namespaces, one network link, and control groups. When the first process of the namespaces ends, however it
// ends, the kernel ends all others and removes their mounts, devices and namespaces.
package node
