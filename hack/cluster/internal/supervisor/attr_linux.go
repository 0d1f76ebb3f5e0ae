package supervisor

import "syscall"

// processAttributes make a component end with the thread that started it, however that ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
