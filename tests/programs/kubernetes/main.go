// Command tenantry-kubernetes is a whole Kubernetes control plane in one
// binary: the first argument chooses the upstream command that runs, or the name
// the binary is called by (a link named kubectl is kubectl). Tenantry's tests and
// demo run it as ordinary processes, so that they need neither a container engine
// nor an image registry.
//
// Only the chosen command is constructed: two of the upstream constructors in
// one process panic (both register the process-wide signal handler).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubescheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// commands maps the first argument to an upstream constructor. The files with a
// build tag add the node programs (kubelet, kube-proxy), which build on Linux only.
var commands = map[string]func() *cobra.Command{
	"kube-apiserver":          kubeapiserver.NewAPIServerCommand,
	"kube-controller-manager": kubecontrollermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return kubescheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, called := commands[name]; !called && name != "etcd" {
		if len(os.Args) < 2 {
			usage()
		}
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "git-http":
		gitHTTP(os.Args[1:])
	default:
		build, ok := commands[name]
		if !ok {
			usage()
		}
		os.Exit(cli.Run(build()))
	}
}

func usage() {
	names := []string{"etcd", "git-http"}
	for name := range commands {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: tenantry-kubernetes COMMAND [FLAG…]\ncommands: %v\n", names)
	os.Exit(2)
}
